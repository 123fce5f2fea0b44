//! Keeps the logs of agents small: compresses what was rotated, and removes what is too old or too much.
//!
//! This is the controller's and not the shims', who rotate: a shim has one thread, which must not keep its process
//! waiting, and a compressor in each would cost more memory than all the rest of it. While no controller runs, nothing
//! is compressed, and a log is bounded all the same: its shim keeps so many files, of such a size.
//!
//! A shim may rotate, and remove its oldest file, at any moment of this. So a rotated file never changes its number
//! (`agent_harness_shim::logs::rotated`), what is compressed is whole and on the disk before it gets its name, and only
//! then the plain one goes. Stopped anywhere, there are both, of which readers take one, or half a copy that nobody
//! reads; the next round clears both away.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agent_harness_shim::logs::rotated::{self, COMPRESSED};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::fs::{self, FsError, Op};

/// How an unfinished compressed file is called, after the name that it gets.
const PART: &str = ".part";

/// What is kept of the logs of one object.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Rotated files whose last line is older go.
    pub age: Duration,
    /// All logs together; beyond it, rotated files go, those with the oldest last lines first.
    pub bytes: u64,
}

impl Limits {
    /// A week, and 200 MiB.
    pub const USUAL: Self = Self { age: Duration::from_secs(7 * 24 * 60 * 60), bytes: 200 << 20 };
}

/// One round over all logs below the log root, `LOGS/agent-agent-3/process/api.log`. What fails is left for the next
/// round, and keeps it from nothing else.
pub fn tidy(root: &Path, limits: Limits, now: SystemTime, stop: &dyn Fn() -> bool) -> Vec<FsError> {
    let mut errors = Vec::new();
    for owner in list(root, &mut errors) {
        if stop() {
            break;
        }
        if let Err(error) = tidy_owner(&owner, limits, now, stop, &mut errors) {
            errors.push(error);
        }
    }
    errors
}

fn list(folder: &Path, errors: &mut Vec<FsError>) -> Vec<PathBuf> {
    match fs::metadata(folder) {
        Ok(Some(metadata)) if metadata.is_dir() => {}
        Ok(_) => return Vec::new(),
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    }
    fs::list_dir(folder).unwrap_or_else(|error| {
        errors.push(error);
        Vec::new()
    })
}

/// A rotated file, by its path.
struct Old {
    bytes: u64,
    written: SystemTime,
}

fn tidy_owner(
    owner: &Path,
    limits: Limits,
    now: SystemTime,
    stop: &dyn Fn() -> bool,
    errors: &mut Vec<FsError>,
) -> Result<(), FsError> {
    let mut old = BTreeMap::new();
    let mut bytes = 0;
    for kind in list(owner, errors) {
        for path in list(&kind, errors) {
            let Some(metadata) = fs::metadata(&path)?.filter(Metadata::is_file) else { continue };
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.strip_suffix(PART).is_some_and(|name| rotated::of_name(name).is_some()) {
                fs::remove_file_if_exists(&path)?;
                continue;
            }
            if rotated::of_name(name).is_none() {
                bytes += metadata.len();
                continue;
            }
            let written = metadata.modified().unwrap_or(now);
            if now.duration_since(written).is_ok_and(|age| age > limits.age) {
                fs::remove_file_if_exists(&path)?;
                continue;
            }
            match compressed(path, Old { bytes: metadata.len(), written }, stop) {
                Ok(file) => old.extend(file),
                Err(error) => errors.push(error),
            }
        }
    }
    bytes += old.values().map(|file| file.bytes).sum::<u64>();
    let mut old: Vec<(PathBuf, Old)> = old.into_iter().collect();
    old.sort_by_key(|(_, file)| file.written);
    for (path, file) in old {
        if bytes <= limits.bytes {
            break;
        }
        fs::remove_file_if_exists(&path)?;
        bytes = bytes.saturating_sub(file.bytes);
    }
    Ok(())
}

/// The file in its compressed form; `None`: it is gone.
fn compressed(
    path: PathBuf,
    file: Old,
    stop: &dyn Fn() -> bool,
) -> Result<Option<(PathBuf, Old)>, FsError> {
    if path.extension().is_some_and(|ending| ending == "gz") || stop() {
        return Ok(Some((path, file)));
    }
    let whole = rotated::with_ending(&path, COMPRESSED);
    let part = rotated::with_ending(&whole, PART);
    if fs::metadata(&whole)?.is_none() {
        fs::remove_file_if_exists(&part)?;
        let failed = |source| FsError { op: Op::Write, path: part.clone(), source };
        let inode = match compress(&path, &part) {
            Ok(inode) => inode,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                // On a full disk, half a copy is in the way of everybody.
                fs::remove_file_if_exists(&part)?;
                return Err(failed(error));
            }
        };
        // Its shim may have removed it meanwhile: then it is not to come again.
        if fs::metadata(&path)?.is_none_or(|metadata| metadata.ino() != inode) {
            fs::remove_file_if_exists(&part)?;
            return Ok(None);
        }
        fs::rename(&part, &whole)?;
    }
    fs::remove_file_if_exists(&path)?;
    let metadata = fs::metadata(&whole)?;
    Ok(metadata.map(|metadata| (whole, Old { bytes: metadata.len(), ..file })))
}

/// Writes a compressed copy that is as old as its original; the inode of that.
fn compress(from: &Path, to: &Path) -> io::Result<u64> {
    let original = File::open(from)?;
    let metadata = original.metadata()?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(to)?;
    // Lines repeat themselves so much that a better one takes longer and saves little.
    let mut encoder = GzEncoder::new(file, Compression::fast());
    io::copy(&mut BufReader::with_capacity(64 << 10, original), &mut encoder)?;
    let mut file = encoder.finish()?;
    file.flush()?;
    file.set_modified(metadata.modified()?)?;
    file.sync_all()?;
    Ok(metadata.ino())
}

#[cfg(test)]
mod tests;
