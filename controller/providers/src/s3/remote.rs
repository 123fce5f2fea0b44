//! One store: the calls that the provider makes, each with its errors sorted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_harness_model::kinds::service::StoreConnection;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, CorsConfiguration, CorsRule,
    CreateBucketConfiguration, LifecycleRule, Tag, Tagging,
};

use super::admin;
use super::client::client;
use super::error::{EXTERNAL_REMEDY, Effect, S3Error, sort};

/// A bucket's tags.
pub type Tags = BTreeMap<String, String>;

/// A store and how to reach it.
#[derive(Debug, Clone)]
pub struct Remote {
    pub connection: StoreConnection,
    pub client: Client,
}

impl Remote {
    pub fn new(connection: StoreConnection) -> Self {
        Self { client: client(&connection), connection }
    }

    /// The root folder, when the store is our own.
    pub fn embedded_root(&self) -> Option<&PathBuf> {
        self.connection.embedded_root.as_ref()
    }

    /// Makes sure that our own store is the one that answers.
    pub async fn verify(&self, installation: &str) -> Result<(), S3Error> {
        match self.embedded_root() {
            Some(_) => admin::identify(&self.connection, installation).await,
            None => Ok(()),
        }
    }

    /// The names of all buckets that the key may see, each with its time of creation.
    pub async fn names(&self) -> Result<BTreeMap<String, i64>, S3Error> {
        let mut names = BTreeMap::new();
        let mut token = None;
        loop {
            let page = self
                .client
                .list_buckets()
                .set_continuation_token(token)
                .send()
                .await
                .map_err(|error| self.sort(error, "list buckets", Effect::Reads))?;
            for bucket in page.buckets() {
                if let Some(name) = bucket.name() {
                    let created =
                        bucket.creation_date().map_or(0, aws_sdk_s3::primitives::DateTime::secs);
                    names.insert(name.to_owned(), created);
                }
            }
            match page.continuation_token {
                Some(next) if !next.is_empty() => token = Some(next),
                _ => return Ok(names),
            }
        }
    }

    /// The tags of a bucket; `None`: there is no such bucket.
    pub async fn tags(&self, bucket: &str) -> Result<Option<Tags>, S3Error> {
        let result = self.client.get_bucket_tagging().bucket(bucket).send().await;
        match result
            .map_err(|error| self.sort(error, format!("get tags of {bucket}"), Effect::Reads))
        {
            Ok(answer) => {
                Ok(Some(answer.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect()))
            }
            Err(error) => match error.code() {
                // A MinIO says the same of a bucket that is not there.
                Some("NoSuchTagSet" | "NoSuchTagSetError") => {
                    Ok(self.exists(bucket).await?.then(Tags::new))
                }
                Some("NoSuchBucket") => Ok(None),
                _ => Err(error),
            },
        }
    }

    async fn exists(&self, bucket: &str) -> Result<bool, S3Error> {
        let result = self.client.head_bucket().bucket(bucket).send().await;
        let action = format!("look for bucket {bucket}");
        match result.map_err(|error| self.sort(error, action, Effect::Reads)) {
            Ok(_) => Ok(true),
            Err(S3Error::Refused { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub async fn put_tags(&self, bucket: &str, tags: &Tags) -> Result<(), S3Error> {
        let action = format!("tag {bucket}");
        let set: Result<Vec<_>, _> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let tagging = set
            .and_then(|set| Tagging::builder().set_tag_set(Some(set)).build())
            .map_err(|error| unsendable(&action, error))?;
        let result = self.client.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await;
        result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes))
    }

    /// Makes a bucket. Our own store marks it in the same step; on others the tags come after.
    pub async fn create(&self, bucket: &str, tags: &Tags) -> Result<(), S3Error> {
        let action = format!("create bucket {bucket}");
        let mut request = self.client.create_bucket().bucket(bucket);
        // S3 wants to be told the region of the endpoint again, unless it is the first one.
        if self.embedded_root().is_none() && self.connection.region != "us-east-1" {
            let region = BucketLocationConstraint::from(self.connection.region.as_str());
            let configuration =
                CreateBucketConfiguration::builder().location_constraint(region).build();
            request = request.create_bucket_configuration(configuration);
        }
        let embedded = self.embedded_root().is_some();
        let header = header(tags);
        let result = request
            .customize()
            .mutate_request(move |request| {
                if embedded {
                    request.headers_mut().insert("x-amz-tagging", header.clone());
                }
            })
            .send()
            .await;
        result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes))
    }

