//! `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`, read and written. Pure.
//!
//! What is not understood is refused: a setting that is dropped without a word is one that somebody relies on.

use crate::kinds::service::{PostgresConnection, SslMode};
use crate::secret::{Secret, Text};

/// Takes a URL apart. The error completes "the URL of the server …", and holds nothing of the URL that may be secret.
pub(super) fn parse(url: &Text) -> Result<PostgresConnection, String> {
    parse_text(url.reveal(), false).map_err(|why| format!("the URL of the server {why}"))
}

/// Takes the URL apart that an app is given: parameters that only the app's own library knows are left out.
pub fn connection_of_app(url: &str) -> Option<PostgresConnection> {
    parse_text(url, true).ok()
}

fn parse_text(text: &str, for_an_app: bool) -> Result<PostgresConnection, String> {
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
        .ok_or("does not begin with postgres://")?;
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if parameters.contains('@') {
        // What looks like parameters is the end of a password, and must not be shown.
        return Err("has a `?` before its `@`; write %3F for a `?` in the user or password".into());
    }
    let (login, address) = rest.rsplit_once('@').ok_or("has no user")?;
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (place, database) = address.split_once('/').unwrap_or((address, ""));
    let (host, port) = host_and_port(place)?;
    if user.is_empty() {
        return Err("has no user".into());
    }
    let database = decoded(database, "database")?;
    Ok(PostgresConnection {
        host,
        port,
        user: decoded(user, "user")?,
        password: Secret::new(decoded(password, "password")?),
        database: if database.is_empty() { "postgres".into() } else { database },
        sslmode: sslmode(parameters, for_an_app)?,
        in_container: false,
        embedded_root: None,
    })
}

/// `db.example:6543`, `[::1]:6543`, each also without the port.
fn host_and_port(place: &str) -> Result<(String, u16), String> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or("has a `[` without a `]`")?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err("has no valid port".into()),
            }
        }
        None => match place.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has an IPv6 address without brackets; write [::1]".into());
            }
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    if host.is_empty() {
        return Err("has no host".into());
    }
    let port = match port {
        Some(port) => port.parse().map_err(|_| "has no valid port")?,
        None => 5432,
    };
    Ok((decoded(host, "host")?, port))
}

fn sslmode(parameters: &str, for_an_app: bool) -> Result<Option<SslMode>, String> {
    let mut found = None;
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = decoded(name, "parameters")?;
        if name != "sslmode" {
            if for_an_app {
                continue;
            }
            return Err(format!(
                "has the parameter `{name}`; `sslmode` is the only one that is known"
            ));
        }
        let value = decoded(value, "sslmode")?;
        let mode = SslMode::ALL.into_iter().find(|mode| mode.as_str() == value);
        let known = SslMode::ALL.map(|mode| format!("`{}`", mode.as_str())).join(", ");
        found = Some(mode.ok_or_else(|| format!("has sslmode={value}; known are {known}"))?);
    }
    Ok(found)
}

fn decoded(text: &str, what: &str) -> Result<String, String> {
    let odd = |why: &str| format!("has a {what} with {why}");
    let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(odd(
                "a `%` that two hexadecimal digits do not follow; write %25 for a `%`",
            ));
        };
        bytes.extend(u8::try_from(high * 16 + low));
    }
    match String::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err(odd("a zero byte")),
        Ok(text) => Ok(text),
        Err(_) => Err(odd("bytes that are no UTF-8")),
    }
}

/// The URL by which somebody reaches a database of a server.
pub(super) fn write(
    server: &PostgresConnection,
    user: &str,
    password: Option<&Secret>,
    database: &str,
) -> String {
    let password = password.map(|password| format!(":{}", encoded(password.reveal())));
    let host = encoded(&server.host);
    let host = if host.contains("%3A") { format!("[{}]", host.replace("%3A", ":")) } else { host };
    let sslmode = server.sslmode.map(|mode| format!("?sslmode={}", mode.as_str()));
    format!(
        "postgres://{}{}@{host}:{}/{}{}",
        encoded(user),
        password.unwrap_or_default(),
        server.port,
        encoded(database),
        sslmode.unwrap_or_default()
    )
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            // RFC 3986, unreserved.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<PostgresConnection, String> {
        parse(&Text::from(url))
    }

    #[test]
    fn a_url_is_taken_apart() {
        let url = "postgres://me:p%40ss@db.example:6543/my%20db?sslmode=require";
        let connection = parsed(url).unwrap();
        assert_eq!(connection.password.reveal(), "p@ss");
        let PostgresConnection { host, port, user, database, sslmode, .. } = &connection;
        assert_eq!(
            (host.as_str(), *port, user.as_str(), database.as_str(), *sslmode),
            ("db.example", 6543, "me", "my db", Some(SslMode::Require))
        );
        let least = parsed("postgresql://me@h").unwrap();
        assert_eq!((least.port, least.database.as_str(), least.sslmode), (5432, "postgres", None));
        for (place, host, port) in [
            ("[::1]", "::1", 5432),
            ("[fe80::1]:6543", "fe80::1", 6543),
            ("127.0.0.1:1", "127.0.0.1", 1),
        ] {
            let connection = parsed(&format!("postgres://me@{place}/db")).unwrap();
            assert_eq!((connection.host.as_str(), connection.port), (host, port), "{place}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_words() {
        for (url, why) in [
            ("mysql://x", "does not begin with postgres://"),
            ("postgres://h", "has no user"),
            ("postgres://:pw@h", "has no user"),
            ("postgres://me@/db", "has no host"),
            (
                "postgres://me:p@ss?word=x@h/db",
                "has a `?` before its `@`; write %3F for a `?` in the user or password",
            ),
            ("postgres://me@h:x/db", "has no valid port"),
            ("postgres://me@[::1]x/db", "has no valid port"),
            ("postgres://me@[::1/db", "has a `[` without a `]`"),
            ("postgres://me@::1/db", "has an IPv6 address without brackets; write [::1]"),
            (
                "postgres://me:5%@h/db",
                "has a password with a `%` that two hexadecimal digits do not follow; write %25 for a `%`",
            ),
            ("postgres://me@h/%ff", "has a database with bytes that are no UTF-8"),
            (
                "postgres://me@h/db?sslmode=prefer&sslrootcert=x",
                "has the parameter `sslrootcert`; `sslmode` is the only one that is known",
            ),
            (
                "postgres://me@h/db?sslmode=on",
                "has sslmode=on; known are `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
            ),
        ] {
            assert_eq!(parsed(url).unwrap_err(), format!("the URL of the server {why}"), "{url}");
        }
    }

    #[test]
    fn what_only_the_library_of_an_app_knows_is_left_out() {
        let url = "postgres://me:pw@h/db?schema=public&sslmode=require";
        assert!(parsed(url).is_err());
        assert_eq!(connection_of_app(url).unwrap().sslmode, Some(SslMode::Require));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let password = Secret::new("p:w/@%ü?");
        for host in ["db.example", "::1", "fe80::1%eth0", "/run/a b"] {
            for sslmode in [None, Some(SslMode::VerifyFull)] {
                let server = PostgresConnection {
                    host: host.into(),
                    port: 6543,
                    user: "m e@".into(),
                    password: password.clone(),
                    database: "a/b".into(),
                    sslmode,
                    in_container: false,
                    embedded_root: None,
                };
                let url = write(&server, &server.user, Some(&password), &server.database);
                assert_eq!(parsed(&url).unwrap(), server, "{url}");
            }
        }
    }
}
