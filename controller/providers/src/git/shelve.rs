//! Moves a worktree to the trash and back, whole: files known to git or not, ignored ones, the index,
//! an unfinished rebase, submodules.
//!
//! While it is in the trash its branch is free for others: what names the branch in its git folder is
//! written down in a file of ours there and replaced by the commit. That is done and undone in the trash,
//! never where somebody works; and whatever somebody changed there all the same is theirs and stays.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::GitError;
use super::observe::head;
use super::occupants;
use super::purge;
use super::repo::{BRANCH_FILES, read_trimmed};
use super::spot::{Found, Spot, State, anchor, clear_way, point, relocate};
use super::{Work, asked};
use crate::fs;

/// In the worktree's git folder, from the first step into the trash to the last one out of it.
const ASIDE_FILE: &str = "agent-harness-trash.json";

/// Whether something is written down about a stay in the trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Nothing: the branch is its own.
    None,
    /// The branch is not wholly let go yet.
    Begun,
    /// The branch is free.
    Complete,
}

/// What was written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Aside {
    /// The commit that was checked out.
    commit: String,
    /// Branch files as they were, by path in the git folder.
    files: BTreeMap<String, String>,
    /// What stands in some of them instead.
    instead: BTreeMap<String, String>,
    /// All of that was put in.
    complete: bool,
}

impl Aside {
    /// What was put in the place of a file's text; `None`: it was left.
    fn instead(&self, file: &str) -> Option<String> {
        let noted = self.instead.get(file).cloned();
        // Older notes do not tell.
        noted.or_else(|| stand_in(file, self.files.get(file)?, &self.commit))
    }
}

/// What takes the place of a branch file's text, so that it names no branch any more.
fn stand_in(file: &str, text: &str, commit: &str) -> Option<String> {
    match file {
        // A branch without a commit cannot be let go of.
        _ if commit.is_empty() => None,
        "HEAD" => text.starts_with("ref: ").then(|| commit.to_owned()),
        "BISECT_START" => Some(commit.to_owned()),
        _ => Some("detached HEAD".to_owned()),
    }
}

/// Moves it to the trash. There already, or unknown to git: Ok.
pub fn trash(work: &Work<'_>) -> Result<(), GitError> {
    let entries = work.repo.entries()?;
    let Some(mut found) = work.find(&entries)? else { return Ok(()) };
    match found.state() {
        State::Trashed => return Ok(()),
        State::Missing => return without_folder(work, found),
        State::Live | State::Moving => {}
    }
    if found.actual == Some(Spot::Live) {
        occupants::none_within(&work.spots.live)?;
    }
    let moved = with_folder(work, &mut found);
    if moved.is_err() {
        work.spots.tidy();
    }
    moved?;
    detach(work, &found)
}

/// What can fail comes first, and the branch last: until then the tree is as it was.
fn with_folder(work: &Work<'_>, found: &mut Found) -> Result<(), GitError> {
    clear_way(found, &work.spots, Spot::Trash)?;
    if let Some(actual) = found.actual {
        anchor(work.spots.path(actual), &found.entry.admin)?;
    }
    relocate(found, &work.spots, Spot::Trash, work.cuts)
}

/// Its folder is gone, or was never complete: what git knows of it waits in the trash alone. A folder
/// that comes back, because its volume is mounted again, is moved there then.
fn without_folder(work: &Work<'_>, mut found: Found) -> Result<(), GitError> {
    if found.is_shelved() {
        return Ok(());
    }
    if found.is_nobodys() {
        return purge::discard(work, &mut found);
    }
    if found.actual == Some(Spot::New) {
        // Files that were being written again, where nobody works: all of them are in git.
        let folder = &work.spots.new;
        purge::nobody_in(folder)?;
        work.cuts.before("the half tree is deleted")?;
        purge::delete(folder)?;
        found.actual = None;
    }
    if found.pointed != Spot::Trash {
        work.cuts.before("the pointer is rewritten")?;
        point(&mut found, &work.spots, Spot::Trash)?;
    }
    detach(work, &found)?;
    work.spots.tidy();
    Ok(())
}

/// Moves it back. Live already: Ok.
pub fn restore(work: &Work<'_>, mut found: Found) -> Result<(), GitError> {
    match found.state() {
        State::Live => return Ok(()),
        State::Trashed | State::Moving => {}
        State::Missing => return Err(GitError::NotOurs { path: work.spots.live.clone() }),
    }
    // First of all: a tree that cannot come back must not take its branch from others.
    clear_way(&found, &work.spots, Spot::Live)?;
    reattach(work, &found)?;
    relocate(&mut found, &work.spots, Spot::Live, work.cuts)?;
    work.spots.tidy();
    Ok(())
}

