//! Where an agent's database is, read off its environment: the PG* variables, else a URL.

use std::collections::BTreeMap;

use agent_harness_model::kinds::service::PostgresConnection;
use agent_harness_model::resolve::connection_of_app;

/// How a database is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
    /// Whether it is encrypted, in libpq's words.
    pub sslmode: Option<String>,
}

impl Connection {
    /// The connection that these variables describe.
    pub fn find(variables: &BTreeMap<String, String>) -> Option<Self> {
        Self::from_variables(variables).or_else(|| {
            // Under any other name it may well be somebody else's: a read replica, a metrics store.
            let named = ["DATABASE_URL", "PGCONNECTIONURI", "POSTGRES_URL"];
            let mut named = named.iter().filter_map(|name| variables.get(*name));
            named.find_map(|value| Self::from_url(value))
        })
    }

    /// As libpq takes it.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let password = self.password.clone().map(|password| ("PGPASSWORD", password));
        let sslmode = self.sslmode.clone().map(|mode| ("PGSSLMODE", mode));
        [
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
        ]
        .into_iter()
        .chain(password)
        .chain(sslmode)
    }

    fn from_variables(variables: &BTreeMap<String, String>) -> Option<Self> {
        let get = |name| variables.get(name).cloned();
        let database = get("PGDATABASE")?;
        Some(Self {
            host: get("PGHOST")?,
            port: get("PGPORT").and_then(|port| port.parse().ok()).unwrap_or(5432),
            user: get("PGUSER").unwrap_or_else(|| database.clone()),
            password: get("PGPASSWORD"),
            database,
            sslmode: get("PGSSLMODE"),
        })
    }

    /// `postgres://user:password@host:port/database?…`
    fn from_url(url: &str) -> Option<Self> {
        let PostgresConnection {
            host,
            port,
            user,
            password,
            database,
            sslmode,
            in_container: _,
            embedded_root: _,
        } = connection_of_app(url)?;
        let password = password.reveal();
        Some(Self {
            host,
            port,
            user,
            password: (!password.is_empty()).then(|| password.to_owned()),
            database,
            sslmode: sslmode.map(|mode| mode.as_str().to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Option<String> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Connection::find(&variables.collect()).map(|connection| {
            let words = connection.variables().map(|(name, value)| format!("{name}={value}"));
            words.collect::<Vec<_>>().join(" ")
        })
    }

    #[test]
    fn the_variables_come_before_a_url() {
        let url = ("DATABASE_URL", "postgres://u%40x:p%2Fw@[::1]:15432/my%20db?sslmode=disable");
        assert_eq!(
            find(&[("PGHOST", "h"), ("PGDATABASE", "d"), ("PGUSER", "u"), url]).as_deref(),
            Some("PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=d")
        );
        let mode = ("PGSSLMODE", "verify-ca");
        assert_eq!(
            find(&[("PGHOST", "h"), ("PGDATABASE", "d"), mode]).as_deref(),
            Some("PGHOST=h PGPORT=5432 PGUSER=d PGDATABASE=d PGSSLMODE=verify-ca")
        );
        assert_eq!(
            find(&[url]).as_deref(),
            Some(
                "PGHOST=::1 PGPORT=15432 PGUSER=u@x PGDATABASE=my db PGPASSWORD=p/w PGSSLMODE=disable"
            )
        );
        assert_eq!(
            find(&[("POSTGRES_URL", "postgresql://u@h/d")]).as_deref(),
            Some("PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=d")
        );
        assert_eq!(find(&[("METRICS", "postgresql://u@h/d")]), None, "that is another one");
        assert_eq!(find(&[("PGDATABASE", "d"), ("B", "postgres://h")]), None);
    }
}
