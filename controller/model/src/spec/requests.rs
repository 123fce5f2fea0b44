//! What agents ask of the host before they start, and how much of it there is to give.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Size;

/// What an agent is expected to use. An agent for which the host has no room left beside the others is not started:
/// it stays `Pending`, and starts once there is. Nothing holds it to these; `limits` does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requests {
    /// How much memory. Default: `limits.memory`, else what the `memory` of its processes comes to. Example: `2Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// How much disk, for its worktree, database, objects and logs together. It has to be free when the agent starts
    /// for the first time. Default: none. Example: `5Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
}

/// How much there is for agents to ask for together. Containers with a `memory` take part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capacity {
    /// How much memory. Default: what the controller may use: the host's, or less in a control group. Example: `24Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// How much disk. Default: the size of the file system that the state folder is on. Example: `200Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    /// Whether agents start even where there is not as much as they ask for. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub overcommit: bool,
}
