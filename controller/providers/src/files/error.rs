//! What can go wrong with a file in a worktree.

use std::io;
use std::path::PathBuf;

use agent_harness_model::world::ApplyError;

use crate::Class;
use crate::fs::remedy;

/// Work on a file that failed.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Something that is not ours to write over.
    #[error("{0}")]
    Foreign(String),
    /// The worktree is not there.
    #[error("{} is not there yet", root.display())]
    NoRoot { root: PathBuf },
    /// Somebody wrote to it just now.
    #[error("{} was changed at this moment; looked at again", path.display())]
    Changed { path: PathBuf },
    /// More names of kept files are taken than anybody can want.
    #[error("too many files named {}.kept-… are there: look through them, and remove those that you do not need", path.display())]
    TooManyKept { path: PathBuf },
    /// A system call failed.
    #[error("cannot {what} {}{}", path.display(), remedy(source.kind()))]
    System {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FileError {
    /// When to try again.
    pub fn class(&self) -> Class {
        match self {
            Self::Foreign(_) => Class::Conflict,
            Self::NoRoot { .. } | Self::Changed { .. } => Class::Transient,
            Self::TooManyKept { .. } => Class::Terminal,
            Self::System { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::InvalidFilename => Class::Terminal,
                _ => Class::Transient,
            },
        }
    }
}

impl From<FileError> for ApplyError {
    fn from(error: FileError) -> Self {
        Self::from_error(error.class(), &error)
    }
}
