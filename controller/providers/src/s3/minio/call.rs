//! One request of MinIO's admin API. What is asked is left to `mod.rs`.
//!
//! The API lies below `/minio/admin/v3/` and wants the signature that S3 wants, of the service `s3`. So the S3 client
//! sends it, as if it were the object `admin/v3/…` of a bucket `minio`: with its connections, TLS, signature and time
//! limits, of which there is one set this way. Answers that are errors come as JSON, by which a MinIO is told from
//! other stores.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serde::Deserialize;

use super::super::error::{Effect, S3Error};
use super::super::remote::Remote;

const BUCKET: &str = "minio";

/// A request without its body.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// The last part of its path.
    pub name: &'a str,
    /// One parameter after the other, as they are.
    pub query: &'a [(&'a str, &'a str)],
    /// Reads like `list keys`.
    pub action: &'a str,
}

impl Call<'_> {
    pub async fn get(self, remote: &Remote) -> Result<Vec<u8>, S3Error> {
        let query = self.encoded();
        let answer = remote
            .client
            .get_object()
            .bucket(BUCKET)
            .key(self.key())
            .customize()
            .mutate_request(move |request| add(request, &query))
            .send()
            .await
            .map_err(|error| self.sort(remote, error, Effect::Reads))?;
        let body = answer.body.collect().await.map_err(|error| S3Error::Unreachable {
            endpoint: remote.connection.endpoint.clone(),
            remedy: String::new(),
            source: error.into(),
        })?;
        Ok(body.to_vec())
    }

    pub async fn put(self, remote: &Remote, body: Vec<u8>) -> Result<(), S3Error> {
        let query = self.encoded();
        let result = remote
            .client
            .put_object()
            .bucket(BUCKET)
            .key(self.key())
            .body(body.into())
            .customize()
            .mutate_request(move |request| add(request, &query))
            .send()
            .await;
        result.map(drop).map_err(|error| self.sort(remote, error, Effect::Changes))
    }

    pub async fn delete(self, remote: &Remote) -> Result<(), S3Error> {
        let query = self.encoded();
        let result = remote
            .client
            .delete_object()
            .bucket(BUCKET)
            .key(self.key())
            .customize()
            .mutate_request(move |request| add(request, &query))
            .send()
            .await;
        result.map(drop).map_err(|error| self.sort(remote, error, Effect::Changes))
    }

    fn key(self) -> String {
        format!("admin/v3/{}", self.name)
    }

    fn encoded(self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{name}={}", encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn sort<E>(self, remote: &Remote, error: SdkError<E>, effect: Effect) -> S3Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let SdkError::ServiceError(refused) = &error else {
            return remote.sort(error, self.action, effect);
        };
        let status = refused.raw().status().as_u16();
        let body = refused.raw().body().bytes().unwrap_or_default();
        refusal(&remote.connection.endpoint, self.action, status, body)
            .unwrap_or_else(|| remote.sort(error, self.action, effect))
    }
}

/// What an answer says that is no success; `None`: nothing that belongs to this API alone.
fn refusal(endpoint: &str, action: &str, status: u16, body: &[u8]) -> Option<S3Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Said {
        code: String,
        #[serde(default)]
        message: String,
    }
    if (200..300).contains(&status) {
        return None;
    }
    let (action, endpoint) = (action.to_owned(), endpoint.to_owned());
    match serde_json::from_slice::<Said>(body) {
        Ok(Said { code, message }) if code == "AccessDenied" => {
            Some(S3Error::MayNotManageKeys { endpoint, action, said: message })
        }
        Ok(Said { code, .. }) if code == "XMinioAdminVersionMismatch" => {
            Some(S3Error::NoAdminApi { endpoint, status })
        }
        Ok(Said { code, message }) => Some(S3Error::Refused { action, status, code, message }),
        // What stands before it says so, or it is about to start.
        Err(_) if status == 429 || (status >= 500 && status != 501) => None,
        Err(_) => Some(S3Error::NoAdminApi { endpoint, status }),
    }
}

fn add(request: &mut aws_sdk_s3::config::http::HttpRequest, query: &str) {
    let uri = request.uri().to_owned();
    let sign = if uri.contains('?') { '&' } else { '?' };
    if !query.is_empty() {
        // It was a URI before, and what is added is percent-encoded.
        let _ = request.set_uri(format!("{uri}{sign}{query}"));
    }
}

fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> String {
        let error = refusal("http://store", "list keys", status, body.as_bytes());
        error.map_or_else(|| "left to S3".to_owned(), |error| error.to_string())
    }

    #[test]
    fn other_stores_are_told_from_a_minio_that_refuses() {
        let denied = said(403, r#"{"Code":"AccessDenied","Message":"Access Denied."}"#);
        assert!(denied.contains("may not manage keys") && denied.contains("keys: shared"));
        for (status, body) in [
            (404, "<Error><Code>NoSuchBucket</Code></Error>"),
            (403, "<Error><Code>AccessDenied</Code></Error>"),
            (501, ""),
            (404, "<html>"),
            (426, r#"{"Code":"XMinioAdminVersionMismatch"}"#),
        ] {
            let none = said(status, body);
            assert!(none.contains("no admin API") && none.contains("keys: shared"), "{none}");
        }
        assert_eq!(said(502, "<html>"), "left to S3");
        assert_eq!(
            said(404, r#"{"Code":"XMinioAdminNoSuchUser","Message":"none"}"#),
            "the object store refused `list keys`: XMinioAdminNoSuchUser (none)"
        );
    }

    #[test]
    fn parameters_are_percent_encoded() {
        let query = [("name", "agent-harness:i:u"), ("isGroup", "false")];
        let call = Call { name: "x", query: &query, action: "" };
        assert_eq!(call.encoded(), "name=agent-harness%3Ai%3Au&isGroup=false");
    }
}
