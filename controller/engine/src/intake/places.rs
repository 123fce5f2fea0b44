//! The places that specs are read from: the watched folder, and the commits in force of Git repositories. Each is believed
//! or not for itself: what is known of one that cannot be read stays as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::{MAX_FILE, too_large};
use agent_harness_providers::git::source::Entry;

use super::folder::{FileRead, Found, is_spec_name};
use crate::facts::chain;
use crate::pull::Puller;

/// With what a file begins that Git LFS has put in the place of another one.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// One place.
#[derive(Debug)]
pub struct Place {
    /// Which.
    pub at: At,
    /// Why its last listing could not be replaced; then that one stands.
    pub distrust: Option<String>,
    /// Of a folder: the device that it is on.
    pub device: Option<u64>,
    /// Of a repository: the commit that was listed last.
    listed: Option<String>,
    /// Of a repository: why it brings nothing new.
    pub trouble: Option<String>,
}

/// Where it is.
#[derive(Debug, Clone)]
pub enum At {
    /// In a folder, whose files anybody may change.
    Folder(PathBuf),
    /// In the commit in force of a repository.
    Git(Arc<Puller>),
}

impl Place {
    /// A place that was not looked at yet.
    pub fn new(at: At) -> Self {
        Self { at, distrust: None, device: None, listed: None, trouble: None }
    }

    /// Whether a file is one of its.
    pub fn holds(&self, file: &Path) -> bool {
        match &self.at {
            At::Folder(folder) => file.parent() == Some(folder),
            At::Git(puller) => puller.holds(file),
        }
    }

    /// Of a repository: the commit that was listed last.
    pub fn listed(&self) -> Option<&str> {
        self.listed.as_deref()
    }

    /// In words.
    pub fn name(&self) -> String {
        match &self.at {
            At::Folder(folder) => folder.display().to_string(),
            At::Git(puller) => format!("the source {} ({})", puller.name(), puller.whereabouts()),
        }
    }
}

/// The files of the commit in force of a repository; `None`: it is the one that was listed last.
///
/// # Errors
/// A sentence when that cannot be read, or there is none yet.
pub fn list(
    place: &mut Place,
    puller: &Puller,
) -> Result<Option<BTreeMap<PathBuf, Found>>, String> {
    place.trouble = puller.trouble();
    let Some(commit) = puller.commit() else {
        let why = place.trouble.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        return Err(format!("{} was not fetched yet{why}", place.name()));
    };
    if place.distrust.is_none() && place.listed.as_ref() == Some(&commit.id) {
        return Ok(None);
    }
    let files = puller
        .files(&commit.id, MAX_FILE, is_spec_name)
        .map_err(|error| format!("{} cannot be read: {}", place.name(), chain(&error)))?;
    place.listed = Some(commit.id);
    let folder = puller.specs();
    let found = files.into_iter().map(|(name, entry)| {
        let path = folder.join(name);
        let read = read(&path, entry);
        // Whole, and as old as can be: nobody writes it.
        (path, Found { read, inode: 0, modified: SystemTime::UNIX_EPOCH })
    });
    Ok(Some(found.collect()))
}

fn read(path: &Path, entry: Entry) -> FileRead {
    let name = path.display().to_string();
    let bad = |what: String, help: &str| FileRead::Bad(Diagnostic::file(&*name, what).help(help));
    match entry {
        Entry::File(bytes) if bytes.starts_with(LFS) => bad(
            "this is a pointer of Git LFS, not the file itself".to_owned(),
            "commit the file itself: `git lfs untrack` its name, and add it anew",
        ),
        Entry::File(bytes) => FileRead::Bytes(bytes),
        Entry::TooLarge(size) => FileRead::Bad(too_large(&name, size)),
        Entry::Symlink(to) => bad(
            format!("the file is a symlink (to {to}), and these are not followed"),
            "commit the file itself",
        ),
    }
}
