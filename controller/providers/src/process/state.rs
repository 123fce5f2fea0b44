//! What a run folder and `/proc` say of a process. One look, no memory, no change.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use agent_harness_shim::cgroup::Leaf;
use agent_harness_shim::files;
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::protocol::{
    EXIT_FILE, Exceeded, Exit, LAUNCH_FILE, Limits, Outcome, RECORD_FILE, Record, VERSION,
    Versioned,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::backoff;

/// A process that was started at some time and not forgotten since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// What it was started with.
    pub fingerprint: String,
    /// Whose it is.
    pub mark: String,
    /// Its log.
    pub log_path: PathBuf,
    /// Starts of this fingerprint before this one.
    pub restarts: u32,
    /// Ends in a row without a healthy minute, this one included when it has ended.
    pub failures: u32,
    /// What became of it.
    pub state: ProcessState,
    pub(super) instance: String,
    /// Of this boot, and so is the payload: nobody else is to be signalled.
    pub(super) shim: Option<Identity>,
    pub(super) payload: Option<Identity>,
    pub(super) stop_signal: i32,
    pub(super) stop_grace_ms: u64,
    /// What it is held to.
    pub(super) limits: Limits,
    /// The group that it was put into.
    pub(super) leaf: Option<Leaf>,
}

/// What became of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessState {
    /// Its shim is at it.
    Starting,
    /// It runs.
    Running { pid: u32, started_at_ms: u64 },
    /// It has ended; its shim clears away what it left behind.
    Ending,
    /// It ended, and nothing of it is left.
    Exited {
        outcome: Outcome,
        /// We had told it to stop.
        requested: bool,
        /// We had told it to, as it did not do its work: why.
        failed: Option<String>,
        /// Milliseconds since 1970.
        at_ms: u64,
        last_lines: Vec<String>,
        /// The limit that it went over.
        exceeded: Option<Exceeded>,
    },
    /// It does not run under a shim and nobody saw its end: its shim was killed or the machine restarted.
    Lost {
        why: Loss,
        /// The payload runs on without its shim; it is ended before it is started again.
        orphan: Option<u32>,
        /// The last time it was known to run, in milliseconds since 1970.
        at_ms: u64,
    },
}

/// How a process got lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The machine was restarted.
    Reboot,
    /// Its shim was killed.
    HolderKilled,
    /// The start was cut off before there was a shim.
    StartCutOff,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reboot => "the machine was restarted",
            Self::HolderKilled => "its holder (agent-shim) was killed",
            Self::StartCutOff => "its start was cut off",
        })
    }
}

/// `launch.json` without what is secret or of no concern here.
#[derive(Deserialize)]
struct Header {
    instance: String,
    mark: String,
    fingerprint: String,
    log: LogPath,
    stop_signal: i32,
    stop_grace_ms: u64,
    #[serde(default)]
    restarts: u32,
    #[serde(default)]
    failures: u32,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    cgroup: Option<Leaf>,
}

#[derive(Deserialize)]
struct LogPath {
    path: PathBuf,
}

/// Who has the lock of a run folder that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Whoever looks: no shim and no payload lives.
    Ours,
    /// It is tried where that matters.
    Unknown,
}

