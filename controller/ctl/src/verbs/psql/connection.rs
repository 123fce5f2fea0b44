//! Where an agent's database is, read off its environment: the PG* variables, else a URL.

use std::collections::BTreeMap;

/// How a database is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<String>,
    pub database: String,
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
        [
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
        ]
        .into_iter()
        .chain(password)
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
        })
    }

    /// `postgres://user:password@host:port/database?…`
    fn from_url(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"))?;
        let rest = rest.split(['?', '#']).next()?;
        let (place, database) = rest.split_once('/')?;
        let (who, place) = place.rsplit_once('@')?;
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (who, None),
        };
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (place, 5432),
        };
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            user: decode(user)?,
            password,
            database: decode(database)?,
        })
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            bytes.push(digit(rest.next()?)? * 16 + digit(rest.next()?)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
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
        assert_eq!(
            find(&[url]).as_deref(),
            Some("PGHOST=::1 PGPORT=15432 PGUSER=u@x PGDATABASE=my db PGPASSWORD=p/w")
        );
        assert_eq!(
            find(&[("POSTGRES_URL", "postgresql://u@h/d")]).as_deref(),
            Some("PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=d")
        );
        assert_eq!(find(&[("METRICS", "postgresql://u@h/d")]), None, "that is another one");
        assert_eq!(find(&[("PGDATABASE", "d"), ("B", "postgres://h")]), None);
    }
}
