//! Whether git tracks a file: then it is the project's, and a generated one must not take its place.
//!
//! An index is parsed again only when it was written; else a look costs one `stat`.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::git::GitError;
use crate::git::cli::{Git, Patience};
use crate::git::repo::link;

/// inode, size, seconds, nanoseconds
type Written = (u64, u64, i64, i64);

/// By index and path in it.
type Known = HashMap<(PathBuf, PathBuf), (Written, bool)>;

/// Answers for paths that were asked about.
#[derive(Debug, Default)]
pub struct Tracked(Mutex<Known>);

impl Tracked {
    /// Whether the worktree at `root` tracks `path`. Outside of git nothing is tracked.
    pub fn is(&self, root: &Path, path: &Path, patience: Patience) -> Result<bool, GitError> {
        let Some(index) = index(root)? else { return Ok(false) };
        let metadata = match std::fs::metadata(&index) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(GitError::system("look at", &index)(error)),
        };
        // Whoever works there could have put a pipe in its place, at which a reader waits for ever.
        if !metadata.is_file() {
            return Err(GitError::Occupied {
                path: index,
                what: "is no file: move it away".into(),
            });
        }
        let written = (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        let key = (index, path.to_path_buf());
        if let Some((then, tracked)) = self.known().get(&key)
            && *then == written
        {
            return Ok(*tracked);
        }
        // Not under the lock: one tree on a slow disk must not hold up the others.
        let tracked = match git2::Index::open(&key.0) {
            // During a merge a file may be there in the stages of a conflict alone.
            Ok(index) => (0..=3).any(|stage| index.get_path(path, stage).is_some()),
            // A split or otherwise new index, which only git itself can read.
            Err(_) => {
                let mut literal = std::ffi::OsString::from(":(top,literal)");
                literal.push(path);
                let arguments = ["ls-files".into(), "-z".into(), "--".into(), literal];
                !Git::found_from(root).within(patience).run(&arguments)?.is_empty()
            }
        };
        self.known().insert(key, (written, tracked));
        Ok(tracked)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(root: &Path) -> Result<Option<PathBuf>, GitError> {
    if let Some(admin) = link(root)? {
        return Ok(Some(admin.join("index")));
    }
    let folder = root.join(".git");
    let is_repo = crate::fs::metadata(&folder)?.is_some_and(|metadata| metadata.is_dir());
    Ok(is_repo.then(|| folder.join("index")))
}
