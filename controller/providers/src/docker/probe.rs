//! A look at a container's published ports from the host.
//!
//! An engine's proxy accepts every connection to a published port, and closes it when nobody listens inside: a
//! connection counts only when it stays open, or when something is said on it.

use std::time::Duration;

use agent_harness_model::kinds::container::Check;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::process::probe::http;

/// How long all of a look may take.
const LOOK: Duration = Duration::from_secs(3);
/// How long a connection has to stay open.
const STAYS: Duration = Duration::from_millis(50);

/// Whether a check passes; else what it says.
pub async fn check(check: &Check) -> Result<(), String> {
    let (what, look) = match check {
        Check::Tcp(port) => (format!("port {port}"), timeout(LOOK, tcp(*port)).await),
        Check::Smtp(port) => (format!("SMTP on port {port}"), timeout(LOOK, smtp(*port)).await),
        Check::Http(port, path) => {
            let what = format!("GET http://127.0.0.1:{port}{path}");
            (what, timeout(LOOK, http::get(*port, path)).await)
        }
    };
    let late = || format!("no answer within {} s", LOOK.as_secs());
    look.unwrap_or_else(|_| Err(late())).map_err(|why| format!("{what}: {why}"))
}

async fn tcp(port: u16) -> Result<(), String> {
    let mut stream = http::connect(port).await?;
    match timeout(STAYS, stream.read_u8()).await {
        // It says nothing before it is spoken to.
        Err(_) => Ok(()),
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err("nothing listens in the container yet".to_owned()),
    }
}

async fn smtp(port: u16) -> Result<(), String> {
    let mut stream = http::connect(port).await?;
    let mut greeting = [0; 4];
    match stream.read_exact(&mut greeting).await {
        Ok(_) if greeting.starts_with(b"220") => Ok(()),
        Ok(_) => Err(format!("it greets with `{}`", String::from_utf8_lossy(&greeting).trim_end())),
        Err(_) => Err("nothing listens in the container yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// What comes of a look at a server that says this to everybody, and then closes, or not.
    async fn look(says: &'static str, closes: bool, wants: fn(u16) -> Check) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(says.as_bytes()).await.unwrap();
            if !closes {
                std::future::pending::<()>().await;
            }
        });
        let result = check(&wants(port)).await;
        server.abort();
        result.map_err(|why| why.replace(&port.to_string(), "PORT"))
    }

    #[tokio::test]
    async fn a_connection_that_the_proxy_closes_is_no_answer() {
        assert_eq!(look("", false, Check::Tcp).await, Ok(()));
        assert_eq!(look("hello", true, Check::Tcp).await, Ok(()));
        let closed = look("", true, Check::Tcp).await;
        assert_eq!(closed, Err("port PORT: nothing listens in the container yet".into()));
    }

    #[tokio::test]
    async fn a_mail_server_has_to_greet() {
        assert_eq!(look("220 mail ESMTP", false, Check::Smtp).await, Ok(()));
        let other = look("HTTP/1.1 200", false, Check::Smtp).await;
        assert_eq!(other, Err("SMTP on port PORT: it greets with `HTTP`".into()));
        let closed = look("", true, Check::Smtp).await;
        assert_eq!(closed, Err("SMTP on port PORT: nothing listens in the container yet".into()));
    }
}
