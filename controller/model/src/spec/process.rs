//! A supervised process: how it runs, when it is ready, when it starts again, how it stops.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Duration, Size, Value};

/// A supervised process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Process {
    /// Whether the process runs at all. Default: `true`. Example: `false` in a Stack, for a
    /// process that only some agents turn on.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub enabled: bool,
    /// The command: a line or a list of words. Example:
    /// `node --import tsx src/index.ts`.
    pub run: Command,
    /// The folder to run in, relative to the worktree. Default: the worktree itself. Example:
    /// `packages/backend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment beside the Stack's `env`: text or `{secret: NAME}`. Default: none. Example:
    /// `{NODE_OPTIONS: --max-old-space-size=512}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// How to find out that the process is ready. Default: ready as soon as it runs. Example:
    /// `{http: {port: api, path: /api/v1/health}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// When the process is started again after it ended: `always`, `onFailure` or `never`, with
    /// exponential backoff. Default: `always`.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// How the process is asked to end. Default: `{signal: SIGTERM, timeout: 5s}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// The most memory that the process and all that it starts may use together. Over it all of them are ended, and
    /// the restart policy goes on. Where control groups can be made the kernel holds them to it; elsewhere it is looked
    /// at every 2 s. Default: no limit. Example: `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// How many processors they may use together, as their time. A host where no control group with a `cpu` controller
    /// can be made cannot hold them to it, and does not start the process. Default: no limit. Example: `0.5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// How many processes they may be, threads included. Where control groups can be made no more can be started;
    /// elsewhere threads do not count, and all are ended once they are seen to be more. Default: no limit. Example:
    /// `200`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
    /// How many files each of them may have open. Default: as the controller. Example: `4096`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 16))]
    pub open_files: Option<u64>,
    /// How willingly they let others go first, from -20 to 19; below that of the controller it needs root. Default: as
    /// the controller. Example: `10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 19))]
    pub nice: Option<i32>,
    /// What must have happened before the process starts, by process name: `ready`, `started` or
    /// `succeeded`. Default: nothing. Example: `{api: ready}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub after: BTreeMap<String, AfterCondition>,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

/// What another process must have reached.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum AfterCondition {
    /// Its readiness check passed.
    Ready,
    /// It was started.
    Started,
    /// It ended with exit code 0.
    Succeeded,
}

/// When a process is started again after it ended.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum RestartPolicy {
    /// However it ended.
    #[default]
    Always,
    /// Only when it ended with a signal or an exit code other than 0.
    OnFailure,
    /// Not at all.
    Never,
}

/// How to find out that a process is ready. Exactly one of `http`, `tcp` and `exec`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ready {
    /// Ready when a GET answers with a status from 200 to 399. Example:
    /// `{port: api, path: /api/v1/health}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Ready when the port accepts a connection. Example: `{port: api}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// Ready when a command ends with exit code 0. Example: `{command: ./healthy.sh}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
    /// How long the process may take to become ready before the agent is reported as not ready in
    /// time; checks go on. Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Time between two checks of a process that is ready; while it starts, and after a check that
    /// failed, they come faster. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
}

/// A readiness check over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpProbe {
    /// The name of a port under `ports`. Example: `api`.
    pub port: String,
    /// The path to get. Default: `/`. Example: `/api/v1/health`.
    #[serde(default = "root_path")]
    pub path: String,
}

fn root_path() -> String {
    "/".to_owned()
}

/// A readiness check that opens a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpProbe {
    /// The name of a port under `ports`. Example: `api`.
    pub port: String,
}

/// A readiness check that runs a command in the folder and environment of the process. One run may
/// take 3 s, and twice as long after each that took longer, up to the timeout of `ready`. What it
/// starts is ended with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecProbe {
    /// The command: a line or a list of words. Example: `./healthy.sh`.
    pub command: Command,
}

/// How a process is asked to end.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// The signal that is sent first. Default: `SIGTERM`. Example: `SIGINT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How long it may take before the whole tree is killed. Default: `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}