    /// Whether a bucket holds no object.
    pub async fn is_empty(&self, bucket: &str) -> Result<bool, S3Error> {
        let result = self.client.list_objects_v2().bucket(bucket).max_keys(1).send().await;
        let action = format!("list objects in {bucket}");
        let page = result.map_err(|error| self.sort(error, action, Effect::Reads))?;
        Ok(page.contents().is_empty())
    }

    /// Deletes an empty bucket; one that is gone is deleted already.
    pub async fn delete(&self, bucket: &str) -> Result<(), S3Error> {
        let result = self.client.delete_bucket().bucket(bucket).send().await;
        let action = format!("delete bucket {bucket}");
        match result.map_err(|error| self.sort(error, action, Effect::Changes)) {
            Err(error) if error.code() == Some("NoSuchBucket") => Ok(()),
            result => result.map(drop),
        }
    }

    pub async fn lifecycle(&self, bucket: &str) -> Result<Vec<LifecycleRule>, S3Error> {
        let result = self.client.get_bucket_lifecycle_configuration().bucket(bucket).send().await;
        let action = format!("get expiry of {bucket}");
        match result.map_err(|error| self.sort(error, action, Effect::Reads)) {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            Err(error) if error.code() == Some("NoSuchLifecycleConfiguration") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces all lifecycle rules; none deletes the configuration.
    pub async fn put_lifecycle(
        &self,
        bucket: &str,
        rules: Vec<LifecycleRule>,
    ) -> Result<(), S3Error> {
        let action = format!("set expiry of {bucket}");
        if rules.is_empty() {
            let result = self.client.delete_bucket_lifecycle().bucket(bucket).send().await;
            return result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes));
        }
        let configuration = BucketLifecycleConfiguration::builder()
            .set_rules(Some(rules))
            .build()
            .map_err(|error| unsendable(&action, error))?;
        let request = self.client.put_bucket_lifecycle_configuration().bucket(bucket);
        let result = request.lifecycle_configuration(configuration).send().await;
        result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes))
    }

    pub async fn cors(&self, bucket: &str) -> Result<Vec<CorsRule>, S3Error> {
        let result = self.client.get_bucket_cors().bucket(bucket).send().await;
        let action = format!("get CORS of {bucket}");
        match result.map_err(|error| self.sort(error, action, Effect::Reads)) {
            Ok(answer) => Ok(answer.cors_rules.unwrap_or_default()),
            Err(error) if error.code() == Some("NoSuchCORSConfiguration") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Replaces all CORS rules; none deletes the configuration.
    pub async fn put_cors(&self, bucket: &str, rules: Vec<CorsRule>) -> Result<(), S3Error> {
        let action = format!("set CORS of {bucket}");
        if rules.is_empty() {
            let result = self.client.delete_bucket_cors().bucket(bucket).send().await;
            return result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes));
        }
        let configuration = CorsConfiguration::builder()
            .set_cors_rules(Some(rules))
            .build()
            .map_err(|error| unsendable(&action, error))?;
        let request = self.client.put_bucket_cors().bucket(bucket);
        let result = request.cors_configuration(configuration).send().await;
        result.map(drop).map_err(|error| self.sort(error, action, Effect::Changes))
    }

    /// Sorts an error of the SDK.
    pub fn sort<E>(
        &self,
        error: aws_sdk_s3::error::SdkError<E>,
        action: impl Into<String>,
        effect: Effect,
    ) -> S3Error
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let remedy = if self.embedded_root().is_none() { EXTERNAL_REMEDY } else { "" };
        sort(error, (&self.connection.endpoint, remedy), action, effect)
    }
}

/// An error of a request that could not be built.
pub fn unsendable(action: &str, error: aws_sdk_s3::error::BuildError) -> S3Error {
    S3Error::Unsendable { action: action.to_owned(), source: error.into() }
}

/// `key=value&key=value`, percent-encoded.
fn header(tags: &Tags) -> String {
    use std::fmt::Write as _;
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                let _ = write!(encoded, "%{byte:02X}");
            }
            encoded
        })
    };
    let pairs: Vec<_> =
        tags.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    pairs.join("&")
}
