//! The spec files right in a folder, picked as the controller picks them, and refused in its words.

use std::io;
use std::path::{Path, PathBuf};

use agent_harness_model::layout::is_spec_name;
use agent_harness_model::spec::diagnostic::Diagnostic;

use crate::error::Result;
use crate::files;

/// What has the name of a spec file.
#[derive(Debug)]
pub enum Found {
    /// A file that can be read.
    Spec(PathBuf),
    /// It is there and is not read: why, and what to do.
    Refused(Diagnostic),
}

/// Everything in a folder that has the name of a spec file, in the order of the names. Folders do not count.
pub fn list(folder: &Path) -> Result<Vec<Found>> {
    let mut paths = files::list(folder)?;
    paths.retain(|path| is_spec_name(path));
    Ok(paths.into_iter().filter_map(|path| look(folder, path)).collect())
}

/// Looks before anything is opened: a link may lead to what is nobody's to see, and a fifo never ends.
fn look(folder: &Path, path: PathBuf) -> Option<Found> {
    let name = path.display().to_string();
    let refused = |what: &str, help: &str| {
        Some(Found::Refused(Diagnostic::file(name.as_str(), what).help(help)))
    };
    match leaves(folder, &path) {
        Ok(false) if path.is_symlink() => {
            return refused(
                "the file is a symlink, and these are not followed",
                "put the file itself there, or remove the symlink where what it points to is in this folder anyway",
            );
        }
        Ok(false) => {}
        Ok(true) => {
            return refused(
                "the file is a symlink out of the watched folder",
                "copy the file into the folder",
            );
        }
        Err(why) => {
            return refused(
                &format!("the file is a broken symlink: {why}"),
                "correct the symlink, or remove it",
            );
        }
    }
    if path.is_dir() {
        return None;
    }
    // What cannot be looked at is said when it is opened.
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return refused("this is not a regular file", "put a regular file there");
    }
    Some(Found::Spec(path))
}

/// Whether a path is a symlink to something outside the folder, which may be a symlink itself.
fn leaves(folder: &Path, path: &Path) -> io::Result<bool> {
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    Ok(is_link && !path.canonicalize()?.starts_with(folder.canonicalize()?))
}
