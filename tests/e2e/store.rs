//! The object store as a client sees it.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use tokio::runtime::Runtime;

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

    /// Removes a bucket and everything in it.
    pub fn remove(&self, bucket: &str) {
        self.runtime.block_on(async {
            let list = self.client.list_objects_v2().bucket(bucket).send().await.unwrap();
            for object in list.contents() {
                let key = object.key().unwrap();
                self.client.delete_object().bucket(bucket).key(key).send().await.unwrap();
            }
            self.client.delete_bucket().bucket(bucket).send().await.unwrap();
        });
    }
}
