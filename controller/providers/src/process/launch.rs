//! What a caller asks to run, and under which id.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use agent_harness_model::kinds::limits::{Budget, Limits};
use agent_harness_shim::cgroup::Leaf;
use agent_harness_shim::protocol;
use rustix::process::Signal;

/// Names a process within its state folder, such as `agent-3/api` or `infra-shared/postgres`.
///
/// Words of `[A-Za-z0-9._-]`, joined by `/`; none starts with a dot. At most 200 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId(String);

/// A text that is no process id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no process id: words of letters, digits, `.`, `_` and `-`, joined by `/`")]
pub struct InvalidProcessId(String);

impl ProcessId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of its run folder: one level deep, so that one listing finds all.
    pub(super) fn folder(&self) -> String {
        self.0.replace('/', "~")
    }

    pub(super) fn from_folder(name: &str) -> Option<Self> {
        name.replace('~', "/").parse().ok()
    }
}

impl FromStr for ProcessId {
    type Err = InvalidProcessId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |word: &str| {
            !word.is_empty()
                && !word.starts_with('.')
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if text.len() <= 200 && text.split('/').all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidProcessId(text.to_owned()))
        }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What to run. Its environment is exact: nothing of the controller's is inherited.
#[derive(Clone, PartialEq, Eq)]
pub struct Launch {
    pub id: ProcessId,
    /// The program (looked up in `env`'s `PATH`) and its arguments. No secrets: everybody can read it.
    pub argv: Vec<String>,
    /// `HARNESS_MARK` and `HARNESS_PROCESS` are added.
    pub env: BTreeMap<String, String>,
    /// Absolute working folder; must exist.
    pub cwd: PathBuf,
    /// Uid and gid to drop to; needs root.
    pub user: Option<(u32, u32)>,
    /// 0022 unless set.
    pub umask: Option<u32>,
    /// Where the output goes; rotated at 10 MiB and each day, 8 files in all.
    pub log_path: PathBuf,
    /// Of all that makes a difference: another one is another process.
    pub fingerprint: String,
    /// Installation and object uid, as in `HARNESS_MARK`.
    pub mark: String,
    /// How it is stopped when nobody says otherwise.
    pub stop_signal: Signal,
    /// How long its tree may take until it is killed.
    pub stop_grace: Duration,
    /// What it may use.
    pub limits: Limits,
    /// What all processes of its agent may use together.
    pub budget: Budget,
}

/// The environment stays out: it holds secrets.
impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launch")
            .field("id", &self.id)
            .field("fingerprint", &self.fingerprint)
            .field("cwd", &self.cwd)
            .finish_non_exhaustive()
    }
}

impl Launch {
    /// The form in which the shim reads it.
    pub(super) fn to_file(
        &self,
        instance: String,
        restarts: u32,
        failures: u32,
        cgroup: Option<Leaf>,
    ) -> protocol::Launch {
        protocol::Launch {
            version: protocol::VERSION,
            instance,
            id: self.id.to_string(),
            mark: self.mark.clone(),
            fingerprint: self.fingerprint.clone(),
            argv: self.argv.clone(),
            env: self.env.clone(),
            cwd: self.cwd.clone(),
            user: self.user,
            umask: self.umask,
            log: protocol::LogFile::new(self.log_path.clone()),
            stop_signal: self.stop_signal.as_raw(),
            stop_grace_ms: millis(self.stop_grace),
            restarts,
            failures,
            limits: protocol::Limits {
                memory: self.limits.memory,
                pids: self.limits.pids,
                open_files: self.limits.open_files,
                nice: self.limits.nice,
                agent_memory: self.budget.memory,
                agent_pids: self.budget.pids,
            },
            cgroup,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
