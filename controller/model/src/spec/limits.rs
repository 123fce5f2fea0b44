//! What all processes of an agent may use together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Size;

/// What all processes of an agent may use together. It is held to where control groups can be made (`ctl info`
/// says so); elsewhere the limits of each process are all that counts. A change starts the agent's processes anew.
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
    /// How many processes and threads. Default: no limit. Example: `512`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<u32>,
}
