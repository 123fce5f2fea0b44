//! What tells a repository or a folder apart from all others, by whatever path it is reached: symlinks and mounts
//! give one thing several. An identity holds for now only and is never kept.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use agent_harness_model::resolve::NOTHING;

use super::error::GitError;
use super::repo::Repo;
use crate::fs;

/// Of a repository: that of the folder which all its worktrees share.
pub fn of_repository(path: &Path) -> Result<String, GitError> {
    match Repo::open(path) {
        Ok(repo) => of_folder(&repo.common),
        Err(GitError::NoRepo { .. }) => Ok(NOTHING.to_owned()),
        Err(error) => Err(error),
    }
}

/// Of a folder, which may not be there yet: that of its nearest parent, and the way from there.
pub fn of_folder(path: &Path) -> Result<String, GitError> {
    let mut way = Vec::new();
    let mut at = path;
    loop {
        match std::fs::metadata(at) {
            Ok(there) => {
                let way: std::path::PathBuf = way.into_iter().rev().collect();
                // Byte by byte: two names that are no text must not look alike.
                let way = way.as_os_str().as_encoded_bytes().escape_ascii();
                return Ok(format!("{}:{} {way}", there.dev(), there.ino()));
            }
            // A symlink that leads nowhere may lead somewhere else again: that is not known.
            Err(error) if error.kind() == ErrorKind::NotFound && fs::metadata(at)?.is_none() => {
                let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
                    return Err(GitError::system("look at", at)(error));
                };
                way.push(name);
                at = parent;
            }
            Err(error) => return Err(GitError::system("look at", at)(error)),
        }
    }
}

/// Whether two paths of folders that are there lead to one.
pub fn is_one(a: &Path, b: &Path) -> Result<bool, GitError> {
    let id = |path: &Path| match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino())),
        Err(error) => Err(GitError::system("look at", path)(error)),
    };
    Ok(id(a)? == id(b)?)
}
