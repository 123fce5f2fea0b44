//! What can go wrong when a step is run.

use std::io;
use std::path::PathBuf;

use agent_harness_model::world::ApplyError;

use crate::Class;
use crate::fs::FsError;

/// A step that did not work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It ended, and not well.
    #[error(
        "`{line}` ended with {how}; correct it or what it needs, and it is run again{}",
        tail(lines, log)
    )]
    Failed { line: String, how: String, lines: Vec<String>, log: PathBuf },
    /// It took too long and was stopped.
    #[error(
        "`{line}` was stopped: it {how}; raise its `timeout` if it needs more{}",
        tail(lines, log)
    )]
    TimedOut { line: String, how: String, lines: Vec<String>, log: PathBuf },
    /// The controller stops.
    #[error("`{line}` was stopped, because the controller stops; it is run again")]
    Cancelled { line: String },
    /// Something else is wanted by now.
    #[error("`{line}` was stopped, because something else is wanted by now")]
    Unwanted { line: String },
    /// Its program cannot be run.
    #[error("cannot run `{line}`: {}", start_failure(source, program))]
    Start {
        line: String,
        program: String,
        #[source]
        source: io::Error,
    },
    /// Its folder is not there.
    #[error("cannot run `{line}`: its folder {} is not there", folder.display())]
    NoFolder { line: String, folder: PathBuf },
    /// It is being run already.
    #[error("`{line}` runs already")]
    Running { line: String },
    /// What a run left behind does not end, or may not be ended by us.
    #[error(
        "`{line}` left the pids {pids:?}, which do not end or are not ours to end: end them, and it is run again"
    )]
    Left { line: String, pids: Vec<i32> },
    /// What an earlier run left behind holds its lock.
    #[error("`{line}` is not run, because {} of an earlier run: end that", holder(pids, path))]
    Held { line: String, pids: Vec<i32>, path: PathBuf },
    /// A pattern of `inputs` is none.
    #[error("`{pattern}` under `inputs` is no pattern")]
    Pattern {
        pattern: String,
        #[source]
        source: globset::Error,
    },
    /// A record is damaged.
    #[error("cannot read {}: remove it, and the step is run again", path.display())]
    Record {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A system call failed.
    #[error("cannot {what} `{line}`")]
    System {
        what: &'static str,
        line: String,
        #[source]
        source: io::Error,
    },
}

impl RunError {
    /// When to try again. A failed command is tried again with backoff: what it needs from elsewhere
    /// (a registry, a server) may be back by then.
    pub fn class(&self) -> Class {
        match self {
            Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Cancelled { .. }
            | Self::Unwanted { .. }
            | Self::NoFolder { .. }
            | Self::Left { .. }
            | Self::Held { .. }
            | Self::System { .. } => Class::Transient,
            Self::Running { .. } => Class::Blocked,
            Self::Start { .. } | Self::Pattern { .. } | Self::Record { .. } => Class::Terminal,
            Self::File(error) => error.class(),
        }
    }
}

fn holder(pids: &[i32], path: &std::path::Path) -> String {
    if pids.is_empty() {
        // What another user runs tells us nothing.
        return format!("{} is locked by a process that is not to be seen,", path.display());
    }
    format!("{} is locked by the pids {pids:?}", path.display())
}

fn tail(lines: &[String], log: &std::path::Path) -> String {
    if lines.is_empty() {
        return format!("; it printed nothing (log: {})", log.display());
    }
    let mut text = format!("; its last lines (all are in {}):", log.display());
    for line in lines {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

fn start_failure(source: &io::Error, program: &str) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => {
            format!(
                "there is no program {program} on the PATH of this agent; install it, write its whole path, or put its folder \
                 into PATH of environment.json in the state folder and start the controller anew"
            )
        }
        io::ErrorKind::PermissionDenied => format!("{program} is not executable"),
        _ => format!("{program} does not start"),
    }
}

impl From<RunError> for ApplyError {
    fn from(error: RunError) -> Self {
        // The reasons of a start are told in words already.
        if let RunError::Start { .. } = error {
            return Self { class: error.class(), message: error.to_string(), part: None };
        }
        Self::from_error(error.class(), &error)
    }
}
