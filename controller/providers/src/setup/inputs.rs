//! The hash over the files that a step depends on. A file is read again only when its stamp changed, and
//! piece by piece: some are large.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use agent_harness_model::hash;

use super::error::RunError;
use crate::fs;
use crate::git::facts::{literal_folder, matcher};

/// Folders that a pattern enters only when it names them: large, and made by the steps themselves.
const SKIPPED: &[&str] = &[".git", "node_modules"];

/// inode, size, seconds, nanoseconds of the last write, and those of the last change of the inode
type Stamp = (u64, u64, i64, i64, i64, i64);

/// What is known of files that were read.
#[derive(Debug, Default)]
pub struct Inputs(Mutex<HashMap<PathBuf, (Stamp, String)>>);

impl Inputs {
    /// The hash over all files below `root` that match one of the patterns. No patterns: always the same.
    pub fn hash(&self, root: &Path, globs: &[String]) -> Result<String, RunError> {
        let mut files = BTreeSet::new();
        for glob in globs {
            if glob.contains(['*', '?', '[', '{', '\\']) {
                self::walk(root, glob, &mut files)?;
            } else if metadata(&root.join(glob))?.is_some_and(|metadata| !metadata.is_dir()) {
                files.insert(PathBuf::from(glob));
            }
        }
        let mut parts: BTreeMap<PathBuf, String> = BTreeMap::new();
        for file in files {
            if let Some(content) = self.content(&root.join(&file))? {
                parts.insert(file, content);
            }
        }
        Ok(hash::parts(
            parts
                .iter()
                .flat_map(|(path, content)| [path.as_os_str().as_bytes(), content.as_bytes()]),
        ))
    }

    fn content(&self, path: &Path) -> Result<Option<String>, RunError> {
        let Some(metadata) = metadata(path)? else { return Ok(None) };
        if metadata.is_symlink() {
            let target =
                std::fs::read_link(path).map(|target| hash::content(target.as_os_str().as_bytes()));
            return Ok(target.ok());
        }
        if !metadata.is_file() {
            return Ok(None);
        }
        let stamp = (
            metadata.ino(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        );
        self.once(path, stamp, || {
            read(path).map_err(|source| {
                fs::FsError { op: fs::Op::Read, path: path.to_path_buf(), source }.into()
            })
        })
        .map(Some)
    }

    /// What is known of a file with this stamp, else what reading it gives.
    fn once(
        &self,
        path: &Path,
        stamp: Stamp,
        read: impl FnOnce() -> Result<String, RunError>,
    ) -> Result<String, RunError> {
        let known = {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(path).filter(|(then, _)| *then == stamp).map(|(_, content)| content.clone())
        };
        if let Some(content) = known {
            return Ok(content);
        }
        // Not under the lock: other agents' inputs are looked at meanwhile.
        let content = read()?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(path.to_path_buf(), (stamp, content.clone()));
        Ok(content)
    }

    /// Forgets the files of a worktree that left.
    pub fn forget(&self, root: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|path, _| !path.starts_with(root));
    }
}

fn read(path: &Path) -> io::Result<String> {
    let (mut file, mut content) = (File::open(path)?, hash::Content::default());
    let mut piece = vec![0_u8; 64 << 10];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(content.finish()),
            Ok(count) => content.update(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is at a path; `None`: nothing, also where a file stands in the place of one of its folders.
pub fn metadata(path: &Path) -> Result<Option<Metadata>, fs::FsError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(None),
        other => other,
    }
}

fn walk(root: &Path, glob: &str, files: &mut BTreeSet<PathBuf>) -> Result<(), RunError> {
    let matcher = matcher(std::slice::from_ref(&glob.to_owned()))
        .map_err(|source| RunError::Pattern { pattern: glob.to_owned(), source })?;
    let start = PathBuf::from(literal_folder(glob));
    let deep = glob.contains("**");
    let levels = glob.split('/').count();
    let mut next = vec![start];
    while let Some(folder) = next.pop() {
        let full = root.join(&folder);
        if !metadata(&full)?.is_some_and(|metadata| metadata.is_dir()) {
            continue;
        }
        for path in fs::list_dir(&full)? {
            let Some(name) = path.file_name() else { continue };
            let relative = folder.join(name);
            let Some(metadata) = metadata(&path)? else { continue };
            if metadata.is_dir() {
                let skipped =
                    SKIPPED.iter().any(|skipped| name == *skipped && !glob.contains(skipped));
                if !skipped && (deep || relative.components().count() < levels) {
                    next.push(relative);
                }
            } else if matcher.is_match(&relative) {
                files.insert(relative);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
