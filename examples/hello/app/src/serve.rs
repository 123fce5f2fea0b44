//! Serves a router on loopback until SIGTERM or Ctrl-C, and logs one line per request.

use std::net::Ipv4Addr;
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::error::Error;
use crate::output;

/// Serves until the process is asked to end; requests under way are finished.
pub async fn serve(what: &str, port: u16, router: Router) -> Result<(), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| Error::Listen { port, source })?;
    output::line(format!("{what} on http://localhost:{port}"));
    axum::serve(listener, router.layer(from_fn(log)))
        .with_graceful_shutdown(asked_to_end())
        .await
        .map_err(Error::Serve)
}

/// Comes back when the process is asked to end.
pub async fn asked_to_end() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    output::line("asked to end");
}

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    // Readiness checks come every second: only their failures are worth a line.
    if !(path.ends_with("/health") && response.status().is_success()) {
        output::line(format!(
            "{method} {path:?} {} {} ms",
            response.status().as_u16(),
            started.elapsed().as_millis()
        ));
    }
    response
}
