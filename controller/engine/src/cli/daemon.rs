//! Asks the controller that runs: the one request of its socket that this program has a use for.

use std::path::Path;
use std::time::Duration;

use agent_harness_model::api::{DownRequest, ErrorBody, Event};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;

/// How long nothing may come. One step of going down may well be silent for a minute or two.
const SILENCE: Duration = Duration::from_secs(300);

/// Why the controller did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It said no, or that it failed.
    #[error("{0}")]
    Refused(String),
    /// There is none, or it went away before its answer was complete. Another one may come.
    #[error("cannot talk to the controller that holds the state folder")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It takes requests, and nothing comes back.
    #[error(
        "the controller that holds the state folder does not answer: nothing came for {} s; is it stopped?",
        SILENCE.as_secs()
    )]
    Silent,
}

/// Has the controller end everything; `tell` gets each event on the way.
pub async fn down(state: &Path, purge: bool, tell: impl Fn(&Event)) -> Result<(), AskError> {
    let stream = crate::control::connect(state).await.map_err(away)?;
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(away)?;
    tokio::spawn(connection);
    let body = serde_json::to_vec(&DownRequest { purge }).map_err(away)?;
    let request = hyper::Request::post("/v1/down")
        .header("host", "control.sock")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(away)?;
    let response = bounded(sender.send_request(request)).await?.map_err(away)?;
    let status = response.status();
    if !status.is_success() {
        let bytes = bounded(response.into_body().collect()).await?.map_err(away)?.to_bytes();
        let message = serde_json::from_slice::<ErrorBody>(&bytes).map(|body| body.message);
        return Err(AskError::Refused(message.unwrap_or_else(|_| status.to_string())));
    }
    listen(response.into_body(), tell).await
}

/// Reads a line for each event; a failure is the last line.
async fn listen(mut body: Incoming, tell: impl Fn(&Event)) -> Result<(), AskError> {
    let mut buffer = Vec::new();
    while let Some(frame) = bounded(body.frame()).await? {
        if let Ok(data) = frame.map_err(away)?.into_data() {
            buffer.extend_from_slice(&data);
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            // An event has all that a failure has, and more.
            if let Ok(event) = serde_json::from_slice::<Event>(&line) {
                tell(&event);
            } else if let Ok(failure) = serde_json::from_slice::<ErrorBody>(&line) {
                return Err(AskError::Refused(failure.message));
            }
        }
    }
    Ok(())
}

async fn bounded<T>(answer: impl Future<Output = T>) -> Result<T, AskError> {
    tokio::time::timeout(SILENCE, answer).await.map_err(|_| AskError::Silent)
}

fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AskError {
    AskError::Away(error.into())
}
