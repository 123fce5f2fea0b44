//! File I/O whose errors name the operation and the path, and whose writes survive a crash.
//!
//! The only place of this crate that calls `std::fs` for these operations (`clippy.toml` bans them
//! elsewhere). All calls block; they are meant for small files. Who may write where is decided by
//! the callers.

#![allow(clippy::disallowed_methods, reason = "this is the wrapper")]

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Class;

/// The ending of the temporary files of [`write_atomic`]; a crash can leave one behind.
pub const TEMPORARY_SUFFIX: &str = ".harness-tmp";

/// What was being done to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Read,
    Write,
    CreateDir,
    List,
    Remove,
    Rename,
    Inspect,
    SetMode,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::CreateDir => "create the folder",
            Self::List => "list the folder",
            Self::Remove => "remove",
            Self::Rename => "rename",
            Self::Inspect => "look at",
            Self::SetMode => "set the mode of",
        })
    }
}

/// A file operation that failed: which, where, and what can be done about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}{}", path.display(), remedy(source.kind()))]
pub struct FsError {
    pub op: Op,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl FsError {
    fn at(op: Op, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self { op, path, source }
    }

    /// The kind of the underlying error.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }

    /// Whether the path (or its parent) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.kind() == io::ErrorKind::NotFound
    }

    /// A full disk or a busy resource passes; what needs a person does not.
    pub fn class(&self) -> Class {
        match self.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData => Class::Terminal,
            // `io::ErrorKind` is non-exhaustive: whatever else the system says may pass.
            _ => Class::Transient,
        }
    }
}

/// What can be done about a failure, to be put behind what failed; empty when that is not known.
pub fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull => " (the disk is full: free some space)",
        io::ErrorKind::QuotaExceeded => " (the disk quota is used up: free some space)",
        io::ErrorKind::PermissionDenied => {
            " (no permission: check the owner and mode of the path and of its parents)"
        }
        io::ErrorKind::ReadOnlyFilesystem => " (the file system is mounted read-only)",
        _ => "",
    }
}

/// Reads a whole file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, FsError> {
    let path = path.as_ref();
    fs::read(path).map_err(FsError::at(Op::Read, path))
}

/// Reads a whole file as UTF-8; other bytes are an `InvalidData` error.
pub fn read_to_string(path: impl AsRef<Path>) -> Result<String, FsError> {
    let path = path.as_ref();
    fs::read_to_string(path).map_err(FsError::at(Op::Read, path))
}

/// Reads a whole file as UTF-8; a file that does not exist is `None`, any other failure an error.
pub fn read_to_string_if_exists(path: impl AsRef<Path>) -> Result<Option<String>, FsError> {
    match read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file to be read, whatever it is: a named pipe is opened at once, with or without a writer.
pub fn open_without_waiting(path: impl AsRef<Path>) -> Result<File, FsError> {
    let path = path.as_ref();
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
        .map_err(FsError::at(Op::Read, path))
}

/// Replaces a file in one step: a reader sees the old bytes or the new ones, also after a crash.
///
/// Writes a temporary file beside it with exactly `mode` (the umask does not matter), syncs it,
/// renames it over `path` and syncs the folder. On failure the old file stays.
pub fn write_atomic(
    path: impl AsRef<Path>,
    bytes: impl AsRef<[u8]>,
    mode: u32,
) -> Result<(), FsError> {
    replace(
        path.as_ref(),
        bytes.as_ref(),
        &New { mode, owner: None, durability: Durability::Synced },
    )
}

/// The same for a file of anybody's: the new one has the mode and the owner of the old one, from the first moment
/// that it is there. Only root can give it to somebody else; for everybody else it is their own already.
pub fn write_atomic_like(
    path: impl AsRef<Path>,
    bytes: impl AsRef<[u8]>,
    old: &fs::Metadata,
) -> Result<(), FsError> {
    let new = New {
        mode: old.permissions().mode() & 0o7777,
        owner: Some((old.uid(), old.gid())),
        durability: Durability::Synced,
    };
    replace(path.as_ref(), bytes.as_ref(), &new)
}

/// The same for many files of one folder: the disk is waited for by several at a time, and once for the folder. What
/// came of each, in their order; where the folder cannot be synced, that is the last one's error.
pub fn write_all_atomic(
    folder: &Path,
    files: &[(PathBuf, Vec<u8>)],
    mode: u32,
) -> Vec<Result<(), FsError>> {
    const AT_A_TIME: usize = 8;
    let new = &New { mode, owner: None, durability: Durability::SyncedButForItsFolder };
    let each = files.len().div_ceil(AT_A_TIME).max(1);
    let mut done: Vec<_> = std::thread::scope(|scope| {
        let write = move |some: &[(PathBuf, Vec<u8>)]| -> Vec<_> {
            some.iter().map(|(path, bytes)| replace(path, bytes, new)).collect()
        };
        let parts: Vec<_> =
            files.chunks(each).map(|some| scope.spawn(move || write(some))).collect();
        let ended = |part: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(ended).collect()
    });
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    if let (Err(error), Some(last)) = (synced, done.last_mut().filter(|last| last.is_ok())) {
        *last = Err(FsError::at(Op::Write, folder)(error));
    }
    done
}

/// The same without waiting for the disk: a reader sees the old bytes or the new ones, but a power cut can
/// leave neither. For what is made anew from something else.
pub fn write_unsynced(
    path: impl AsRef<Path>,
    bytes: impl AsRef<[u8]>,
    mode: u32,
) -> Result<(), FsError> {
    replace(
        path.as_ref(),
        bytes.as_ref(),
        &New { mode, owner: None, durability: Durability::Unsynced },
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    Synced,
    /// Whoever writes many syncs their folder once.
    SyncedButForItsFolder,
    Unsynced,
}

/// How a file is made that takes the place of another.
struct New {
    mode: u32,
    owner: Option<(u32, u32)>,
    durability: Durability,
}

fn replace(path: &Path, bytes: &[u8], new: &New) -> Result<(), FsError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(FsError::at(Op::Write, path)(io::ErrorKind::InvalidFilename.into()));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!(".{}-{number}{TEMPORARY_SUFFIX}", std::process::id()));
    let temporary = folder.join(temporary);

    let result = write_and_rename(path, folder, &temporary, bytes, new);
    if result.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(FsError::at(Op::Write, path))
}