/// Writes down what names the branch, then lets go of it.
fn detach(work: &Work<'_>, found: &Found) -> Result<(), GitError> {
    let admin = &found.entry.admin;
    let mut aside = survey(work, admin, read(admin)?.as_ref())?;
    aside.complete = aside.instead.is_empty();
    work.cuts.before("the branch is written down")?;
    write(admin, &aside)?;
    for (file, instead) in &aside.instead {
        if text_of(admin, file)?.as_ref() == aside.files.get(file) {
            work.cuts.before("the branch is let go")?;
            fs::write_atomic(admin.join(file), format!("{instead}\n"), 0o644)?;
        }
    }
    if !aside.complete {
        aside.complete = true;
        work.cuts.before("the note is completed")?;
        write(admin, &aside)?;
    }
    Ok(())
}

/// What there is to write down. What an earlier attempt replaced is taken from its note; everything else is
/// as it is now, because somebody may have worked on since.
fn survey(work: &Work<'_>, admin: &Path, noted: Option<&Aside>) -> Result<Aside, GitError> {
    let mut aside = Aside { commit: head(&work.repo, admin)?.commit, ..Aside::default() };
    for file in BRANCH_FILES {
        // A name that is no text stays where it is, and its branch taken.
        let Some(now) = text_of(admin, file)? else { continue };
        let replaced = noted.and_then(|noted| {
            let instead = noted.instead(file).filter(|instead| *instead == now)?;
            Some((noted.files.get(*file)?.clone(), instead))
        });
        let (text, instead) = match replaced {
            Some((text, instead)) => (text, Some(instead)),
            None => (now.clone(), stand_in(file, &now, &aside.commit)),
        };
        aside.files.insert((*file).to_owned(), text);
        aside.instead.extend(instead.map(|instead| ((*file).to_owned(), instead)));
    }
    Ok(aside)
}

/// Takes the branch again, unless it moved or is held by another tree: then the tree stays on the
/// commit that its files belong to.
pub fn reattach(work: &Work<'_>, found: &Found) -> Result<(), GitError> {
    let admin = &found.entry.admin;
    let Some(mut aside) = read(admin)? else { return Ok(()) };
    if aside.complete {
        // From here on the branch is not free for sure.
        aside.complete = false;
        work.cuts.before("the note is opened")?;
        write(admin, &aside)?;
    }
    for (file, text) in &aside.files {
        // Never replaced, taken again already, or changed by somebody since: that stays.
        if aside.instead(file).is_none_or(|instead| instead == *text)
            || text_of(admin, file)? != aside.instead(file)
        {
            continue;
        }
        let name = text.strip_prefix("ref: ").unwrap_or(text);
        let branch = match file.as_str() {
            "BISECT_START" => Some(name).filter(|name| !is_commit(name)),
            _ => name.strip_prefix("refs/heads/"),
        };
        if let Some(branch) = branch {
            if work.repo.holder(branch, Some(admin))?.is_some() {
                continue;
            }
            // During a rebase or bisect the branch is not where HEAD is.
            if file == "HEAD" && !claim(work, branch, &aside.commit)? {
                continue;
            }
        }
        work.cuts.before("the branch is taken again")?;
        fs::write_atomic(admin.join(file), format!("{text}\n"), 0o644)?;
    }
    for (file, text) in &aside.files {
        if file == "HEAD" && text_of(admin, file)?.as_ref() != Some(text) {
            // It is we who left it on the commit, not somebody who works there.
            asked::forget(admin)?;
        }
    }
    work.cuts.before("the note is removed")?;
    fs::remove_file_if_exists(admin.join(ASIDE_FILE))?;
    Ok(())
}

/// Whether the branch is at the commit; one that was deleted meanwhile is made again.
fn claim(work: &Work<'_>, branch: &str, commit: &str) -> Result<bool, GitError> {
    match work.repo.branch(branch)? {
        Some(now) => Ok(now == commit),
        None if commit.is_empty() => Ok(true),
        None => {
            let id = git2::Oid::from_str(commit)
                .map_err(GitError::lib("read a commit id", &work.repo.path))?;
            work.repo
                .git
                .reference(&format!("refs/heads/{branch}"), id, false, "restored from the trash")
                .map_err(GitError::lib("make the branch again", &work.repo.path))?;
            Ok(true)
        }
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn text_of(admin: &Path, file: &str) -> Result<Option<String>, GitError> {
    Ok(read_trimmed(&admin.join(file))?.and_then(|text| text.into_string().ok()))
}

/// What is written down. A note that cannot be read is one that was begun: whoever goes on with it says why.
pub fn note(admin: &Path) -> Note {
    match read(admin) {
        Ok(None) => Note::None,
        Ok(Some(aside)) if aside.complete => Note::Complete,
        Ok(Some(_)) | Err(_) => Note::Begun,
    }
}

fn read(admin: &Path) -> Result<Option<Aside>, GitError> {
    let path = admin.join(ASIDE_FILE);
    let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(None) };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| GitError::system("read", &path)(error.into()))
}

fn write(admin: &Path, aside: &Aside) -> Result<(), GitError> {
    let path = admin.join(ASIDE_FILE);
    let text = serde_json::to_vec_pretty(aside)
        .map_err(|error| GitError::system("write", &path)(error.into()))?;
    fs::write_atomic(&path, text, 0o644)?;
    Ok(())
}
