//! `hello check`: looks at a running app from outside, as a user would. It leaves one note behind.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::Error;
use crate::{config, output};

/// Goes through the app once; the first thing that is wrong is the error.
pub async fn run() -> Result<(), Error> {
    let (api, page) = (config::port("PORT")?, config::port("FE_PORT")?);
    request(api, "GET", "/api/v1/health", "").await?;
    let html = request(page, "GET", "/", "").await?;
    if !html.contains("</html>") {
        return Err(wrong(page, "/", "this is not the page"));
    }
    let body = r#"{"body":"a note of hello check"}"#;
    let answer = request(api, "POST", "/api/v1/notes", body).await?;
    let id = serde_json::from_str::<serde_json::Value>(&answer)
        .ok()
        .and_then(|json| json["id"].as_i64())
        .ok_or_else(|| wrong(api, "/api/v1/notes", "the answer has no id"))?;
    let path = format!("/api/v1/notes/{id}/attachment");
    request(api, "PUT", &path, "bytes").await?;
    if request(api, "GET", &path, "").await? != "bytes" {
        return Err(wrong(api, &path, "the attachment came back changed"));
    }
    output::line("api, page, database and bucket work");
    Ok(())
}

/// One request over HTTP/1.0, where the answer ends with the connection; the body of the answer.
async fn request(port: u16, method: &str, path: &str, body: &str) -> Result<String, Error> {
    let io = |error: std::io::Error| wrong(port, path, &error.to_string());
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(io)?;
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(io)?;
    stream.write_all(body.as_bytes()).await.map_err(io)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.map_err(io)?;
    let answer = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("no status");
    if status.starts_with('2') {
        Ok(body.to_owned())
    } else {
        Err(wrong(port, path, &format!("{method} answers {status}: {body}")))
    }
}

fn wrong(port: u16, path: &str, why: &str) -> Error {
    Error::Check { url: format!("http://localhost:{port}{path}"), why: why.to_owned() }
}
