//! What the check of a process says at this moment.

use serde::{Deserialize, Serialize};

/// A check of a process, and what was found when it was carried out just now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthNow {
    /// Its name in `processes`.
    pub process: String,
    /// What was looked at: `http :8010/health` for its readiness, `live: tcp :8010`, `startup: log /up/`. `None`: it has
    /// no check, and whether it runs is all that counts.
    #[serde(default)]
    pub check: Option<String>,
    /// Whether it is as it should be.
    pub passed: bool,
    /// How long the look took, in milliseconds; `None` where there was none to take.
    #[serde(default)]
    pub latency_ms: Option<f64>,
    /// What was found.
    pub message: String,
}
