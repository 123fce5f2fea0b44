//! A service that runs as a container.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, HttpProbe, Size, TcpProbe, Value};

/// A container of the Docker engine that `DOCKER_HOST` names, else of the one at `/var/run/docker.sock`.
/// Another image, command or limit makes a new container; its volumes are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Container {
    /// The image, by tag or digest. Example: `pgvector/pgvector:pg16`.
    pub image: String,
    /// The command, in place of the image's own. Default: the image's. Example:
    /// `[postgres, -c, shared_preload_libraries=pg_stat_statements]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The entry point, in place of the image's own. Default: the image's. Example:
    /// `[/init-minio.sh]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Environment of the container: text or `{secret: NAME}`. Default: none. Example:
    /// `{POSTGRES_PASSWORD: {secret: postgres}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// Published ports by name; other objects refer to them by that name. Default: none. Example:
    /// `{postgres: {host: 15432, container: 5432}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, ContainerPort>,
    /// Where volumes go, by volume name; a key that starts with `./`, `../`, `/` or `~/` is a file or
    /// folder of the host, relative to the spec file. `:ro` after the path makes it read-only. The
    /// engine knows a volume as `harness-INFRA_NAME`. Default: none. Example:
    /// `{agent-db-data: /var/lib/postgresql/data, ./init.sh: /init.sh:ro}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, String>,
    /// How the engine finds out whether the service is well. Default: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// How the controller finds out whether the service is well, when neither the spec nor the image has a
    /// health check. Default: each published TCP port accepts a connection and keeps it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<ContainerReady>,
    /// Size of `/dev/shm`. Default: the engine's, 64Mi. Example: `256Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<Size>,
    /// The most memory that the container gets. Default: no limit. Example: `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// How many processors the container gets. Default: no limit. Example: `1.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// When the engine starts the container again. Default: `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<ContainerRestart>,
    /// Labels beside the controller's own. Default: none. Example: `{team: billing}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Extra host names and their addresses; `host-gateway` is the host itself. Default: none.
    /// Example: `{host.docker.internal: host-gateway}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, String>,
    /// Where the container's output goes. Default: the engine's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<LogOptions>,
    /// Limits of the kernel by name. Default: the engine's. Example:
    /// `{nofile: {soft: 65536, hard: 65536}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// The user, and after a `:` the group, that the container runs as. Default: the image's.
    /// Example: `"1000:1000"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// A network that is there already and that the container joins, `host` among them. Default: one of the
    /// Infra's own, `harness-INFRA`, in which each service is known by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// A port of a container, published on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerPort {
    /// The port on the host, 1 to 65535. Example: `15432`.
    #[schemars(range(min = 1))]
    pub host: u16,
    /// The port inside the container, 1 to 65535. Example: `5432`.
    #[schemars(range(min = 1))]
    pub container: u16,
    /// The address of the host to publish on. Default: `127.0.0.1`. Example: `0.0.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `tcp` or `udp`. Default: `tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// The protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A look at a container from the host. Exactly one of `http`, `tcp` and `smtp`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerReady {
    /// Well when a GET answers with a status from 200 to 399. Example: `{port: web, path: /livez}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Well when the port accepts a connection and keeps it open. Example: `{port: web}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// Well when a mail server greets on the port. Example: `{port: smtp}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<TcpProbe>,
}

/// A health check that the engine runs inside the container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Healthcheck {
    /// The check: `[CMD, …]`, `[CMD-SHELL, LINE]` or `[NONE]`. Example:
    /// `[CMD-SHELL, pg_isready -U postgres]`.
    pub test: Vec<String>,
    /// Time between two checks. Default: `30s`. Example: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// How long one check may take. Default: `30s`. Example: `3s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Failures in a row until the container counts as unhealthy. Default: `3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count. Default: `0s`. Example: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Duration>,
}

/// When the engine starts a container again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContainerRestart {
    Always,
    UnlessStopped,
    OnFailure,
    Never,
}

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogOptions {
    /// The engine's log driver. Default: the engine's choice. Example: `json-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options of the driver. Default: none. Example: `{max-size: 10m, max-file: "3"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A limit of the kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ulimit {
    /// The limit that applies. Example: `65536`.
    pub soft: i64,
    /// The most that the process may raise it to. Default: `soft`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<i64>,
}
