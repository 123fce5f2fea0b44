//! How an engine is set up, and why one cannot start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_harness_model::source::GitSource;
use agent_harness_providers::process::CgroupSetting;
use jiff::SignedDuration;

use crate::facts::{self, FactsError};
use crate::ledger::LedgerError;
use crate::lock::LockError;
use crate::pull::NoteError;
use crate::served::ServedError;
use crate::status_files::StatusError;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that is watched.
    pub specs: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// The folder of our own programs.
    pub bin: PathBuf,
    /// How long a spec file has to be away before it counts as removed.
    pub grace: SignedDuration,
    /// How long what was deleted can be brought back.
    pub retention: SignedDuration,
    /// Time between two looks at everything.
    pub resync: Duration,
    /// Objects that are worked on at the same time.
    pub concurrency: usize,
    /// Take over a state folder that served another folder of specs.
    pub adopt: bool,
    /// By which control groups processes are held.
    pub cgroups: CgroupSetting,
    /// How many commands of verifies run at the same time.
    pub jobs: usize,
    /// The Git repositories that specs come from as well, by the names of the sources.
    pub sources: BTreeMap<String, GitSource>,
    /// More folders of specs, by the names of the sources. Nothing is written into them.
    pub folders: BTreeMap<String, PathBuf>,
    /// The port on loopback on which repositories say that they have something new.
    pub webhook: Option<u16>,
}

impl Config {
    /// The usual setup for two folders, made absolute.
    pub fn new(specs: PathBuf, state: PathBuf) -> Result<Self, StartError> {
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| StartError::Path { path, source })
        };
        Ok(Self {
            specs: absolute(specs)?,
            state: absolute(state)?,
            bin: facts::own_folder()?,
            grace: SignedDuration::from_secs(3),
            retention: SignedDuration::from_hours(24),
            resync: Duration::from_secs(60),
            // What the outside can take is bounded by lanes; a job that waits for its lane is no load, and must
            // not keep the survey and the servers of everybody from their turn.
            concurrency: 1024,
            adopt: false,
            cgroups: CgroupSetting::Auto,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            sources: BTreeMap::new(),
            folders: BTreeMap::new(),
            webhook: None,
        })
    }
}

/// Why an engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A path that cannot be made absolute.
    #[error("{} is no path to use", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There are no specs, and never were any.
    #[error("there is no folder {}; make it, or name the folder of specs with --specs", specs.display())]
    NoSpecs {
        /// Where they should be.
        specs: PathBuf,
    },
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] agent_harness_providers::fs::FsError),
    /// Somebody else has the state folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state folder belongs to other specs.
    #[error(transparent)]
    Served(#[from] ServedError),
    /// The statuses cannot be read.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The host cannot be described.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// The control socket cannot be made.
    #[error("cannot listen on {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is remembered of a source cannot be read.
    #[error(transparent)]
    Source(#[from] NoteError),
    /// The port for webhooks cannot be had.
    #[error("cannot listen on 127.0.0.1:{port} for webhooks")]
    Webhook {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The processes' supervisor cannot start.
    #[error("cannot supervise processes")]
    Host(#[source] Box<dyn std::error::Error + Send + Sync>),
}
