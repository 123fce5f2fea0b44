//! What can go wrong with a server that we run ourselves.

use std::path::PathBuf;
use std::time::Duration;

use crate::Class;
use crate::fs::FsError;
use crate::postgres::PgError;

/// A failure around an embedded server.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder that the spec names has no server in it.
    #[error("{} holds no `postgres` and `initdb`; correct `binDir` or leave it out", dir.display())]
    NoServerThere {
        /// `binDir`
        dir: PathBuf,
    },
    /// The folder that the spec names has a server of another version.
    #[error(
        "{} holds PostgreSQL {found}, but {wanted} is needed{}; correct `binDir` or leave it out",
        dir.display(),
        if *by_data { " by the data that is there" } else { "" }
    )]
    OtherVersion {
        /// `binDir`
        dir: PathBuf,
        /// Its major version.
        found: u32,
        /// The one that is needed.
        wanted: u32,
        /// The data folder needs it, not the spec.
        by_data: bool,
    },
    /// The version in the spec is no major version.
    #[error("{version:?} is no PostgreSQL version; write the major version, such as \"18\"")]
    BadVersion {
        /// `version`
        version: String,
    },
    /// The spec wants another version than the data folder has.
    #[error(
        "the data in {} is of PostgreSQL {found} and cannot be read by {wanted}; \
         set `version: \"{found}\"`, or dump the data and delete the folder",
        data.display()
    )]
    DataVersion {
        /// The data folder.
        data: PathBuf,
        /// Its major version.
        found: u32,
        /// What the spec wants.
        wanted: u32,
    },
    /// The data was made, and is not there any more.
    #[error(
        "the data of this PostgreSQL server is gone from {}; bring it back (is a disk not mounted?), \
         or delete the folder {} to begin with an empty server",
        data.display(),
        root.display()
    )]
    DataGone {
        /// The data folder.
        data: PathBuf,
        /// The service's root, where it is noted that there was data.
        root: PathBuf,
    },
    /// Nothing here, and the download failed.
    #[error(
        "this machine has no PostgreSQL{}, and fetching it failed; install the package postgresql, \
         or set `binDir`",
        major.map(|major| format!(" {major}")).unwrap_or_default()
    )]
    Fetch {
        /// The wanted major version.
        major: Option<u32>,
        /// What the download said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A setting whose name is none, or that is ours to make.
    #[error("{problem}; {help}")]
    BadSetting {
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        help: String,
    },
    /// Root, and nobody to run the server as.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a user `postgres` nor `nobody`; \
         make one, or run the controller as an ordinary user"
    )]
    NoUser,
    /// A folder could not be given to the server's user.
    #[error("cannot give {} to the user {user}", path.display())]
    Give {
        /// What.
        path: PathBuf,
        /// To whom.
        user: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The server's user cannot reach its binaries.
    #[error(
        "the user {user}, as whom PostgreSQL is to run, cannot enter {}; open it with `chmod o+x`, \
         or choose another folder",
        parent.display()
    )]
    Closed {
        /// The server's user.
        user: String,
        /// The folder that is closed to it.
        parent: PathBuf,
    },
    /// A program of the server could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// Which.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A program of the server did not tell its version in time.
    #[error("{} did not tell its version within {} s; it is asked again", program.display(), limit.as_secs())]
    Slow {
        /// Which.
        program: PathBuf,
        /// What it had.
        limit: Duration,
    },
    /// A program of the server failed.
    #[error("{program} failed ({how}): {last_lines}")]
    Failed {
        /// Which.
        program: &'static str,
        /// Its exit.
        how: String,
        /// The end of what it printed.
        last_lines: String,
    },
    /// The login, or a question to the server.
    #[error(transparent)]
    Server(#[from] PgError),
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl EmbeddedError {
    /// What it means for a retry.
    pub fn class(&self) -> Class {
        match self {
            Self::NoServerThere { .. }
            | Self::OtherVersion { .. }
            | Self::BadVersion { .. }
            | Self::DataVersion { .. }
            | Self::DataGone { .. }
            | Self::BadSetting { .. }
            | Self::NoUser
            | Self::Give { .. }
            | Self::Closed { .. }
            | Self::Run { .. } => Class::Terminal,
            // A disk that was full, a download that broke.
            Self::Fetch { .. } | Self::Slow { .. } | Self::Failed { .. } => Class::Transient,
            Self::Server(error) => error.class(),
            Self::Fs(error) => error.class(),
        }
    }
}
