//! One HTTP request to this host, over IPv4 or, where nobody listens there, IPv6.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use agent_harness_model::kinds::process::HttpCheck;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::http::uri::PathAndQuery;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So much of an answer is looked at, at most.
const HEAD: usize = 4096;
/// So much of its body, where that is asked for.
const BODY: usize = 1024 * 1024;
/// A value of so many characters is quoted.
const QUOTED: usize = 80;

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

/// `GET`, whose answer has to be as wanted.
pub async fn check(want: &HttpCheck) -> Result<(), String> {
    if want.json.is_empty() {
        return judge(head(want.port, &want.path).await?, &want.statuses);
    }
    let (code, body) = whole(want.port, &want.path).await?;
    judge(code, &want.statuses)?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|error| format!("answered {code} and something else than JSON: {error}"))?;
    compare(&body, &want.json)
}

/// `GET path`; anything but 2xx and 3xx is an error.
pub async fn get(port: u16, path: &str) -> Result<(), String> {
    judge(head(port, path).await?, &[])
}

fn judge(code: StatusCode, good: &[u16]) -> Result<(), String> {
    let is_good = match good {
        [] => code.is_success() || code.is_redirection(),
        some => some.contains(&code.as_u16()),
    };
    if is_good { Ok(()) } else { Err(format!("answered {code}")) }
}

fn compare(body: &Value, want: &BTreeMap<String, String>) -> Result<(), String> {
    for (path, want) in want {
        let found = path.split('.').try_fold(body, |inner, key| match inner {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => inner.get(key),
        });
        let text = match found {
            None => return Err(format!("its answer has no field `{path}`")),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        if text != *want {
            // Whole or not at all: of a secret that was cut nobody would know that it is one.
            let is = match text.chars().count() {
                few if few <= QUOTED => format!("`{text}`"),
                many => format!("another text of {many} characters"),
            };
            return Err(format!("`{path}` is {is}, and not `{want}`"));
        }
    }
    Ok(())
}

/// Status and body.
async fn whole(port: u16, path: &str) -> Result<(StatusCode, Bytes), String> {
    let path = path_of(path)?;
    let stream = TokioIo::new(connect(port).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(|error| format!("the answer is not HTTP: {error}"))?;
    let request = Request::get(path.as_str())
        .header("Host", format!("localhost:{port}"))
        .header("User-Agent", AGENT)
        .header("Accept", "application/json")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let code = answer.status();
        let body = Limited::new(answer.into_body(), BODY).collect().await;
        let body = body.map_err(|error| format!("answered {code}, and then: {error}"))?;
        Ok::<_, String>((code, body.to_bytes()))
    };
    let connection = async {
        // What breaks it, the answer says as well.
        let _ = connection.await;
    };
    tokio::pin!(answer);
    tokio::select! {
        done = &mut answer => done,
        () = connection => answer.await,
    }
}

fn path_of(path: &str) -> Result<PathAndQuery, String> {
    path.parse().map_err(|error| format!("the path `{path}` is no URL path: {error}"))
}

const AGENT: &str = "agent-harness-probe";

/// The status of an answer. No more of it is read than says which it is, and all of it happens in one small buffer:
/// looks are all that an idle controller does.
async fn head(port: u16, path: &str) -> Result<StatusCode, String> {
    path_of(path)?;
    let mut stream = connect(port).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: {AGENT}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut buffer = [0; HEAD];
    let mut filled = 0;
    loop {
        match status(&buffer[..filled])? {
            Head::Final(code) => return Ok(code),
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

    /// A server that says this, each part on its own, and closes; it gives what it was asked.
    async fn serve(parts: &'static [&'static str]) -> (u16, tokio::task::JoinHandle<String>) {
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
        (port, server)
    }

    /// The outcome of a look at such a server.
    async fn told(parts: &'static [&'static str]) -> Result<(), String> {
        let (port, server) = serve(parts).await;
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

    #[tokio::test]
    async fn the_fields_that_are_named_have_to_be_as_they_are_named() {
        const ANSWER: &[&str] = &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "2d\r\n{\"status\":\"ok\",\"db\":{\"up\":true},\"list\":[1,2]}\r\n0\r\n\r\n",
        ];
        let ask = async |field: &str, want: &str, statuses: &[u16]| {
            let (port, server) = serve(ANSWER).await;
            let json = BTreeMap::from([(field.to_owned(), want.to_owned())]);
            let want = HttpCheck { port, path: "/h".to_owned(), statuses: statuses.to_vec(), json };
            let outcome = check(&want).await;
            server.await.unwrap();
            outcome
        };
        for (field, want) in [("status", "ok"), ("db.up", "true"), ("list.1", "2")] {
            assert_eq!(ask(field, want, &[]).await, Ok(()), "{field}");
        }
        let words = [
            ask("status", "fine", &[]).await,
            ask("db.version", "1", &[]).await,
            ask("list.2", "3", &[]).await,
            ask("status", "ok", &[204]).await,
        ];
        assert_eq!(
            words.map(Result::unwrap_err),
            [
                "`status` is `ok`, and not `fine`",
                "its answer has no field `db.version`",
                "its answer has no field `list.2`",
                "answered 200 OK",
            ]
        );
    }
}
