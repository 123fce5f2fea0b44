//! What `ctl leaks` finds.

use serde::{Deserialize, Serialize};

use crate::id::Uid;

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// What is of no object that is known, in the order in which it is removed.
    pub leaks: Vec<Leak>,
    /// What could not be looked at, and why: nobody knows whether anything is there.
    #[serde(default)]
    pub unknown: Vec<String>,
}

/// Something that carries our mark and is of no object that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leak {
    /// What it is called: `database/shared/agent_3`.
    pub name: String,
    /// What it is.
    pub about: String,
    /// The incarnation that it says it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// The command that removes it.
    pub fix: String,
    /// `ctl leaks remove` does it.
    pub removable: bool,
}

/// Which leaks are to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoveLeaks {
    /// By their names.
    pub names: Vec<String>,
}

/// What became of one that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// What it is called.
    pub name: String,
    /// Why it is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
