//! Talks to our own server beside S3: who it is, all of its buckets at once, renames, and purges.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_harness_model::kinds::service::StoreConnection;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;

use super::error::S3Error;
use crate::object_store::{Listed, SecretText, now_ms, proof};

const TIMEOUT: Duration = Duration::from_secs(10);
/// A listing of tens of thousands of buckets.
const ANSWER_MAX: usize = 64 << 20;

#[derive(Deserialize)]
struct Identity {
    installation: String,
    proof: String,
}

/// Makes sure that the server is the one that holds our root key.
pub async fn identify(connection: &StoreConnection, installation: &str) -> Result<(), S3Error> {
    let nonce = SecretText::random();
    let path = format!("{}?nonce={}", proof::IDENTITY_PATH, nonce.expose());
    let impostor = |why: String| S3Error::Impostor {
        endpoint: connection.endpoint.clone(),
        remedy: String::new(),
        why,
    };
    let (status, body) = call(connection, Method::GET, &path, "identify").await?;
    if status != StatusCode::OK {
        return Err(impostor(format!("it answers {status} to the question who it is")));
    }
    let identity: Identity = serde_json::from_slice(&body)
        .map_err(|_| impostor("it does not say who it is".to_owned()))?;
    if identity.installation != installation {
        return Err(impostor(format!(
            "it belongs to the installation {:.64}",
            identity.installation
        )));
    }
    let secret = SecretText::new(connection.secret_key.reveal());
    if !proof::same(&identity.proof, &proof::identity(&secret, installation, nonce.expose())) {
        return Err(impostor("it does not hold our root key".to_owned()));
    }
    Ok(())
}

/// All buckets with their tags, CORS and expiry, in one call.
pub async fn buckets(connection: &StoreConnection) -> Result<BTreeMap<String, Listed>, S3Error> {
    let path = format!("{}buckets", proof::ADMIN_PREFIX);
    let action = "list buckets";
    let (status, body) = call(connection, Method::GET, &path, action).await?;
    accept(status, &body, action)?;
    serde_json::from_slice(&body).map_err(|error| S3Error::BadAnswer {
        endpoint: connection.endpoint.clone(),
        source: error.into(),
    })
}

/// Renames a bucket. `NoSuchBucket` and `BucketAlreadyExists` come as refusals.
pub async fn rename(connection: &StoreConnection, from: &str, to: &str) -> Result<(), S3Error> {
    let path = format!("{}rename?from={from}&to={to}", proof::ADMIN_PREFIX);
    let action = format!("rename bucket {from} to {to}");
    let (status, body) = call(connection, Method::POST, &path, &action).await?;
    accept(status, &body, &action)
}

/// Removes a bucket with all that is in it; one that is gone is removed already.
pub async fn purge(connection: &StoreConnection, bucket: &str) -> Result<(), S3Error> {
    let path = format!("{}purge?bucket={bucket}", proof::ADMIN_PREFIX);
    let action = format!("purge bucket {bucket}");
    let (status, body) = call(connection, Method::POST, &path, &action).await?;
    match accept(status, &body, &action) {
        Err(error) if error.code() == Some("NoSuchBucket") => Ok(()),
        result => result,
    }
}

fn accept(status: StatusCode, body: &[u8], action: &str) -> Result<(), S3Error> {
    if status.is_success() {
        return Ok(());
    }
    Err(S3Error::Refused {
        action: action.to_owned(),
        status: status.as_u16(),
        code: String::from_utf8_lossy(body).trim().chars().take(64).collect(),
        message: String::new(),
    })
}

async fn call(
    connection: &StoreConnection,
    method: Method,
    path: &str,
    action: &str,
) -> Result<(StatusCode, Bytes), S3Error> {
    let unreachable = |source: aws_sdk_s3::error::BoxError| S3Error::Unreachable {
        endpoint: connection.endpoint.clone(),
        remedy: String::new(),
        source,
    };
    let authority = connection.endpoint.trim_start_matches("http://").trim_end_matches('/');
    let connect = tokio::net::TcpStream::connect(authority);
    let stream = tokio::time::timeout(TIMEOUT, connect)
        .await
        .map_err(|elapsed| unreachable(elapsed.into()))?
        .map_err(|error| unreachable(error.into()))?;
    // From here on a change may have been made whatever happens.
    let changes = method != Method::GET;
    let lost = |source: aws_sdk_s3::error::BoxError| {
        if changes {
            S3Error::NoAnswer { action: action.to_owned(), source }
        } else {
            unreachable(source)
        }
    };
    let secret = SecretText::new(connection.secret_key.reveal());
    let request = Request::builder()
        .header(proof::ADMIN_HEADER, proof::admin(&secret, method.as_str(), path, now_ms()))
        .header("host", authority)
        .method(method)
        .uri(path)
        .body(Empty::<Bytes>::new())
        .map_err(|error| S3Error::Unsendable { action: action.to_owned(), source: error.into() })?;
    let exchange = async {
        let (mut sender, task) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(task);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await?.to_bytes();
        driver.abort();
        Ok::<_, aws_sdk_s3::error::BoxError>((status, body))
    };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(result) => result.map_err(lost),
        Err(elapsed) => Err(lost(elapsed.into())),
    }
}