fn write_and_rename(
    path: &Path,
    folder: &Path,
    temporary: &Path,
    bytes: &[u8],
    new: &New,
) -> io::Result<()> {
    // A leftover of an earlier process with our pid: ours by its name, and never read.
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(new.mode).open(temporary)?;
    if let Some((uid, gid)) = new.owner {
        let _ = std::os::unix::fs::fchown(&file, Some(uid), Some(gid));
    }
    // After that, which takes some bits away.
    file.set_permissions(Permissions::from_mode(new.mode))?;
    file.write_all(bytes)?;
    if new.durability != Durability::Unsynced {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(temporary, path)?;
    match new.durability {
        Durability::Synced => File::open(folder)?.sync_all(),
        Durability::SyncedButForItsFolder | Durability::Unsynced => Ok(()),
    }
}

/// Creates a folder and its missing parents, each with `mode`; an existing folder keeps its mode.
pub fn create_dir_all(path: impl AsRef<Path>, mode: u32) -> Result<(), FsError> {
    let path = path.as_ref();
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(FsError::at(Op::CreateDir, path))
}

/// Removes a file (a symlink itself, not its target). `Ok(false)`: there was none.
pub fn remove_file_if_exists(path: impl AsRef<Path>) -> Result<bool, FsError> {
    let path = path.as_ref();
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FsError::at(Op::Remove, path)(error)),
    }
}

/// Removes a folder and all that is in it, without following symlinks. Already gone = Ok.
pub fn remove_dir_all(path: impl AsRef<Path>) -> Result<(), FsError> {
    let path = path.as_ref();
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FsError::at(Op::Remove, path)(error))
        }
        _ => Ok(()),
    }
}

/// Renames a file or folder and syncs the folder that holds the new name.
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), FsError> {
    let (from, to) = (from.as_ref(), to.as_ref());
    fs::rename(from, to).map_err(FsError::at(Op::Rename, from))?;
    match to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(FsError::at(Op::Rename, from)),
        None => Ok(()),
    }
}

/// The full paths of a folder's entries, sorted; a folder that does not exist has none.
pub fn list_dir(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, FsError> {
    let path = path.as_ref();
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::at(Op::List, path)(error)),
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(FsError::at(Op::List, path))?;
    paths.sort();
    Ok(paths)
}

/// What is at a path, without following a symlink; nothing there is `None`.
pub fn metadata(path: impl AsRef<Path>) -> Result<Option<fs::Metadata>, FsError> {
    let path = path.as_ref();
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::at(Op::Inspect, path)(error)),
    }
}

/// Sets the permission bits of a file or folder.
pub fn set_mode(path: impl AsRef<Path>, mode: u32) -> Result<(), FsError> {
    let path = path.as_ref();
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(FsError::at(Op::SetMode, path))
}

#[cfg(test)]
mod tests;
