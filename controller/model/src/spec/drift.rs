//! What is done about things of an agent that somebody changed or removed behind the controller's back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done when something is not any more as it was made, although nobody asked for a change in the specs. It is
/// told before anything is done about it, and what is corrected three times within ten minutes is left for the rest of
/// them. Processes go by `restart`; a worktree that its agent switched stays where it is in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// A worktree whose folder is gone. Default: `correct`, which makes it again from its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<OnDrift>,
    /// Files that were edited or removed. Default: `correct`, which keeps an edited one aside and writes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<OnDrift>,
    /// A database that is gone, or whose role was changed. Default: `correct`, which clones it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<OnDrift>,
    /// A bucket that is gone, or whose key, expiry or CORS were changed. Default: `correct`, which makes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<OnDrift>,
}

/// What is done about drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnDrift {
    /// Tell it, then make it as it is wanted.
    #[default]
    Correct,
    /// Tell it, and leave it as it is until the specs change.
    Warn,
    /// Leave it as it is, and say nothing.
    Ignore,
}
