//! Who is in a folder: processes that work there, and file systems that are mounted there.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::GitError;
use crate::{fs, program};

/// Fails when a process has its working folder in the tree: it would go on writing to where the tree is not.
pub fn none_within(folder: &Path) -> Result<(), GitError> {
    for pid in processes()? {
        // A process that ended meanwhile, or another user's: neither is told to us.
        let Ok(cwd) = std::fs::read_link(format!("/proc/{pid}/cwd")) else { continue };
        if cwd.starts_with(folder) {
            return Err(GitError::Inhabited {
                path: folder.to_path_buf(),
                pid,
                command: program::name(pid),
            });
        }
    }
    Ok(())
}

/// All processes that are to be seen.
pub fn processes() -> Result<Vec<i32>, GitError> {
    let entries = fs::list_dir("/proc")?;
    Ok(entries.iter().filter_map(|entry| entry.file_name()?.to_str()?.parse().ok()).collect())
}

/// A working folder as the kernel tells it, also when it was deleted.
pub fn without_deleted(folder: PathBuf) -> PathBuf {
    match folder.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(path) => PathBuf::from(std::ffi::OsStr::from_bytes(path)),
        None => folder,
    }
}

/// Whether a process has the file with this device and inode open. One that tells nothing has not.
pub fn has_open(pid: i32, file: (u64, u64)) -> bool {
    let Ok(open) = fs::list_dir(format!("/proc/{pid}/fd")) else { return false };
    // Followed to the file itself, also when its name is gone.
    open.iter().any(|fd| std::fs::metadata(fd).is_ok_and(|at| (at.dev(), at.ino()) == file))
}

/// A file system that is mounted on or below the folder: to delete the tree would empty it.
pub fn mount_within(folder: &Path) -> Result<Option<PathBuf>, GitError> {
    let text = fs::read("/proc/self/mountinfo")?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(unescaped)
        .find(|mount| mount.starts_with(folder)))
}

/// Mount points are written with octal escapes for blanks and backslashes.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'\\')
            .then(|| std::str::from_utf8(tail.get(..3)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(byte) = code {
            bytes.push(byte);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_mount_points_are_undone() {
        assert_eq!(unescaped(br"/a\040b\134c"), PathBuf::from(r"/a b\c"));
        assert_eq!(unescaped("/ü".as_bytes()), PathBuf::from("/ü"));
    }
}
