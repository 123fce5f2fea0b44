//! Databases: who gets in, what is in one, and whether one is still there.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_harness_model::kinds::service::{PostgresConnection, SslMode};
use agent_harness_model::secret::Secret;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use super::Attempt;
use crate::postgres::{PgError, Server};

/// `insufficient_privilege`, `invalid_authorization_specification`, `invalid_password`: PostgreSQL's error codes.
const REFUSALS: [&str; 3] = ["42501", "28000", "28P01"];
/// A server that is there answers within this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who logs in where.
#[derive(Debug, Clone)]
pub struct Login {
    pub server: PostgresConnection,
    pub role: String,
    pub password: Secret,
    pub database: String,
}

impl Login {
    fn options(&self) -> PgConnectOptions {
        let Self { server, role, password, database } = self;
        let options = PgConnectOptions::new_without_pgpass()
            .host(&server.host)
            .port(server.port)
            .username(role)
            .password(password.reveal())
            .database(database);
        match server.sslmode {
            None | Some(SslMode::Prefer) => options,
            Some(SslMode::Disable) => options.ssl_mode(PgSslMode::Disable),
            Some(SslMode::Require) => options.ssl_mode(PgSslMode::Require),
            Some(SslMode::VerifyCa) => options.ssl_mode(PgSslMode::VerifyCa),
            Some(SslMode::VerifyFull) => options.ssl_mode(PgSslMode::VerifyFull),
        }
    }

    async fn connect(&self) -> Result<PgConnection, Attempt> {
        match tokio::time::timeout(PATIENCE, PgConnection::connect_with(&self.options())).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(sqlx::Error::Database(error))) => {
                let words = error.message().to_owned();
                let is_refusal = error.code().is_some_and(|code| REFUSALS.contains(&&*code));
                Err(if is_refusal { Attempt::Refused(words) } else { Attempt::Unknown(words) })
            }
            Ok(Err(error)) => Err(Attempt::Unknown(error.to_string())),
            Err(_) => Err(Attempt::Unknown(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// Whether a role gets into a database.
pub async fn opens_database(login: &Login) -> Attempt {
    match login.connect().await {
        Ok(connection) => {
            // It was let in already, whatever comes of its farewell.
            let _ = connection.close().await;
            Attempt::Opened("opens")
        }
        Err(attempt) => attempt,
    }
}

/// How many rows each table has that its role may read.
pub async fn rows(login: &Login) -> Result<BTreeMap<String, u64>, String> {
    let mut connection = login.connect().await.map_err(|attempt| match attempt {
        Attempt::Opened(how) => how.to_owned(),
        Attempt::Refused(why) | Attempt::Unknown(why) => why,
    })?;
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') \
        AND has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')";
    let tables = sqlx::query(tables).fetch_all(&mut connection).await;
    let mut rows = BTreeMap::new();
    for table in tables.map_err(|error| error.to_string())? {
        let table: String = table.try_get(0).map_err(|error| error.to_string())?;
        // The server has quoted it.
        let count = sqlx::query(AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
        let count = count.fetch_one(&mut connection).await.map_err(|error| error.to_string())?;
        let count: i64 = count.try_get(0).map_err(|error| error.to_string())?;
        rows.insert(table, count.unsigned_abs());
    }
    let _ = connection.close().await;
    Ok(rows)
}

/// Which of a database and its role are there.
pub async fn database_is_there(server: &Server, name: &str) -> Result<Vec<String>, PgError> {
    let mut session = server.session().await?;
    let name = crate::postgres::literal(name);
    let sql = format!(
        "SELECT 'database ' || datname FROM pg_database WHERE datname = {name} \
         UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname = {name}"
    );
    let rows = session.rows_once(&sql, "look for what is left").await?;
    Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
}
