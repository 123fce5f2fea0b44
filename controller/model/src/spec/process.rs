//! A supervised process: how it runs, when it is ready, when it starts again, how it stops.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Duration, Probe, Size, Value};

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
    pub ready: Option<Probe>,
    /// How to find out that a process that runs does its work no more: after `failures` failed checks in a row it
    /// is ended, and `restart` says what happens then. Looked at once it was ready, or once `startup` has passed.
    /// Default: not looked at. Example: `{http: {port: api, path: /api/v1/livez}, failures: 5}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<Probe>,
    /// What has to pass once, within its `timeout`, before `ready` and `live` are looked at; otherwise the process
    /// is ended, and `restart` says what happens then. Default: nothing. Example: `{log: {line: listening on}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Probe>,
    /// When the process is started again after it ended: `always`, `onFailure` or `never`. The first time at once,
    /// then with exponential backoff; a run of a minute starts the count anew. Default: `always`.
    #[serde(default)]
    pub restart: RestartPolicy,
    /// Files whose change starts the process again. Default: none. Example: `{paths: [src/**], delay: 500ms}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<FileWatch>,
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

/// Files whose change starts a process again. `.git`, `node_modules` and `target` are never looked into.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileWatch {
    /// Files, or folders with all that is below them, relative to the worktree; `*` stops at `/`. Example:
    /// `[src/**, package.json]`.
    #[schemars(length(min = 1))]
    pub paths: Vec<String>,
    /// Of these, the ones that do not count. Default: none. Example: `["**/*.test.ts"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// How long nothing may change before the process is started again. Default: `300ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
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
