//! One change of a repository at a time: within this process, and against what a killed one left running.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags};

use super::error::GitError;

/// In the repository's common folder. Every git command that changes something inherits it, so it
/// stays locked when the controller is killed and its git command lives on.
const LOCK_FILE: &str = "agent-harness.lock";
const PATIENCE: Duration = Duration::from_secs(30);

/// The locks of all repositories.
#[derive(Debug, Default)]
pub struct RepoLocks(Mutex<HashMap<PathBuf, Arc<Mutex<()>>>>);

impl RepoLocks {
    /// The in-process lock of a repository, by its common folder.
    pub fn of(&self, common: &Path) -> Arc<Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(common.to_path_buf()).or_default())
    }
}

/// The right to change a repository.
#[derive(Debug)]
pub struct Locked<'a> {
    /// Locked; handed to git commands as their standard input, which is empty.
    pub file: File,
    _within: MutexGuard<'a, ()>,
}

/// Takes a repository's lock. Blocks.
pub fn lock<'a>(within: &'a Mutex<()>, common: &Path, repo: &Path) -> Result<Locked<'a>, GitError> {
    let guard = within.lock().unwrap_or_else(PoisonError::into_inner);
    let path = common.join(LOCK_FILE);
    let file = rustix::fs::open(
        &path,
        OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::RUSR | Mode::WUSR,
    )
    .map_err(|error| GitError::system("lock", &path)(error.into()))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Locked { file: File::from(file), _within: guard }),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(GitError::Locked { repo: repo.to_path_buf() });
            }
            Err(error) => return Err(GitError::system("lock", &path)(error.into())),
        }
    }
}
