//! A pipeline with every choice made, and which of its stages a run consists of.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::kinds::command::Command;
use crate::kinds::process::{Budget, Probe};
use crate::spec::ProblemMatcher;
use crate::spec::diagnostic::{list, nearest};

/// What an agent's work is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// In the order in which they run.
    pub stages: Vec<Stage>,
    /// How problems are found in output, beside what is known already; by name.
    pub matchers: BTreeMap<String, ProblemMatcher>,
    /// What all processes of the agent may use together.
    pub budget: Budget,
    /// The worktree; `None`: the agent has none.
    pub worktree: Option<PathBuf>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// What is done.
    pub work: Work,
    /// It belongs to runs of everything alone.
    pub only_full: bool,
    /// Milliseconds that it may take.
    pub timeout_ms: u64,
}

/// What a stage consists of, by name: all at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Commands. That of a stage with one command is called as the stage is.
    Commands(Vec<(String, Command)>),
    /// Checks of what runs.
    Probes(Vec<(String, Probe)>),
}

impl Work {
    /// How many things run at the same time.
    pub fn width(&self) -> usize {
        match self {
            Self::Commands(all) => all.len(),
            Self::Probes(all) => all.len(),
        }
    }
}

/// What a run is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Also the stages of `only: full`.
    #[serde(default)]
    pub full: bool,
    /// These stages alone, whatever `only` says; all without.
    #[serde(default)]
    pub stages: Vec<String>,
}

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unselectable {
    /// The spec says nothing to verify with.
    #[error("there is nothing to verify it with: its Stack has no `verify`")]
    Nothing,
    /// All stages are for full runs.
    #[error("every stage of its Stack is `only: full`: run `ctl verify --full`")]
    OnlyFull,
    /// A stage that there is not.
    #[error("there is no stage `{name}`; {known}")]
    NoStage {
        /// As it was asked for.
        name: String,
        /// Which there are.
        known: String,
    },
}

impl Pipeline {
    /// The stages of a run, in their order.
    pub fn select(&self, wanted: &Selection) -> Result<Vec<&Stage>, Unselectable> {
        let names = || self.stages.iter().map(|stage| stage.name.as_str());
        if self.stages.is_empty() {
            return Err(Unselectable::Nothing);
        }
        if let Some(name) = wanted.stages.iter().find(|name| names().all(|it| it != **name)) {
            let known = match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`? There are {}", list(names())),
                None => format!("there are {}", list(names())),
            };
            return Err(Unselectable::NoStage { name: name.clone(), known });
        }
        let is_wanted = |stage: &&Stage| match wanted.stages.as_slice() {
            [] => wanted.full || !stage.only_full,
            some => some.contains(&stage.name),
        };
        let stages: Vec<&Stage> = self.stages.iter().filter(is_wanted).collect();
        if stages.is_empty() { Err(Unselectable::OnlyFull) } else { Ok(stages) }
    }
}
