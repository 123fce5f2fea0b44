//! The kernel lock of a run folder: at most one shim or payload holds it at any time.
//!
//! The supervisor takes it, hands the open descriptor to the shim as its standard input, and so it is
//! never free between the check and the start.

use std::fs::File;
use std::io;
use std::path::Path;

use agent_harness_shim::protocol::LOCK_FILE;
use rustix::fs::{FlockOperation, Mode, OFlags};

/// Takes the lock of a run folder that exists. `None`: somebody holds it.
pub fn try_lock(folder: &Path) -> io::Result<Option<File>> {
    let file = rustix::fs::open(
        folder.join(LOCK_FILE),
        OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::RUSR | Mode::WUSR,
    )?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(File::from(file))),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