/// Looks at one run folder. `None`: nothing was ever started there.
pub fn look(folder: &Path, boot: &str, lock: Lock) -> io::Result<Option<Process>> {
    let Some(launch) = read::<Header>(folder, LAUNCH_FILE, lock)? else { return Ok(None) };
    let record = read::<Record>(folder, RECORD_FILE, lock)?
        .filter(|record| record.instance == launch.instance);
    // Pids and ticks since the boot begin anew with it: those of another boot may be a stranger's by now.
    let here = record.as_ref().filter(|record| record.boot == boot);
    let mut process = Process {
        fingerprint: launch.fingerprint,
        mark: launch.mark,
        log_path: launch.log.path,
        restarts: launch.restarts,
        failures: launch.failures,
        state: ProcessState::Starting,
        shim: here.map(|record| record.shim),
        payload: here.and_then(|record| record.payload),
        instance: launch.instance,
        stop_signal: launch.stop_signal,
        stop_grace_ms: launch.stop_grace_ms,
        limits: launch.limits,
        leaf: launch.cgroup,
    };
    let shim_lives = match here {
        Some(record) => identity::is_alive(record.shim)?,
        None => false,
    };
    if shim_lives
        && let (Some(record), Some(payload)) = (&record, process.payload)
        && identity::is_alive(payload)?
    {
        process.state = ProcessState::Running {
            pid: payload.pid.cast_unsigned(),
            started_at_ms: record.started_at_ms,
        };
        return Ok(Some(process));
    }
    // Read after the shim or its payload was seen dead: a dead shim's record is in place by then.
    let exit =
        read::<Exit>(folder, EXIT_FILE, lock)?.filter(|exit| exit.instance == process.instance);
    process.state = match (exit, record) {
        (Some(exit), _) => {
            ended(&mut process, exit.started_at_ms, exit.at_ms, exit.requested);
            ProcessState::Exited {
                outcome: exit.outcome,
                requested: exit.requested,
                failed: exit.failed,
                at_ms: exit.at_ms,
                last_lines: exit.last_lines,
                exceeded: exit.exceeded,
            }
        }
        (None, Some(_)) if shim_lives && process.payload.is_none() => ProcessState::Starting,
        (None, Some(_)) if shim_lives => ProcessState::Ending,
        (None, Some(record)) if record.boot != boot => {
            ProcessState::Lost { why: Loss::Reboot, orphan: None, at_ms: record.started_at_ms }
        }
        (None, Some(record)) => {
            let orphan = match record.payload {
                Some(payload) if identity::is_alive(payload)? => Some(payload),
                // Who is in its group is its own, also without a parent and an environment.
                _ => match &process.leaf {
                    Some(leaf) => leaf.members()?.first().copied(),
                    None => None,
                },
            };
            let orphan = orphan.map(|orphan| orphan.pid.cast_unsigned());
            // How long it ran is not known: counted from its start.
            ended(&mut process, record.started_at_ms, record.started_at_ms, false);
            ProcessState::Lost { why: Loss::HolderKilled, orphan, at_ms: record.started_at_ms }
        }
        (None, None) => unrecorded(folder, &process.instance, lock)?,
    };
    Ok(Some(process))
}

/// A shim that has not written its record yet, or a start that was cut off before there was one.
fn unrecorded(folder: &Path, instance: &str, lock: Lock) -> io::Result<ProcessState> {
    let free = match lock {
        Lock::Ours => None,
        Lock::Unknown => super::lock::try_lock(folder)?,
    };
    if lock == Lock::Unknown && free.is_none() {
        return Ok(ProcessState::Starting);
    }
    match files::read_json::<Record>(&folder.join(RECORD_FILE)) {
        // It came and went between the two looks.
        Ok(Some(again)) if again.instance == instance => Ok(ProcessState::Starting),
        Err(error) if !is_torn(&error) => Err(error),
        _ => Ok(ProcessState::Lost { why: Loss::StartCutOff, orphan: None, at_ms: 0 }),
    }
}

/// Reads a file of the run folder. Files are renamed into their place, so half of one was left by a power cut
/// before its content was on the disk. Nobody lives who belongs to it then, and it is as good as none. A whole one
/// that says something else than we know is another version's, which is found out before anything of it is read.
fn read<T: DeserializeOwned>(folder: &Path, file: &str, lock: Lock) -> io::Result<Option<T>> {
    let path = folder.join(file);
    let read = files::read_json::<Versioned>(&path).and_then(|found| match found {
        Some(Versioned { version }) if version > VERSION => Err(io::Error::other(format!(
            "a newer controller has started it: its {file} has version {version}, and this controller knows \
             {VERSION}. It is left as it is; use the newer controller"
        ))),
        Some(_) => files::read_json(&path),
        None => Ok(None),
    });
    match read {
        Err(error) if is_torn(&error) && free(folder, lock)? => Ok(None),
        Err(error) if json_error(&error).is_some() => {
            Err(io::Error::other(format!("its {file} is not understood: {error}")))
        }
        other => other,
    }
}

/// Whether nobody lives who belongs to a run folder.
fn free(folder: &Path, lock: Lock) -> io::Result<bool> {
    Ok(lock == Lock::Ours || super::lock::try_lock(folder)?.is_some())
}

fn is_torn(error: &io::Error) -> bool {
    json_error(error).is_some_and(|error| error.is_eof() || error.is_syntax())
}

fn json_error(error: &io::Error) -> Option<&serde_json::Error> {
    error.get_ref()?.downcast_ref()
}

fn ended(process: &mut Process, started_ms: u64, at_ms: u64, requested: bool) {
    process.failures = if requested {
        0
    } else {
        backoff::failures(process.failures, at_ms.saturating_sub(started_ms))
    };
}
