//! The writing of changes to the watched folder, and its way back: all of it or nothing, also where what was to follow
//! (a ledger on a full disk) does not work. What is replaced is kept beside its place until then.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_harness_providers::fs::{self, FsError, TEMPORARY_SUFFIX};

use super::answer::Refusal;
use super::edits::EditError;
use crate::facts::chain;

/// What becomes of each file; `None`: it goes.
pub type Changes = BTreeMap<PathBuf, Option<String>>;

/// Changes that were written, and can be taken back until they are to stay.
#[derive(Debug, Default)]
#[must_use = "they stay, or they are taken back"]
pub struct Written(Vec<Done>);

/// One file, as it is now.
#[derive(Debug)]
struct Done {
    path: PathBuf,
    /// What was there before; `None` where there was nothing.
    before: Option<PathBuf>,
    removed: bool,
}

/// What of the folder could not be brought back to how it was.
#[derive(Debug, thiserror::Error)]
#[error(
    "the folder of specs could not be brought back to how it was ({}); what is in it now will be carried out as soon \
     as that is possible: {}", why.join("; "), now.join(", ")
)]
pub struct NotUndone {
    now: Vec<String>,
    why: Vec<String>,
}

impl Written {
    /// Carries changes out: first everything is written beside its place, then put there.
    pub fn write(changes: &Changes) -> Result<Self, EditError> {
        let mut drafts = Vec::new();
        for (path, text) in changes {
            match prepare(path, text.as_deref()) {
                Ok(draft) => drafts.push(draft),
                Err(error) => {
                    give_up(&drafts);
                    return Err(error.into());
                }
            }
        }
        let mut written = Self::default();
        for draft in &drafts {
            if let Err(source) = written.put(draft) {
                let error = match written.undo() {
                    Ok(()) => EditError::File(source),
                    Err(left) => EditError::Half { left, source },
                };
                give_up(&drafts);
                return Err(error);
            }
        }
        Ok(written)
    }

    fn put(&mut self, draft: &Draft) -> Result<(), FsError> {
        let Draft { path, old, new } = draft;
        match (new, old) {
            (Some(new), _) => fs::rename(new, path)?,
            (None, Some(aside)) => fs::rename(path, aside)?,
            (None, None) => return Ok(()),
        }
        self.0.push(Done { path: path.clone(), before: old.clone(), removed: new.is_none() });
        Ok(())
    }

    /// They stay.
    pub fn keep(self) {
        for aside in self.0.into_iter().filter_map(|done| done.before) {
            // Nobody reads it, and the next start sweeps it away.
            let _ = fs::remove_file_if_exists(&aside);
        }
    }

    /// Takes them back, the last one first. That needs no room on the disk.
    pub fn undo(self) -> Result<(), NotUndone> {
        let (mut now, mut why) = (Vec::new(), Vec::new());
        for Done { path, before, removed } in self.0.into_iter().rev() {
            let undone = match &before {
                Some(aside) => fs::rename(aside, &path),
                None => fs::remove_file_if_exists(&path).map(|_| ()),
            };
            if let Err(error) = undone {
                let how = if removed { "is removed" } else { "holds the new text" };
                now.push(format!("{} {how}", path.display()));
                why.push(chain(&error));
            }
        }
        if now.is_empty() { Ok(()) } else { Err(NotUndone { now, why }) }
    }
}

/// Takes changes back, because what was to follow them did not work; in words: what that means, and why.
pub fn taken_back(
    written: Written,
    nothing: &str,
    error: &(dyn std::error::Error + 'static),
) -> Refusal {
    let why = format!("the controller could not take it in: {}", chain(error));
    Refusal::Failed(match written.undo() {
        Ok(()) => format!("{nothing}, and the folder of specs is as it was: {why}"),
        Err(left) => format!("{why}; {left}"),
    })
}

/// A file that is about to change.
#[derive(Debug)]
struct Draft {
    path: PathBuf,
    /// Where what is there now lies, or is to lie, until the change stays.
    old: Option<PathBuf>,
    /// Where the new text lies; `None`: the file goes.
    new: Option<PathBuf>,
}

/// Writes beside its place, in files that nobody reads, what a file is to be, and what it is now. A link stays one.
fn prepare(path: &Path, text: Option<&str>) -> Result<Draft, FsError> {
    let Some(text) = text else {
        let there = path.symlink_metadata().is_ok();
        let old = there.then(|| beside(path, "-old"));
        return Ok(Draft { path: path.to_path_buf(), old, new: None });
    };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let there = fs::metadata(&path)?.filter(std::fs::Metadata::is_file);
    let mode = there.as_ref().map_or(0o666 & !umask(), |it| it.permissions().mode() & 0o7777);
    let mut draft = Draft { new: Some(beside(&path, "")), old: None, path };
    let written = write(&mut draft, there.is_some(), text, mode);
    if written.is_err() {
        give_up(std::slice::from_ref(&draft));
    }
    written.map(|()| draft)
}

fn write(draft: &mut Draft, there: bool, text: &str, mode: u32) -> Result<(), FsError> {
    if there {
        let aside = draft.old.insert(beside(&draft.path, "-old"));
        fs::write_atomic(aside, fs::read(&draft.path)?, mode)?;
    }
    draft.new.as_ref().map_or(Ok(()), |new| fs::write_atomic(new, text, mode))
}

fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}{what}{TEMPORARY_SUFFIX}", std::process::id()));
    path.with_file_name(name)
}

/// Removes what was written beside the files; what is in its place again is not there any more.
fn give_up(drafts: &[Draft]) {
    for draft in drafts {
        // Of a file that goes, what lies aside is the only one, if its way back did not work.
        let old = draft.old.iter().filter(|_| draft.new.is_some());
        for file in draft.new.iter().chain(old) {
            // The error that counts is the one that led here.
            let _ = fs::remove_file_if_exists(file);
        }
    }
}

/// The mode bits that this process does not give to new files. Asked of the kernel: `umask` itself can only be
/// read by changing it, for all threads.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        fs::list_dir(folder).unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn what_is_taken_back_is_as_it_was_and_what_stays_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write_atomic(at("a.yaml"), "a", 0o600).unwrap();
        fs::write_atomic(at("b.yaml"), "b", 0o644).unwrap();
        std::os::unix::fs::symlink("a.yaml", at("l.yaml")).unwrap();
        let changes: Changes = [
            (at("l.yaml"), Some("a2".to_owned())),
            (at("b.yaml"), None),
            (at("c.yaml"), Some("c".to_owned())),
            (at("no.yaml"), None),
        ]
        .into();
        let written = Written::write(&changes).unwrap();
        assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), "a2");
        written.undo().unwrap();
        assert_eq!(names(folder.path()), ["a.yaml", "b.yaml", "l.yaml"]);
        assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), "a");
        assert_eq!(fs::read_to_string(at("b.yaml")).unwrap(), "b");
        let mode = at("a.yaml").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Written::write(&changes).unwrap().keep();
        assert_eq!(names(folder.path()), ["a.yaml", "c.yaml", "l.yaml"]);
    }

    #[test]
    fn what_cannot_be_taken_back_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let sub = folder.path().join("sub");
        fs::create_dir_all(&sub, 0o755).unwrap();
        fs::write_atomic(sub.join("a.yaml"), "a", 0o644).unwrap();
        let written = Written::write(&[(sub.join("a.yaml"), None)].into()).unwrap();
        fs::rename(&sub, folder.path().join("away")).unwrap();
        let error = written.undo().unwrap_err().to_string();
        assert!(
            error.contains("a.yaml is removed") && error.contains("will be carried out"),
            "{error}"
        );
    }
}
