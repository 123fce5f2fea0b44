//! A run of the verify pipeline, as it is asked for and told of.

use serde::{Deserialize, Serialize};

use crate::verify::{Report, Selection, Verdict};

/// What is to be run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyRequest {
    /// Which stages.
    #[serde(flatten)]
    pub selection: Selection,
    /// Go on with the next stage, and with the siblings of a command, when one has failed.
    #[serde(default)]
    pub keep_going: bool,
    /// How many commands of this run may run at the same time; all of a stage without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<usize>,
}

/// How far a run is. The last one is [`VerifyEvent::Finished`], whatever comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum VerifyEvent {
    /// It has been taken in; by this it can be stopped.
    Accepted {
        /// Its name.
        run: String,
    },
    /// A stage waits until others on this host have left it room.
    Waiting {
        /// The stage.
        stage: String,
    },
    /// A stage begins.
    Stage {
        /// Its name.
        name: String,
        /// What it consists of.
        commands: Vec<String>,
    },
    /// A command has ended, or a check.
    Command {
        /// The stage.
        stage: String,
        /// Its name.
        name: String,
        /// How.
        status: Verdict,
        /// Milliseconds.
        duration_ms: u64,
    },
    /// A stage has ended.
    StageEnded {
        /// Its name.
        name: String,
        /// How.
        status: Verdict,
        /// Milliseconds.
        duration_ms: u64,
        /// What failed first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_error: Option<String>,
    },
    /// All of it has ended.
    Finished {
        /// What came of it.
        report: Box<Report>,
    },
}
