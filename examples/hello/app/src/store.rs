//! The bucket.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::error::Error;
use crate::{config, output};

/// A bucket and the client that reaches it.
#[derive(Clone)]
pub struct Bucket {
    client: Client,
    /// Its name.
    pub name: String,
}

impl Bucket {
    /// The bucket that the environment names.
    pub fn from_env() -> Result<Self, Error> {
        let config::Store { endpoint, region, bucket, access_key, secret_key } = config::store()?;
        let http = aws_smithy_http_client::Builder::new();
        let http = if endpoint.starts_with("https:") {
            http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
        } else {
            http.build_http()
        };
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new(region))
            .credentials_provider(Credentials::new(
                access_key,
                secret_key,
                None,
                None,
                "environment",
            ))
            .force_path_style(true)
            .http_client(http)
            .build();
        Ok(Self { client: Client::from_conf(config), name: bucket })
    }

    /// Writes an object.
    pub async fn put(&self, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(content_type)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed(format!("write {key}"), &error))
    }

    /// Reads an object; `None` when there is none.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let answer = match self.client.get_object().bucket(&self.name).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(failed(format!("read {key}"), &error)),
        };
        let bytes = answer.body.collect().await.map_err(|error| Error::Store {
            doing: format!("read {key}"),
            why: error.to_string(),
        })?;
        Ok(Some(bytes.to_vec()))
    }
}

fn failed<E, R>(doing: String, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let why = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => output::chain(error),
    };
    Error::Store { doing, why }
}
