//! The writing of changes to the watched folder, and its way back where what was to follow (a ledger on a full disk)
//! does not work. An error of any file takes those before it back; a controller that is killed in the middle leaves
//! some files changed and others not, each of them whole. What somebody else wrote meanwhile is never covered up:
//! neither on the way there, nor on the way back. What is replaced is kept beside its place until then.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use agent_harness_providers::fs::{self, FsError, TEMPORARY_SUFFIX};

use super::answer::Refusal;
use super::edits::EditError;
use super::swap::{self, SwapError};
use crate::facts::chain;

/// What becomes of each file.
pub type Changes = BTreeMap<PathBuf, Change>;

/// What a file held when its change was thought out, and what it is to hold; `None`: there is no such file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it held.
    pub before: Option<String>,
    /// What it is to hold.
    pub after: Option<String>,
}

/// Changes that were written, and can be taken back until they are to stay.
#[derive(Debug, Default)]
#[must_use = "they stay, or they are taken back"]
pub struct Written(Vec<Done>);

/// One file, as it is now.
#[derive(Debug)]
struct Done {
    path: PathBuf,
    /// Where what it held before lies; without that, nothing does.
    aside: PathBuf,
    change: Change,
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
    /// Carries changes out: first everything new is written beside its place, then put there.
    pub fn write(changes: &Changes) -> Result<Self, EditError> {
        let mut drafts = Vec::new();
        for (path, change) in changes {
            let aside = beside(path, TEMPORARY_SUFFIX);
            if let Some(text) = &change.after {
                if let Err(error) = draft(&aside, path, text) {
                    give_up(&drafts);
                    return Err(error.into());
                }
            }
            drafts.push(Done { path: path.clone(), aside, change: change.clone() });
        }
        let mut written = Self::default();
        let mut drafts = drafts.into_iter();
        while let Some(draft) = drafts.next() {
            let Err(error) = draft.put() else {
                written.0.push(draft);
                continue;
            };
            let error = EditError::of(draft.path.clone(), error);
            give_up(std::slice::from_ref(&draft));
            give_up(drafts.as_slice());
            return Err(match written.undo() {
                Ok(()) => error,
                Err(left) => EditError::Half { left, source: Box::new(error) },
            });
        }
        Ok(written)
    }

    /// They stay.
    pub fn keep(self) {
        for done in self.0.into_iter().filter(|done| done.change.before.is_some()) {
            // Nobody reads it, and the next start sweeps it away.
            let _ = fs::remove_file_if_exists(&done.aside);
        }
    }

    /// Takes them back, the last one first. That needs no room on the disk.
    pub fn undo(self) -> Result<(), NotUndone> {
        let (mut now, mut why) = (Vec::new(), Vec::new());
        for done in self.0.into_iter().rev() {
            if let Err(error) = done.undo() {
                now.push(done.as_it_is(&error));
                why.push(chain(&error));
            }
        }
        if now.is_empty() { Ok(()) } else { Err(NotUndone { now, why }) }
    }
}

impl Done {
    fn put(&self) -> Result<(), SwapError> {
        let Self { path, aside, change: Change { before, after } } = self;
        match (before, after) {
            (None, Some(_)) => swap::put(aside, path),
            (Some(before), Some(_)) => swap::exchange(aside, path, before),
            (Some(before), None) => swap::take(path, aside, before),
            (None, None) => Ok(()),
        }
    }

    fn undo(&self) -> Result<(), SwapError> {
        let Self { path, aside, change: Change { before, after } } = self;
        match (before, after) {
            (Some(_), Some(after)) => swap::exchange(aside, path, after)?,
            (None, Some(after)) => swap::take(path, aside, after)?,
            (Some(_), None) => return swap::put(aside, path),
            (None, None) => return Ok(()),
        }
        // It is back in its place; what lies aside is only what was written.
        let _ = fs::remove_file_if_exists(aside);
        Ok(())
    }

