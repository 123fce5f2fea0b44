//! The two file operations of the shim: read a JSON file, replace one in a single step.
//!
//! A copy of the rule in the providers' file wrapper, without that crate's weight.

#![allow(clippy::disallowed_methods, reason = "this is the wrapper of the shim")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Whether a replaced file must survive a power cut, or only the death of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Synced with its folder: survives a power cut.
    Disk,
    /// Not synced: enough for what another boot makes void, and 10 ms faster.
    Boot,
}

/// Reads a JSON file; no such file is `None`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes `value` with mode 0600 to a temporary file and renames it over `path`.
///
/// One writer at a time per path: the lock of the run folder sees to it.
pub fn write_json<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let bytes = serde_json::to_vec(value)?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    if durability == Durability::Disk {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(&temporary, path)?;
    match (durability, path.parent()) {
        (Durability::Disk, Some(folder)) => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes a file; already gone is fine.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
