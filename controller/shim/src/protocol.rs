//! The files of a run folder: how a shim is told what to hold, and how it tells what became of it.
//!
//! | file | writer | what it holds |
//! |---|---|---|
//! | `lock` | both | a kernel lock, held by the shim and by its payload as long as one of them lives |
//! | `launch.json` | supervisor, under the lock, before the spawn | [`Launch`]; 0600, holds secrets |
//! | `shim.json` | shim; with the payload by the payload itself before its exec | [`Record`] |
//! | `stop.json` | supervisor, before it signals the shim with SIGTERM | [`Stop`] |
//! | `exit.json` | shim, synced, as its last act before it exits | [`Exit`] |
//! | `shim.err` | shim | what went wrong in the shim itself |
//!
//! Each start has an `instance` of its own; a file of another instance than `launch.json`'s is void.
//! The end of the shim is its report: it exits when `exit.json` is in place, and waits for no
//! acknowledgement. On start it writes one line to its standard output: `ok`, or `error: …`.
//! Its standard input is the open `lock` file, already locked by the supervisor.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::cgroup::Leaf;
use crate::identity::Identity;

/// The version of these files. A reader refuses a higher one; new fields have defaults.
pub const VERSION: u32 = 1;

/// What each of these files has in every version: read before anything else of it, which may be all different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Versioned {
    pub version: u32,
}

pub const LOCK_FILE: &str = "lock";
pub const LAUNCH_FILE: &str = "launch.json";
pub const RECORD_FILE: &str = "shim.json";
pub const STOP_FILE: &str = "stop.json";
pub const EXIT_FILE: &str = "exit.json";
pub const SHIM_LOG_FILE: &str = "shim.err";

/// What to run, written by the supervisor.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub version: u32,
    /// Unique per start.
    pub instance: String,
    /// Such as `agent-3/api`.
    pub id: String,
    /// The installation and object uid that the process belongs to.
    pub mark: String,
    /// Names what is run; another fingerprint means that it must be respawned.
    pub fingerprint: String,
    /// The program and its arguments; the program is looked up in `env`'s `PATH`.
    pub argv: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub env: BTreeMap<String, String>,
    pub cwd: PathBuf,
    /// Drop to this uid and gid, with no other groups; needs root.
    #[serde(default)]
    pub user: Option<(u32, u32)>,
    /// 0022 unless set.
    #[serde(default)]
    pub umask: Option<u32>,
    pub log: LogFile,
    /// How to stop when the shim is told to end without a `stop.json`.
    pub stop_signal: i32,
    pub stop_grace_ms: u64,
    /// Starts of this fingerprint before this one.
    #[serde(default)]
    pub restarts: u32,
    /// Of these, how many in a row ended by themselves within a minute.
    #[serde(default)]
    pub failures: u32,
    /// What the process is held to.
    #[serde(default)]
    pub limits: Limits,
    /// The group that it goes into. Its limits are set already.
    #[serde(default)]
    pub cgroup: Option<Leaf>,
}

/// What a process is held to, beside what its group does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory of the whole tree; looked at every 2 s where no group holds it to that.
    pub memory: Option<u64>,
    /// How many processes the tree may have; the same.
    pub pids: Option<u32>,
    /// How many files each may have open.
    pub open_files: Option<u64>,
    /// -20 to 19.
    pub nice: Option<i32>,
    /// Bytes of memory of all processes of its agent: the affair of the group above its own, or else of the controller.
    pub agent_memory: Option<u64>,
    /// How many processes all of its agent may be: the same.
    pub agent_pids: Option<u32>,
}

/// The environment stays out: it holds secrets.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("instance", &self.instance)
            .field("id", &self.id)
            .field("fingerprint", &self.fingerprint)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

/// Where the output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    pub path: PathBuf,
    /// A file that would grow past this is rotated, and one that was begun a day ago. Default 10 MiB.
    pub max_bytes: u64,
    /// How many files are kept, the current one included. Default 8.
    pub files: u32,
}

impl LogFile {
    /// 10 MiB × 8: a week, for a process that writes every day.
    pub fn new(path: PathBuf) -> Self {
        Self { path, max_bytes: 10 * 1024 * 1024, files: 8 }
    }
}

/// Who runs, written by the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub version: u32,
    pub instance: String,
    /// See [`crate::identity::boot`]: under another boot this file is void.
    pub boot: String,
    pub shim: Identity,
    /// `None` until the payload is about to be executed.
    pub payload: Option<Identity>,
    pub started_at_ms: u64,
}

/// How to stop, written by the supervisor before it signals the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub version: u32,
    pub instance: String,
    pub signal: i32,
    pub grace_ms: u64,
    /// Why it is ended although it is wanted, as it does not do its work. Its end counts as a failure then, and not
    /// as one that was asked for. A shim of before there was this field takes it for one that was asked for.
    #[serde(default)]
    pub failed: Option<String>,
    /// Nobody wishes it away: its agent went over this, and it uses most.
    #[serde(default)]
    pub exceeded: Option<Exceeded>,
}

/// What became of the payload, written by the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub version: u32,
    pub instance: String,
    pub outcome: Outcome,
    /// The shim had been told to stop it.
    pub requested: bool,
    /// It was ended as it did not do its work: why. It is not `requested` then.
    #[serde(default)]
    pub failed: Option<String>,
    pub started_at_ms: u64,
    pub at_ms: u64,
    /// The last lines of the log, at most 20.
    pub last_lines: Vec<String>,
    /// Pids that outlived SIGKILL by 10 s.
    #[serde(default)]
    pub survivors: Vec<i32>,
    /// It was ended because it used more than it may.
    #[serde(default)]
    pub exceeded: Option<Exceeded>,
}

/// Which limit a process went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Exceeded {
    /// Its own, in bytes.
    Memory(u64),
    /// That of all processes of its agent, in bytes.
    AgentMemory(u64),
    /// None of ours: the host had no more, or a group around all of ours.
    HostMemory,
    /// How many processes it may be.
    Pids(u32),
    /// How many all processes of its agent may be.
    AgentPids(u32),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It never ran: why.
    NotStarted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "ended by {}", crate::signals::name(*signal)),
            Self::NotStarted(why) => write!(f, "did not start: {why}"),
        }
    }
}
