//! The object store as a client sees it.

use std::collections::BTreeMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use tokio::runtime::Runtime;

use super::harness::text;

/// A client with one key.
pub struct Store {
    client: Client,
    runtime: Runtime,
}

impl Store {
    /// Of the store on a port of this host.
    pub fn new(port: u16, access_key: &str, secret_key: &str) -> Self {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{port}"))
            .force_path_style(true)
            .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self { client: Client::from_conf(config), runtime: Runtime::new().unwrap() }
    }

    /// Whether the key opens a bucket.
    pub fn opens(&self, bucket: &str) -> bool {
        self.runtime.block_on(self.client.list_objects_v2().bucket(bucket).send()).is_ok()
    }

    /// Whether the key may make a bucket.
    pub fn makes(&self, bucket: &str) -> bool {
        self.runtime.block_on(self.client.create_bucket().bucket(bucket).send()).is_ok()
    }

    /// Makes a bucket.
    pub fn create(&self, bucket: &str) {
        assert!(self.makes(bucket), "{bucket}");
    }

    /// The names of all buckets that the key may see.
    pub fn buckets(&self) -> Vec<String> {
        let list = self.runtime.block_on(self.client.list_buckets().send()).unwrap();
        let mut names: Vec<_> =
            list.buckets().iter().map(|bucket| bucket.name().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// What is in a bucket: each key, and what the object holds.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, String> {
        self.runtime.block_on(async {
            let list = self.client.list_objects_v2().bucket(bucket).send().await.unwrap();
            let mut objects = BTreeMap::new();
            for object in list.contents() {
                let key = object.key().unwrap();
                let got = self.client.get_object().bucket(bucket).key(key).send().await.unwrap();
                let bytes = got.body.collect().await.unwrap().to_vec();
                objects.insert(key.to_owned(), text(&bytes));
            }
            objects
        })
    }

    /// Writes an object.
    pub fn put(&self, bucket: &str, key: &str, text: &str) {
        let body = text.as_bytes().to_vec().into();
        let put = self.client.put_object().bucket(bucket).key(key).body(body).send();
        self.runtime.block_on(put).unwrap();
    }

    /// The tags of a bucket.
    pub fn tags(&self, bucket: &str) -> BTreeMap<String, String> {
        let tags = self.client.get_bucket_tagging().bucket(bucket).send();
        let tags = match self.runtime.block_on(tags) {
            Ok(tags) => tags.tag_set,
            // What MinIO says of one that has none, and of one that is not there.
            Err(error) if error.code() == Some("NoSuchTagSet") => Vec::new(),
            Err(error) => panic!("{error:?}"),
        };
        tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
    }

    /// Removes a bucket and everything in it, also what its agent writes meanwhile.
    pub fn remove(&self, bucket: &str) {
        while !self.emptied_and_removed(bucket) {}
    }

    /// Whether the bucket could be removed once what was in it was; somebody may have written since.
    fn emptied_and_removed(&self, bucket: &str) -> bool {
        self.runtime.block_on(async {
            let list = self.client.list_objects_v2().bucket(bucket).send().await.unwrap();
            for object in list.contents() {
                let key = object.key().unwrap();
                self.client.delete_object().bucket(bucket).key(key).send().await.unwrap();
            }
            match self.client.delete_bucket().bucket(bucket).send().await {
                Ok(_) => true,
                Err(error) if error.code() == Some("BucketNotEmpty") => false,
                Err(error) => panic!("{error:?}"),
            }
        })
    }
}
