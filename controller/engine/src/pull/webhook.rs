//! `POST /hooks/NAME` on loopback: whoever has the secret says that a source has something new, and it is fetched at once.
//! What is said besides is not read: a fetch tells what is there.
//!
//! The secret is `STATE/secrets/webhook`. GitHub, Gitea and Forgejo sign what they send with it (`X-Hub-Signature-256`, or
//! `X-Gitea-Signature`); GitLab sends it (`X-Gitlab-Token`). What sends from elsewhere comes by a proxy, with TLS.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::core::{Core, StartError};
use crate::facts::chain;
use crate::secrets::Secrets;

/// The name of the secret.
pub const SECRET: &str = "webhook";
/// GitHub sends no more than this.
const LARGEST: usize = 25 << 20;

/// Takes the port.
pub fn listen(port: u16) -> Result<std::net::TcpListener, StartError> {
    let failed = |source| StartError::Webhook { port, source };
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Answers until `stop`.
pub async fn serve(listener: std::net::TcpListener, core: Arc<Core>, stop: CancellationToken) {
    // Whoever sets a forge up looks for it before anything was sent.
    if let Err(error) = Secrets::new(&core.config.state).get(SECRET) {
        tracing::error!(error = chain(&error), "webhooks cannot be checked");
    }
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "webhooks cannot be heard"),
    };
    let routes = Router::new()
        .route("/hooks/{name}", post(hear))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(core);
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "webhooks are not heard any more");
    }
}

async fn hear(
    State(core): State<Arc<Core>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let secret = match Secrets::new(&core.config.state).get(SECRET) {
        Ok(secret) => secret,
        Err(error) => {
            tracing::error!(error = chain(&error), "webhooks cannot be checked");
            return (StatusCode::INTERNAL_SERVER_ERROR, "the secret cannot be read\n");
        }
    };
    if !is_from_who_knows(secret.reveal().as_bytes(), &headers, &body) {
        tracing::warn!(source = name, "a webhook without a right signature was refused");
        return (StatusCode::UNAUTHORIZED, "the signature is not right\n");
    }
    let Some(puller) = core.pulls.get(&name).cloned() else {
        return (StatusCode::NOT_FOUND, "there is no source of that name\n");
    };
    // Whoever sends it waits for a few seconds only.
    tokio::spawn(async move { puller.ask(&core, Instant::now()).await });
    (StatusCode::ACCEPTED, "it is fetched\n")
}

/// Whether a request was sent by somebody who has the secret.
fn is_from_who_knows(secret: &[u8], headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Compared as signatures of one text, so that how long it takes says nothing about the secret.
    let same = |given: &str| {
        signed(secret, b"token")
            .verify_slice(&signed(given.as_bytes(), b"token").finalize().into_bytes())
            .is_ok()
    };
    let signature = header("x-hub-signature-256")
        .map(|value| value.strip_prefix("sha256=").unwrap_or_default())
        .or_else(|| header("x-gitea-signature"));
    match (signature, header("x-gitlab-token")) {
        (Some(signature), _) => {
            bytes(signature).is_some_and(|given| signed(secret, body).verify_slice(&given).is_ok())
        }
        (None, Some(token)) => same(token),
        (None, None) => false,
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signed(secret: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(text);
    mac
}

/// What hexadecimal digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?, 16).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_secret_is_heard() {
        // That of GitHub's own documentation.
        let (secret, body) = (b"It's a Secret to Everybody", b"Hello, World!");
        let right = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let heard = |name: &'static str, value: &str| {
            let headers = [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect();
            is_from_who_knows(secret, &headers, body)
        };
        assert!(heard("x-hub-signature-256", &format!("sha256={right}")));
        assert!(heard("x-gitea-signature", right));
        assert!(heard("x-gitlab-token", "It's a Secret to Everybody"));
        let cut = &right[..62];
        for wrong in
            ["", "sha256=", "sha1=00", right, &format!("sha256={cut}"), &format!("sha256={cut}18")]
        {
            assert!(!heard("x-hub-signature-256", wrong), "{wrong}");
        }
        assert!(!heard("x-gitlab-token", ""));
        assert!(!is_from_who_knows(secret, &HeaderMap::new(), body));
        assert!(!is_from_who_knows(
            secret,
            &[("x-gitea-signature".parse().unwrap(), "é".parse().unwrap())].into_iter().collect(),
            body
        ));
    }
}
