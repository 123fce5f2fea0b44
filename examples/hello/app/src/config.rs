//! Reads the environment. Every variable is named here once, with its default.

use std::env;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::error::Error;

/// The value of a variable; unset and empty are both an error.
pub fn required(name: &'static str) -> Result<String, Error> {
    match env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(Error::NotSet(name)),
    }
}

/// The value of a variable, or a default.
pub fn or(name: &'static str, default: &str) -> String {
    required(name).unwrap_or_else(|_| default.to_owned())
}

/// A port out of a variable.
pub fn port(name: &'static str) -> Result<u16, Error> {
    let value = required(name)?;
    value.parse().map_err(|_| Error::BadValue { name, value, expected: "a port, 1 to 65535" })
}

/// Whose stack this is, for people: `AGENT_NAME`, by default `nobody`.
pub fn agent() -> String {
    or("AGENT_NAME", "nobody")
}

/// The database: `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`.
pub fn database() -> Result<PgConnectOptions, Error> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&or("PGHOST", "127.0.0.1"))
        .username(&required("PGUSER")?)
        .database(&required("PGDATABASE")?)
        .application_name("hello")
        .ssl_mode(PgSslMode::Prefer);
    if env::var_os("PGPORT").is_some() {
        options = options.port(port("PGPORT")?);
    }
    if let Ok(password) = required("PGPASSWORD") {
        options = options.password(&password);
    }
    Ok(options)
}

/// The object store: `S3_ENDPOINT`, `S3_REGION`, `S3_BUCKET`, `S3_ACCESS_KEY`, `S3_SECRET_KEY`.
#[derive(Clone)]
pub struct Store {
    pub endpoint: String,
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

/// See [`Store`].
pub fn store() -> Result<Store, Error> {
    Ok(Store {
        endpoint: required("S3_ENDPOINT")?,
        region: or("S3_REGION", "us-east-1"),
        bucket: required("S3_BUCKET")?,
        access_key: required("S3_ACCESS_KEY")?,
        secret_key: required("S3_SECRET_KEY")?,
    })
}
