//! What `ctl doctor` looks at.

use serde::{Deserialize, Serialize};

/// How one thing stands of those that everything rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What was looked at: `disk`.
    pub name: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How something stands, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and something is missing or soon will be.
    Warning,
    /// Something does not work.
    Problem,
}

impl Check {
    /// What is as it should be.
    pub fn ok(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Ok, message: message.into(), fix: None }
    }

    /// What works, but not well.
    pub fn warning(name: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into());
        Self { verdict: Verdict::Warning, fix, ..Self::ok(name, message) }
    }

    /// What does not work.
    pub fn problem(name: &str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Problem, ..Self::warning(name, message, fix) }
    }
}
