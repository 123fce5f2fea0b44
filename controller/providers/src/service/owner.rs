//! The note in a server's root that says whose the data in it is: which installation, and which incarnation.
//!
//! All incarnations of an Infra have the same root. A server that is put back takes the data over, and from then on
//! it is only the note that keeps its predecessor, which is still leaving, from removing them.

use std::path::{Path, PathBuf};

use agent_harness_model::id::Mark;

use crate::fs::{self, FsError};

/// The name of the note in a root; a backend has no file of its own by this name.
const NOTE: &str = "owner";

/// Whose the data is; `None`: nobody has claimed it.
pub fn read(root: &Path) -> Result<Option<Mark>, FsError> {
    let text = fs::read_to_string_if_exists(note(root))?;
    Ok(text.as_deref().and_then(Mark::parse))
}

/// Notes whose the data is. The root must be there.
pub fn write(root: &Path, mark: &Mark) -> Result<(), FsError> {
    fs::write_atomic(note(root), mark.to_string(), 0o600)
}

/// Deletes a root with all that is in it, the note last: a removal that is cut off is still known as ours.
pub fn remove(root: &Path) -> Result<(), FsError> {
    let note = note(root);
    for path in fs::list_dir(root)? {
        if path == note {
            continue;
        }
        if fs::metadata(&path)?.is_some_and(|metadata| metadata.is_dir()) {
            fs::remove_dir_all(path)?;
        } else {
            fs::remove_file_if_exists(path)?;
        }
    }
    fs::remove_dir_all(root)
}

fn note(root: &Path) -> PathBuf {
    root.join(NOTE)
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::Uid;

    use super::*;

    #[test]
    fn a_note_is_read_back_and_goes_with_its_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let mark = Mark { installation: "i".into(), uid: Uid::new("u-00000001") };
        assert_eq!(read(&root).unwrap(), None);
        fs::create_dir_all(root.join("deep/down"), 0o700).unwrap();
        fs::write_atomic(root.join("deep/file"), "x", 0o600).unwrap();
        fs::write_atomic(root.join("file"), "x", 0o600).unwrap();
        std::os::unix::fs::symlink(folder.path(), root.join("link")).unwrap();
        write(&root, &mark).unwrap();
        assert_eq!(read(&root).unwrap(), Some(mark));
        remove(&root).unwrap();
        assert!(fs::metadata(&root).unwrap().is_none());
        assert!(fs::metadata(folder.path()).unwrap().is_some(), "no link is followed");
        remove(&root).unwrap();
    }
}
