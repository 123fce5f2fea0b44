//! `Infra`: the services that all agents share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Capacity, Container, Duration, Metadata, Process, Value};

/// The services that all agents of one or more stacks share: PostgreSQL, an object store, and
/// anything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Infra {
    /// `agent-harness.dev/v1alpha1`.
    pub api_version: String,
    /// `Infra`.
    pub kind: String,
    /// Who the object is.
    pub metadata: Metadata,
    /// Which services there are, and how they run.
    pub spec: InfraSpec,
    /// What the controller last saw. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<serde_json::Value>,
}

/// Which services there are, and how they run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InfraSpec {
    /// The PostgreSQL server that the agents' databases live on. Default: none; a Stack with a
    /// `database` needs it. Example: `{embedded: {port: 15432}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// The S3-compatible store that the agents' buckets live in. Default: none; a Stack with a
    /// `bucket` needs it. Example: `{embedded: {port: 19000}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_store: Option<ObjectStore>,
    /// Anything else that is shared, by name. An agent that uses `${services.NAME.ports.PORT}` waits until that
    /// service is ready. Default: none. Example:
    /// `{mailpit: {container: {image: axllent/mailpit, ports: {web: {host: 18025, container: 8025}}}}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<String, Service>,
    /// How much of the host there is for agents to ask for. Default: all of it. Example: `{memory: 24Gi}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
}

/// A PostgreSQL server. Exactly one of `embedded`, `container` and `external`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Postgres {
    /// A server that the controller runs itself, without Docker: binaries of this machine, or
    /// fetched once. Example: `{port: 15432}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedPostgres>,
    /// A server in a container; it publishes a port named `postgres`. The administrator is
    /// `POSTGRES_USER` (default `postgres`) with `POSTGRES_PASSWORD` of its `env` (default: a generated secret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// A server that somebody else runs. Example: `{url: {secret: postgres-url}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalPostgres>,
}

/// A PostgreSQL server that the controller runs itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedPostgres {
    /// The port on 127.0.0.1, 1 to 65535. Default: `15432`.
    #[serde(default = "default_postgres_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The major version wanted, in quotes. Default: whatever version this machine has, else 18 is
    /// fetched. Example: `"18"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The folder that holds `postgres` and `initdb`. Default: looked for on PATH and in
    /// `/usr/lib/postgresql/*/bin`. Example: `/usr/lib/postgresql/15/bin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bin_dir: Option<String>,
    /// Server settings by name, as in `postgresql.conf`. Where the server listens, where its files lie and who
    /// may log in cannot be set. Settings that the server refuses leave the last good ones in force. Default:
    /// none. Example: `{shared_preload_libraries: pg_stat_statements}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
}

impl Default for EmbeddedPostgres {
    fn default() -> Self {
        Self {
            port: default_postgres_port(),
            version: None,
            bin_dir: None,
            settings: BTreeMap::new(),
        }
    }
}

fn default_postgres_port() -> u16 {
    15432
}

/// A PostgreSQL server that somebody else runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalPostgres {
    /// The URL of an administrator who may create databases and roles: text or `{secret: NAME}`.
    /// `?sslmode=` (`disable`, `prefer`, `require`, `verify-ca` or `verify-full`) holds for the
    /// controller and for `${database.url}`; `prefer` unless set. Example:
    /// `postgres://postgres@db.example:5432/postgres?sslmode=require`.
    pub url: Value,
    /// The administrator's password, when the URL does not hold it: text or `{secret: NAME}`.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Value>,
}

/// An S3-compatible object store. Exactly one of `embedded`, `container` and `external`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectStore {
    /// A store that the controller runs itself, without Docker. Example: `{port: 19000}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedObjectStore>,
    /// A store in a container; it publishes a port named `s3`. The administrator is `MINIO_ROOT_USER` (default
    /// `minioadmin`) with `MINIO_ROOT_PASSWORD` of its `env` (default: a generated secret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// A store that somebody else runs. Example: `{endpoint: "http://localhost:9000", accessKey:
    /// admin, secretKey: {secret: minio}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalObjectStore>,
    /// With which key an agent opens its bucket: `own` is one that opens this bucket alone (and the
    /// `buckets` below), `shared` the administrator's. `own` needs a MinIO, or a store that the controller
    /// runs itself, for which it is the only choice. Default: `own` for `embedded` and `container`, `shared`
    /// for `external`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<StoreKeys>,
    /// Buckets that all agents share, by name. Default: none. Example:
    /// `{default: {expireAfter: 1d}, results: {}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub buckets: BTreeMap<String, BucketPolicy>,
}

/// With which key an agent opens its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StoreKeys {
    /// Each agent has a key that opens its own bucket alone.
    Own,
    /// All agents have the administrator's key.
    Shared,
}

impl ObjectStore {
    /// What `keys` comes to.
    pub fn agent_keys(&self) -> StoreKeys {
        let default = if self.external.is_some() { StoreKeys::Shared } else { StoreKeys::Own };
        self.keys.unwrap_or(default)
    }
}

/// An object store that the controller runs itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmbeddedObjectStore {
    /// The port on 127.0.0.1, 1 to 65535. Default: `19000`.
    #[serde(default = "default_s3_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
}

impl Default for EmbeddedObjectStore {
    fn default() -> Self {
        Self { port: default_s3_port() }
    }
}

fn default_s3_port() -> u16 {
    19000
}

/// An object store that somebody else runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExternalObjectStore {
    /// Where the store answers. Example: `http://localhost:9000`.
    pub endpoint: String,
    /// The region to sign for. Default: `us-east-1`.
    #[serde(default = "default_region")]
    pub region: String,
    /// The administrator's access key: text or `{secret: NAME}`. Example: `minioadmin`.
    pub access_key: Value,
    /// The administrator's secret key: text or `{secret: NAME}`. Example: `{secret: minio}`.
    pub secret_key: Value,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// How a bucket behaves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketPolicy {
    /// Objects go this long after they were written; whole days. Default: never. Example: `1d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Duration>,
    /// Which web pages may read and write the bucket. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
}

/// Which web pages may read and write a bucket from a browser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cors {
    /// Origins that may. Default: `["*"]`. Example: `["http://localhost:${ports.frontend}"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// HTTP methods that they may use. Default: `[GET, HEAD, PUT]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// Request headers that they may send. Default: `["*"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Response headers that they may read. Default: `[ETag]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// How long a browser remembers the answer. Default: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// A shared service. Exactly one of `container` and `process`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The service runs as a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The service runs as a process of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// A `process` whose program is not on this host is left out, in place of failing. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// The ports that a `process` listens on, by name; a container's are under `container.ports`.
    /// Default: none. Example: `{web: 18025}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
}
