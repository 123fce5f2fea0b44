//! What all processes of an agent may use together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Size;

/// What all processes of an agent may use together. Where control groups can be made (`ctl info` says so) the kernel
/// holds them to it; elsewhere memory and pids are looked at every 5 s, and nothing holds them to `cpus`. A change
/// starts the agent's processes anew.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The most memory. Over it the process that uses most is ended and started again. Default: no limit. Example:
    /// `4Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// How many processors, as their time. Default: no limit. Example: `2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// How many processes, threads included where the kernel counts them. Over it where they are only looked at, the one
    /// with the most is ended and started again. Default: no limit. Example: `512`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
}
