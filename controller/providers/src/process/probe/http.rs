//! One HTTP request to this host, over IPv4 or, where nobody listens there, IPv6.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::StatusCode;
use hyper::http::uri::PathAndQuery;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So much of an answer is looked at, at most.
const HEAD: usize = 4096;

/// Connects to the loopback address; dev servers that bind `localhost` often take IPv6 alone.
pub async fn connect(port: u16) -> Result<TcpStream, String> {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        Ok(stream) => Ok(stream),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port))
                .await
                .map_err(|_| "nothing listens there yet".to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// `GET path`; anything but 2xx and 3xx is an error. Of the answer no more is read than says which it is, and
/// all of it happens in one small buffer: looks are all that an idle controller does.
pub async fn get(port: u16, path: &str) -> Result<(), String> {
    path.parse::<PathAndQuery>()
        .map_err(|error| format!("the path `{path}` is no URL path: {error}"))?;
    let mut stream = connect(port).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: agent-harness-probe\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut buffer = [0; HEAD];
    let mut filled = 0;
    loop {
        match status(&buffer[..filled])? {
            Head::Final(code) if code.is_success() || code.is_redirection() => return Ok(()),
            Head::Final(code) => return Err(format!("answered {code}")),
            Head::Interim(length) => {
                buffer.copy_within(length..filled, 0);
                filled -= length;
                continue;
            }
            Head::Partial => {}
        }
        match stream.read(&mut buffer[filled..]).await.map_err(|error| error.to_string())? {
            0 if filled == 0 => {
                return Err("the connection was closed without an answer".to_owned());
            }
            0 => return Err("the answer is not HTTP, or breaks off".to_owned()),
            read => filled += read,
        }
    }
}

/// What the beginning of an answer says.
enum Head {
    /// The status.
    Final(StatusCode),
    /// One that comes before the real one, such as 103; its length.
    Interim(usize),
    /// Too little to know.
    Partial,
}

fn status(answer: &[u8]) -> Result<Head, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(answer);
    let code = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    match (code, parsed) {
        (Some(code), _) if !code.is_informational() => Ok(Head::Final(code)),
        (Some(_), Ok(httparse::Status::Complete(length))) => Ok(Head::Interim(length)),
        (_, Err(error)) => Err(format!("the answer is not HTTP: {error}")),
        (_, Ok(_)) => Ok(Head::Partial),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The outcome of a look at a server that says this, each part on its own, and closes.
    async fn told(parts: &'static [&'static str]) -> Result<(), String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            for part in parts {
                // It may have heard enough by now.
                let _ = stream.write_all(part.as_bytes()).await;
                tokio::task::yield_now().await;
            }
            String::from_utf8(asked).unwrap()
        });
        let outcome = get(port, "/health?deep=1").await;
        let asked = server.await.unwrap();
        assert!(asked.starts_with("GET /health?deep=1 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("\r\nHost: localhost:{port}\r\n")), "{asked}");
        outcome
    }

    #[tokio::test]
    async fn the_status_decides() {
        let words = [
            told(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]).await,
            told(&["HTTP/1.0 302 Found\r\nLocation: /\r\n\r\n"]).await,
            told(&["HTTP/1.1 2", "04 No", " Content\r\n\r\n"]).await,
            told(&["HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]).await,
            told(&["HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 500 No\r\n\r\n"]).await,
            told(&["HTTP/1.1 404 Not Found\r\n", "\r\n"]).await,
            told(&["SSH-2.0-OpenSSH_9.2p1\r\n"]).await,
            told(&["HTTP/1.1 2"]).await,
            told(&[]).await,
        ];
        let words = words.each_ref().map(|outcome| outcome.as_ref().map_err(String::as_str));
        assert_eq!(
            words,
            [
                Ok(&()),
                Ok(&()),
                Ok(&()),
                Ok(&()),
                Err("answered 500 Internal Server Error"),
                Err("answered 404 Not Found"),
                Err("the answer is not HTTP: invalid HTTP version"),
                Err("the answer is not HTTP, or breaks off"),
                Err("the connection was closed without an answer"),
            ]
        );
    }

    #[tokio::test]
    async fn a_path_that_is_none_is_never_asked_for() {
        for path in ["/a b", "/a\r\nX: y"] {
            let why = get(1, path).await.unwrap_err();
            assert!(why.starts_with("the path `"), "{why}");
        }
    }
}