    /// In words, what stands there now. What it held before gets a name that no sweep takes for a leftover.
    fn as_it_is(&self, error: &SwapError) -> String {
        let Self { path, aside, change: Change { before, after } } = self;
        let how = match (error, after) {
            (SwapError::Changed, _) => "was changed by somebody else meanwhile",
            (SwapError::File(_), Some(_)) => "holds the new text",
            (SwapError::File(_), None) => "is removed",
        };
        let kept = beside(path, ".harness-kept");
        let is_kept = before.is_some() && swap::put(aside, &kept).is_ok();
        let earlier = if is_kept {
            format!(" (what it held before is in {})", kept.display())
        } else {
            String::new()
        };
        format!("{} {how}{earlier}", path.display())
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

/// Writes beside its place, in a file that nobody reads, what a file is to hold. Its mode stays.
fn draft(aside: &Path, path: &Path, text: &str) -> Result<(), FsError> {
    let there = fs::metadata(path)?.filter(std::fs::Metadata::is_file);
    let mode = there.map_or(0o666 & !umask(), |it| it.permissions().mode() & 0o7777);
    fs::write_atomic(aside, text, mode)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}{ending}", std::process::id()));
    path.with_file_name(name)
}

/// Removes what was written beside files and was not put there. Whatever else lies there is not ours to remove.
fn give_up(drafts: &[Done]) {
    let ours =
        |it: &&Done| it.change.after.as_ref().is_some_and(|text| swap::holds(&it.aside, text));
    for draft in drafts.iter().filter(ours) {
        // The error that counts is the one that led here.
        let _ = fs::remove_file_if_exists(&draft.aside);
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

    fn change(before: Option<&str>, after: Option<&str>) -> Change {
        let own = |text: &str| text.to_owned();
        Change { before: before.map(own), after: after.map(own) }
    }

    /// `a.yaml` is replaced, `b.yaml` goes, and `c.yaml` comes.
    fn case() -> (tempfile::TempDir, Changes) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write_atomic(at("a.yaml"), "a", 0o600).unwrap();
        fs::write_atomic(at("b.yaml"), "b", 0o644).unwrap();
        let changes = [
            (at("a.yaml"), change(Some("a"), Some("a2"))),
            (at("b.yaml"), change(Some("b"), None)),
            (at("c.yaml"), change(None, Some("c"))),
        ];
        (folder, changes.into())
    }

    #[test]
    fn what_is_taken_back_is_as_it_was_and_what_stays_leaves_nothing_beside() {
        let (folder, changes) = case();
        let at = |name: &str| folder.path().join(name);
        let written = Written::write(&changes).unwrap();
        assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), "a2");
        written.undo().unwrap();
        assert_eq!(names(folder.path()), ["a.yaml", "b.yaml"]);
        assert_eq!(fs::read_to_string(at("a.yaml")).unwrap(), "a");
        assert_eq!(fs::read_to_string(at("b.yaml")).unwrap(), "b");
        Written::write(&changes).unwrap().keep();
        assert_eq!(names(folder.path()), ["a.yaml", "c.yaml"]);
        let mode = at("a.yaml").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_changed_before_it_was_written_stays_and_all_is_as_it_was() {
        for name in ["a.yaml", "b.yaml", "c.yaml"] {
            let (folder, changes) = case();
            fs::write_atomic(folder.path().join(name), "theirs", 0o644).unwrap();
            let before = names(folder.path());
            let error = Written::write(&changes).unwrap_err();
            assert!(matches!(error, EditError::Changed { .. }), "{error}");
            assert_eq!(names(folder.path()), before);
            let text = |other: &str| fs::read_to_string(folder.path().join(other)).unwrap();
            for other in before.iter().filter(|it| *it != name) {
                assert_eq!(text(other), other.replace(".yaml", ""));
            }
            assert_eq!(text(name), "theirs");
        }
    }

    #[test]
    fn what_changed_after_it_was_written_is_not_taken_back() {
        for name in ["a.yaml", "b.yaml", "c.yaml"] {
            let (folder, changes) = case();
            let at = |name: &str| folder.path().join(name);
            let written = Written::write(&changes).unwrap();
            fs::write_atomic(at(name), "theirs", 0o644).unwrap();
            let error = written.undo().unwrap_err().to_string();
            assert!(error.contains(&format!("{name} was changed by somebody else")), "{error}");
            assert_eq!(fs::read_to_string(at(name)).unwrap(), "theirs");
            super::super::sweep(folder.path());
            let kept = beside(&at(name), ".harness-kept");
            let earlier = fs::read_to_string_if_exists(&kept).unwrap();
            assert_eq!(earlier.as_deref(), changes[&at(name)].before.as_deref());
            assert_eq!(error.contains(&kept.display().to_string()), earlier.is_some());
            let left = if earlier.is_some() { 3 } else { 2 };
            assert_eq!(names(folder.path()).len() - usize::from(name == "c.yaml"), left);
        }
    }

    #[test]
    fn what_cannot_be_taken_back_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let sub = folder.path().join("sub");
        fs::create_dir_all(&sub, 0o755).unwrap();
        fs::write_atomic(sub.join("a.yaml"), "a", 0o644).unwrap();
        let written = Written::write(&[(sub.join("a.yaml"), change(Some("a"), None))].into());
        fs::rename(&sub, folder.path().join("away")).unwrap();
        let error = written.unwrap().undo().unwrap_err().to_string();
        assert!(
            error.contains("a.yaml is removed") && error.contains("will be carried out"),
            "{error}"
        );
    }
}
