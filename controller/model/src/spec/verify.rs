//! The verify pipeline of a `Stack`: its stages, and how problems are found in what they print.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Command, Duration, Probe, Value};

/// A stage of the verify pipeline. Exactly one of `run`, `parallel` and `probes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyStage {
    /// The command of the stage. Example: `pnpm test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Command>,
    /// Commands of the stage that run at the same time, by name. Example:
    /// `{common: pnpm -F common typecheck, backend: pnpm -F backend typecheck}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parallel: BTreeMap<String, Command>,
    /// Checks of what runs, by name, each as `ready` of a process has them, but for `log`. Each is repeated until it
    /// passes, for as long as its `timeout` says: `60s` where nothing is said. Example:
    /// `{api: {http: {port: api, path: /api/v1/health}}}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Probe>,
    /// The folder to run in, relative to the worktree. Default: the worktree itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Environment beside the Stack's `env`: text or `{secret: NAME}`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// `full` leaves the stage to runs of everything. Default: it belongs to every run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<VerifyOnly>,
    /// How long the stage may take, after which its commands are ended and it has failed. Default: `30m`. Example: `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Which runs of the pipeline a stage belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum VerifyOnly {
    /// Only those of everything.
    Full,
}

/// How a tool tells of a problem: in one line, or in several.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProblemMatcher {
    /// Regular expressions of the lines that tell of one problem, in the order of the lines. What is in the groups
    /// `file`, `line`, `column`, `severity`, `code` and `message` is told; `message` has to be in one of them. Example:
    /// `["^(?<file>\\S+):(?<line>\\d+): (?<message>.+)$"]`.
    #[schemars(length(min = 1))]
    pub lines: Vec<String>,
    /// How many other lines may come before the next of them. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub within: u32,
    /// Whether the last of them may come again and again, each a problem of its own: after the name of a file, say.
    /// Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
