//! Who may do what: the root key everything, a bucket's key the objects of that bucket, and of the buckets that the
//! Infra shares among all.

use std::path::PathBuf;
use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{Credentials, S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource, UploadPartCopyInput};
use s3s::{S3Request, S3Result, s3_error};

use super::config::RootKey;
use super::keys::BucketKey;
use super::store::Store;
use super::work::blocking;
use super::{SHARED_TAG, bucket::BucketMeta};

/// What a bucket's key may do, in its own bucket. `CreateBucket` is answered with `BucketAlreadyOwnedByYou`, as apps
/// that make their bucket at start expect. The mark, expiry and CORS of a bucket come from the specs alone.
const BUCKET_KEY_OPERATIONS: &[&str] = &[
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketCors",
    "GetBucketLifecycleConfiguration",
    "GetBucketLocation",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PostObject",
    "PutObject",
    "PutObjectTagging",
    "UploadPart",
    "UploadPartCopy",
];

/// The keys of the store.
#[derive(Debug, Clone)]
pub struct Keys {
    root: PathBuf,
    root_key: RootKey,
    store: Arc<Store>,
}

impl Keys {
    pub fn new(root: PathBuf, root_key: RootKey, store: Arc<Store>) -> Self {
        Self { root, root_key, store }
    }

    pub fn is_root(&self, access_key: &str) -> bool {
        access_key == self.root_key.access_key
    }

    /// The bucket that a key opens; `None`: the key is not known (any more).
    pub async fn bucket_of(&self, access_key: &str) -> S3Result<Option<String>> {
        let (root, access_key) = (self.root.clone(), access_key.to_owned());
        let key = blocking(move || BucketKey::read(&root, &access_key)).await?;
        Ok(key.map(|key| key.bucket))
    }

    async fn is_shared(&self, bucket: &str) -> bool {
        let Ok(bucket) = self.store.bucket(bucket).await else { return false };
        bucket.lock().await.is_ok_and(|state| is_shared(&state.meta))
    }

    async fn may_open(&self, credentials: Option<&Credentials>, bucket: &str) -> S3Result<()> {
        let credentials =
            credentials.ok_or_else(|| s3_error!(AccessDenied, "A signature is required"))?;
        if self.is_root(&credentials.access_key) {
            return Ok(());
        }
        let own = self.bucket_of(&credentials.access_key).await?;
        if own.as_deref() == Some(bucket) || (own.is_some() && self.is_shared(bucket).await) {
            return Ok(());
        }
        Err(s3_error!(AccessDenied, "This key does not open the bucket"))
    }

    async fn may_copy_from(
        &self,
        credentials: Option<&Credentials>,
        source: &CopySource,
    ) -> S3Result<()> {
        match source {
            CopySource::Bucket { bucket, .. } => self.may_open(credentials, bucket).await,
            CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
                Err(s3_error!(NotImplemented))
            }
        }
    }
}

/// Whether every key opens the bucket.
pub fn is_shared(meta: &BucketMeta) -> bool {
    meta.tags.contains_key(SHARED_TAG)
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if self.is_root(access_key) {
            return Ok(SecretKey::from(self.root_key.secret_key.expose()));
        }
        let (root, access_key) = (self.root.clone(), access_key.to_owned());
        match blocking(move || BucketKey::read(&root, &access_key)).await? {
            Some(key) => Ok(SecretKey::from(key.secret_key.expose())),
            None => Err(s3_error!(InvalidAccessKeyId, "This access key is not known")),
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Keys {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = context.credentials() else {
            return Err(s3_error!(AccessDenied, "A signature is required"));
        };
        if self.is_root(&credentials.access_key) {
            return Ok(());
        }
        let operation = context.s3_op().name();
        match context.s3_path().get_bucket_name() {
            // Answers with what the key opens.
            None if operation == "ListBuckets" => Ok(()),
            Some(bucket) if BUCKET_KEY_OPERATIONS.contains(&operation) => {
                self.may_open(Some(credentials), bucket).await
            }
            _ => Err(s3_error!(AccessDenied, "A bucket's key may not do this")),
        }
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        self.may_copy_from(request.credentials.as_ref(), &request.input.copy_source).await
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.may_copy_from(request.credentials.as_ref(), &request.input.copy_source).await
    }
}
