//! Buckets: who gets in, what is in one, and whether one is still there.

use std::collections::BTreeSet;

use agent_harness_model::kinds::bucket::Key;
use agent_harness_model::kinds::service::StoreConnection;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::primitives::ByteStream;

use super::Attempt;
use crate::s3::client;

/// What is put where it should be refused.
const OBJECT: &str = "harness-prove-isolation";

/// A store, as the owner of a key sees it.
fn with(store: &StoreConnection, key: &Key) -> StoreConnection {
    let (access_key, secret_key) = (key.access_key.clone(), key.secret_key.clone());
    StoreConnection { access_key, secret_key, ..store.clone() }
}

/// Whether a key lists and writes a bucket.
pub async fn opens_bucket(store: &StoreConnection, key: &Key, bucket: &str) -> Attempt {
    let client = client(&with(store, key));
    let listed = client.list_objects_v2().bucket(bucket).max_keys(1).send().await;
    let body = ByteStream::from_static(b"");
    let written = client.put_object().bucket(bucket).key(OBJECT).body(body).send().await;
    if written.is_ok() {
        // It is not to stay, wherever it got.
        let _ = client.delete_object().bucket(bucket).key(OBJECT).send().await;
    }
    match (listed, written) {
        (Ok(_), Ok(_)) => Attempt::Opened("lists and writes"),
        (Ok(_), Err(_)) => Attempt::Opened("lists"),
        (Err(_), Ok(_)) => Attempt::Opened("writes"),
        (Err(listed), Err(written)) if is_refusal(&listed) && is_refusal(&written) => {
            Attempt::Refused(words(&listed))
        }
        (Err(listed), Err(written)) => {
            Attempt::Unknown(format!("{}, {}", words(&listed), words(&written)))
        }
    }
}

/// Whether the store itself has said no.
fn is_refusal<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 403)
}

/// The keys of a bucket's objects; of many, the first.
pub async fn keys(
    store: &StoreConnection,
    key: &Key,
    bucket: &str,
) -> Result<BTreeSet<String>, String> {
    let client = client(&with(store, key));
    let listed = client.list_objects_v2().bucket(bucket).send().await;
    let listed = listed.map_err(|error| words(&error))?;
    let keys = listed.contents().iter().filter_map(|object| object.key());
    Ok(keys.map(str::to_owned).collect())
}

/// Whether a bucket is there, as the store's administrator sees it.
pub async fn bucket_is_there(store: &StoreConnection, bucket: &str) -> Result<bool, String> {
    match client(store).head_bucket().bucket(bucket).send().await {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 404 => Ok(false),
        Err(error) => Err(words(&error)),
    }
}

fn words<E, R>(error: &SdkError<E, R>) -> String
where
    E: std::error::Error + aws_sdk_s3::error::ProvideErrorMetadata + 'static,
    R: std::fmt::Debug,
{
    match error.as_service_error().and_then(aws_sdk_s3::error::ProvideErrorMetadata::code) {
        Some(code) => code.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    }
}
