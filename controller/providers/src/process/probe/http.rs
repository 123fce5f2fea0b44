//! One HTTP request to this host, over IPv4 or, where nobody listens there, IPv6.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

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

/// `GET path`; anything but 2xx and 3xx is an error.
pub async fn get(port: u16, path: &str) -> Result<(), String> {
    let stream = connect(port).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let request = hyper::Request::get(path)
        .header("host", format!("localhost:{port}"))
        .header("user-agent", "agent-harness-probe")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the path `{path}` is no URL path: {error}"))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        Ok(response.status())
    };
    // The body is of no interest: the connection ends when the request's handle is dropped.
    let (status, _closed) = tokio::join!(answer, connection);
    match status {
        Ok(status) if status.is_success() || status.is_redirection() => Ok(()),
        Ok(status) => Err(format!("answered {status}")),
        Err(why) => Err(why),
    }
}
