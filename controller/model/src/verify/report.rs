//! What came of a run, in the form that `ctl verify` prints: `status`, `stages[].name|status|duration_ms|first_error`
//! and `total_duration_ms` are what scripts rely on; everything else is beside that.

use std::fmt;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::problems::Problem;

/// How a run, a stage or a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It passed.
    Pass,
    /// It did not.
    Fail,
    /// It could not be run, so nothing is known of the work: a tool that is missing, an agent without a worktree.
    Error,
    /// It was stopped before it came to an end.
    Cancelled,
}

impl Verdict {
    /// The verdict on a whole, of those on its parts.
    pub fn of(parts: impl IntoIterator<Item = Self>) -> Self {
        // A run that was stopped says so, whatever had failed by then; but what failed stopped its siblings.
        let rank = |verdict: &Self| match verdict {
            Self::Pass => 0,
            Self::Cancelled => 1,
            Self::Error => 2,
            Self::Fail => 3,
        };
        parts.into_iter().max_by_key(rank).unwrap_or(Self::Pass)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// On the whole.
    pub status: Verdict,
    /// Those that were begun, in their order.
    pub stages: Vec<StageReport>,
    /// Milliseconds, without those in the queue.
    pub total_duration_ms: u64,
    /// Why it could not be run, or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose work it is about.
    pub agent: String,
    /// Whether it was to run everything.
    pub full: bool,
    /// Stages that were not begun, since an earlier one failed or the run was stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Milliseconds that it waited for other runs on this host.
    pub queued_ms: u64,
    /// What exactly was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

impl Report {
    /// Of a run that could not be begun.
    pub fn not_run(agent: &str, full: bool, at: Timestamp, why: String) -> Self {
        Self {
            status: Verdict::Error,
            stages: Vec::new(),
            total_duration_ms: 0,
            error: Some(why),
            agent: agent.to_owned(),
            full,
            skipped: Vec::new(),
            started_at: at,
            queued_ms: 0,
            receipt: None,
        }
    }

    /// In short.
    pub fn summary(&self) -> Summary {
        let failed = self.stages.iter().find(|stage| stage.status != Verdict::Pass);
        Summary {
            status: self.status,
            full: self.full,
            started_at: self.started_at,
            duration_ms: self.total_duration_ms,
            stage: failed.map(|stage| stage.name.clone()),
            first_error: failed
                .and_then(|stage| stage.first_error.clone())
                .or_else(|| self.error.clone()),
            receipt: self.receipt.clone(),
        }
    }
}

/// What came of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageReport {
    /// Its name.
    pub name: String,
    /// On the whole.
    pub status: Verdict,
    /// Milliseconds, without those in the queue.
    pub duration_ms: u64,
    /// What failed first, with its place where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// What it consists of.
    #[serde(default)]
    pub commands: Vec<CommandReport>,
}

/// What came of a command, or of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandReport {
    /// Its name.
    pub name: String,
    /// What was run, or looked at.
    pub command: String,
    /// How it ended.
    pub status: Verdict,
    /// Milliseconds.
    pub duration_ms: u64,
    /// The command's own, where it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// In words, where there is more to say than a code: a signal, a timeout, why it did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Where its output is; `ctl logs AGENT verify/STAGE.NAME` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// What tools said in words that are known, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// More problems were found than are listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_problems: bool,
}

/// What exactly was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The commit that is checked out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch, unless none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The hash of all files that Git would take, as they were when the run began: a Git tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Whether there was more in the worktree than in the commit.
    pub dirty: bool,
    /// Whether files changed while it ran: what was verified is then neither the one nor the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed_meanwhile: bool,
    /// Why the worktree could not be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
    /// The generation of the template that the database came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_generation: Option<String>,
    /// The generation of the agent's spec.
    pub spec_generation: u64,
}

/// The last run, as a status has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// On the whole.
    pub status: Verdict,
    /// Whether it was to run everything.
    pub full: bool,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Milliseconds, without those in the queue.
    pub duration_ms: u64,
    /// The stage that did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What failed first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// What exactly was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}
