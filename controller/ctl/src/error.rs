//! What ends a command early: a message for people, hints, and the exit code that follows.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It did not; for `diff`: there are differences.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// What was waited for did not come in time.
    NotReady,
    /// It cannot be done until somebody does something else first.
    Blocked,
    /// The command of `exec` is there and cannot be run, as shells say it.
    CannotRun,
    /// There is no such command.
    NoCommand,
    /// That of a command which ran somewhere else.
    Command(u8),
}

impl Exit {
    /// The code for the shell.
    fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotReady => 3,
            Self::Blocked => 4,
            Self::CannotRun => 126,
            Self::NoCommand => 127,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What ends a command early.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened; empty when nothing needs to be said.
    pub message: String,
    /// Rendered diagnostics, shown before the message.
    pub diagnostics: Vec<String>,
    /// What to do about it, one sentence each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure with an exit code and a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), diagnostics: Vec::new(), hints: Vec::new() }
    }

    /// It did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The command line makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// An error with its sources, joined by `: `.
    pub fn from_error(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            source = inner.source();
        }
        Self::new(exit, message)
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// A closed pipe is the reader's wish to end: nothing is said and nothing failed.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::from_error(Exit::Failed, &error)
    }
}

impl From<agent_harness_model::yaml::YamlError> for Failure {
    fn from(error: agent_harness_model::yaml::YamlError) -> Self {
        Self::from_error(Exit::Failed, &error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::from_error(Exit::Failed, &error)
    }
}

/// What every verb answers.
pub type Result<T = Exit> = std::result::Result<T, Failure>;
