//! Lock files that a killed git left in the git folder of a tree where nobody works: they would keep every
//! later git from working there.
//!
//! A lock is removed only when nobody can be its owner: no process works in the tree or holds the file
//! open, no git that is told to work there runs, and the lock did not change while all of that was looked
//! at. While it is there no other git can take it. Never called for a tree in which an agent works: its git
//! may hold a lock while an editor is open, and a look from outside cannot tell whose it is. Processes that
//! this machine does not show (of a host around a container, of another machine) are not thought of: where
//! this is called nobody but the controller has a reason to be.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use agent_harness_shim::tree;

use super::error::GitError;
use super::occupants;
use crate::{fs, program};

/// What git locks when it changes what is checked out.
const LOCKS: &[&str] = &["index.lock", "HEAD.lock"];

/// Tells whether a lock is still the same.
type Stamp = (u64, u64, i64, i64);

/// Removes such locks. Call it under the repository's lock: then no git of ours is their owner.
pub fn clear(admin: &Path, folders: &[&Path]) -> Result<(), GitError> {
    for name in LOCKS {
        let path = admin.join(name);
        let Some(before) = stamp(&path)? else { continue };
        if let Some(pid) = owner(admin, folders, before)? {
            return Err(GitError::InUse { path, pid, command: program::name(pid) });
        }
        if stamp(&path)? == Some(before) {
            tracing::warn!(path = %path.display(), "removes the lock of a git that was killed");
            fs::remove_file_if_exists(&path)?;
        }
    }
    Ok(())
}

fn stamp(path: &Path) -> Result<Option<Stamp>, GitError> {
    let metadata = fs::metadata(path)?;
    Ok(metadata.map(|at| (at.dev(), at.ino(), at.mtime(), at.mtime_nsec())))
}

/// A process that may be the owner of the lock.
fn owner(admin: &Path, folders: &[&Path], lock: Stamp) -> Result<Option<i32>, GitError> {
    let within = |path: &Path| {
        path.starts_with(admin) || folders.iter().any(|folder| path.starts_with(folder))
    };
    let id = |path: &Path| std::fs::metadata(path).ok().map(|at| (at.dev(), at.ino()));
    // Within a container a folder has another path, but is the same one.
    let tops: Vec<_> = folders.iter().copied().chain([admin]).filter_map(id).collect();
    for pid in occupants::processes()? {
        if pid == std::process::id().cast_signed() {
            continue;
        }
        let process = PathBuf::from(format!("/proc/{pid}"));
        let is_git = fs::read(process.join("comm")).is_ok_and(|name| name.starts_with(b"git"));
        let works_there = match std::fs::read_link(process.join("cwd")) {
            Ok(cwd) => {
                let cwd = occupants::without_deleted(cwd);
                // Of a folder whose volume was taken away no whole path is told.
                (is_git && !cwd.is_absolute())
                    || within(&cwd)
                    || id(&process.join("cwd")).is_some_and(|at| tops.contains(&at))
                    || (is_git && is_told(pid, &process, &cwd, &within))
            }
            // Another user's, of whom nothing is told: a git of theirs may work anywhere.
            Err(error) => is_git && error.kind() == std::io::ErrorKind::PermissionDenied,
        };
        if works_there || occupants::has_open(pid, (lock.0, lock.1)) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Whether a git is told by its arguments or its environment to work there.
fn is_told(pid: i32, process: &Path, cwd: &Path, within: &impl Fn(&Path) -> bool) -> bool {
    let (Ok(arguments), Ok(Some(environment))) =
        (fs::read(process.join("cmdline")), tree::environment(pid))
    else {
        // It ended just now, or it hides: in doubt it does.
        return process.exists();
    };
    let means = |word: &[u8]| {
        // `--git-dir=PATH`, `GIT_DIR=PATH`, or the path alone.
        let value = word.splitn(2, |byte| *byte == b'=').last().unwrap_or_default();
        let path = cwd.join(std::ffi::OsStr::from_bytes(value));
        within(&path) || std::fs::canonicalize(&path).is_ok_and(|real| within(&real))
    };
    arguments.split(|byte| *byte == 0).filter(|word| !word.is_empty()).any(means)
        || environment
            .split(|byte| *byte == 0)
            .filter(|entry| entry.starts_with(b"GIT_"))
            .any(means)
}
