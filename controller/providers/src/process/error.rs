//! What can go wrong when a process is started, found or stopped.

use std::io;
use std::path::PathBuf;

use super::launch::ProcessId;
use crate::Class;
use crate::fs::FsError;

/// A supervision that failed.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// A file of the run folder.
    #[error(transparent)]
    File(#[from] FsError),
    /// A system call on a process or its lock.
    #[error("process {id}: cannot {what}")]
    System {
        id: ProcessId,
        what: &'static str,
        #[source]
        source: io::Error,
    },
    /// The run folder could not be read.
    #[error("cannot look at the processes in {}", folder.display())]
    Look {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The shim's program is missing or cannot be executed.
    #[error(
        "cannot execute the process holder {}: build or install it beside the controller",
        path.display()
    )]
    NoShim {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The shim said why the payload does not run.
    #[error("process {id} did not start: {why}")]
    NotStarted { id: ProcessId, why: String },
    /// The shim said nothing in time.
    #[error("process {id}: its holder gave no answer within {seconds} s")]
    NoAnswer { id: ProcessId, seconds: u64 },
    /// Something else runs under this id.
    #[error("process {id} runs with another command, environment or port: stop it first")]
    Different { id: ProcessId },
    /// Another program listens on a port that it is to have.
    #[error("{who}; stop that program or change the Stack's ports")]
    PortTaken {
        /// `port 8031 (api) is taken by pid 1234 (node server.js)`
        who: String,
    },
    /// The lock of the run folder is held, and nobody answers for it.
    #[error(
        "process {id}: something that an earlier run left behind still holds {}",
        lock.display()
    )]
    Held { id: ProcessId, lock: PathBuf },
    /// The tree outlived SIGKILL.
    #[error("process {id} does not end: still there are the pids {pids:?}")]
    Survives { id: ProcessId, pids: Vec<i32> },
    /// A limit that nothing of this host can hold it to.
    #[error(
        "process {id}: nothing holds it to its `{what}` here, as no control group with that controller can be made \
         (`ctl info` tells what can); leave `{what}` out, or let the controller make control groups: as root, or \
         with `Delegate=yes` in its unit"
    )]
    Unheld { id: ProcessId, what: &'static str },
    /// The run folder was written by a newer controller, or is damaged.
    #[error("process {id}: {why}")]
    Unknown { id: ProcessId, why: String },
}

impl SuperviseError {
    pub(super) fn system(
        id: &ProcessId,
        what: &'static str,
    ) -> impl FnOnce(io::Error) -> SuperviseError {
        let id = id.clone();
        move |source| SuperviseError::System { id, what, source }
    }

    /// When to try again.
    pub fn class(&self) -> Class {
        match self {
            Self::File(error) => error.class(),
            Self::System { .. }
            | Self::Look { .. }
            | Self::NotStarted { .. }
            | Self::Held { .. }
            | Self::Survives { .. } => Class::Transient,
            Self::NoAnswer { .. } => Class::Indeterminate,
            Self::NoShim { .. } | Self::Unknown { .. } | Self::Unheld { .. } => Class::Terminal,
            Self::Different { .. } => Class::Blocked,
            Self::PortTaken { .. } => Class::Conflict,
        }
    }
}
