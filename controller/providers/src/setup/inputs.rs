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
use crate::git::facts::{literal, literal_folder, matcher};

/// Folders that a pattern enters only when it names them: large, and made by the steps themselves.
const SKIPPED: &[&str] = &[".git", "node_modules"];

/// In the place of a hash, for what may not be read.
const CLOSED: &str = "may not be read";

/// inode, size, seconds, nanoseconds of the last write, and those of the last change of the inode
type Stamp = (u64, u64, i64, i64, i64, i64);

/// What is known of files that were read.
#[derive(Debug, Default)]
pub struct Inputs(Mutex<HashMap<PathBuf, (Stamp, String)>>);

impl Inputs {
    /// The hash over all files below `root` that match one of the patterns, and below the folders that are named. No
    /// patterns: always the same.
    pub fn hash(&self, root: &Path, globs: &[String]) -> Result<String, RunError> {
        let mut files = BTreeSet::new();
        for glob in globs {
            let Some(path) = literal(glob) else {
                walk(root, glob, &mut files)?;
                continue;
            };
            match metadata(&root.join(path)) {
                Ok(Some(metadata)) if metadata.is_dir() => {
                    let below = if path.is_empty() { "**" } else { &format!("{path}/**") };
                    walk(root, below, &mut files)?;
                }
                Ok(None) => {}
                Err(error) if !is_closed(&error) => return Err(error.into()),
                Ok(Some(_)) | Err(_) => drop(files.insert(PathBuf::from(path))),
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

    /// What goes into the hash for a path; `None`: nothing is there any more.
    fn content(&self, path: &Path) -> Result<Option<String>, RunError> {
        let metadata = match metadata(path) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return Ok(None),
            Err(error) if is_closed(&error) => return Ok(Some(self.closed(path))),
            Err(error) => return Err(error.into()),
        };
        if metadata.is_dir() {
            return Ok(Some(self.closed(path)));
        }
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
        let content = self.once(path, stamp, || {
            read(path).map_err(|source| {
                fs::FsError { op: fs::Op::Read, path: path.to_path_buf(), source }.into()
            })
        });
        match content {
            Err(RunError::File(error)) if is_closed(&error) => Ok(Some(self.closed(path))),
            other => other.map(Some),
        }
    }

    /// Stands for what we may not read, and is told once. The step, which runs as we do, cannot read it either, so
    /// that alone is no reason not to run it; once it may be read the hash is another.
    fn closed(&self, path: &Path) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = (Stamp::default(), CLOSED.to_owned());
        if known.insert(path.to_path_buf(), closed.clone()) != Some(closed) {
            let path = path.display();
            tracing::warn!(%path, "is under `inputs` and may not be read, so its changes are not seen: let us read it, or name other inputs");
        }
        CLOSED.to_owned()
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

/// Adds the files below `root` that match, and the folders that might hold some and may not be read.
fn walk(root: &Path, glob: &str, files: &mut BTreeSet<PathBuf>) -> Result<(), RunError> {
    let matcher = matcher(std::slice::from_ref(&glob.to_owned()))
        .map_err(|source| RunError::Pattern { pattern: glob.to_owned(), source })?;
    let start = PathBuf::from(literal_folder(glob));
    let deep = glob.contains("**");
    let levels = glob.split('/').count();
    let mut next = vec![start];
    while let Some(folder) = next.pop() {
        let full = root.join(&folder);
        let listed = match metadata(&full) {
            Ok(found) if !found.as_ref().is_some_and(Metadata::is_dir) => continue,
            Ok(_) => fs::list_dir(&full),
            Err(error) => Err(error),
        };
        let paths = match listed {
            Err(error) if is_closed(&error) => {
                files.insert(folder);
                continue;
            }
            other => other?,
        };
        for path in paths {
            let Some(name) = path.file_name() else { continue };
            let relative = folder.join(name);
            let metadata = match metadata(&path) {
                Ok(Some(metadata)) => metadata,
                Ok(None) => continue,
                // A folder that may be listed and not entered.
                Err(error) if is_closed(&error) => {
                    files.insert(relative);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
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

fn is_closed(error: &fs::FsError) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests;
