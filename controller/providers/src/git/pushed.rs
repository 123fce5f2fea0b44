//! Whether all that is in a worktree in the trash is provably elsewhere as well: in a branch of a remote, or such that a
//! program makes it anew. Whatever cannot be found out counts as only here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use agent_harness_model::hash;
use agent_harness_model::id::Mark;
use agent_harness_model::kinds::worktree::Place;

use super::busy::{busy, is_on};
use super::cli::{Git, Patience};
use super::error::GitError;
use super::observe::head;
use super::repo::Repo;
use super::spot::{Spot, Spots, State, find};
use crate::fs;

/// The first bytes of a file that marks its folder as one whose content can be made anew (bford.info/cachedir).
const CACHE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Why a worktree in the trash holds something that is nowhere else; `None`: it does not. `is_ours` tells of a file, by
/// its path in the tree and the hash of its content, whether the controller wrote it.
pub fn only_here(
    place: &Place,
    mark: &Mark,
    is_ours: &dyn Fn(&Path, &str) -> bool,
) -> Result<Option<String>, GitError> {
    let repo = Repo::open(&place.repo)?;
    let spots = Spots::of(place, &mark.uid)?;
    let found = find(&repo.entries()?, &spots, mark)?;
    let Some(found) = found.filter(|it| it.state() == State::Trashed && it.stray.is_none()) else {
        return Ok(Some("it does not lie in the trash as a whole".to_owned()));
    };
    let (admin, tree) = (&found.entry.admin, spots.path(Spot::Trash));
    let patience = Patience::of_a_look();
    let head = head(&repo, admin)?;
    if let Some(work) = busy(&repo, admin, tree, Some(&head.commit), patience) {
        return Ok(Some(work));
    }
    for sign in [admin.join("modules"), tree.join(".gitmodules")] {
        if fs::metadata(sign)?.is_some() {
            return Ok(Some("it has submodules".to_owned()));
        }
    }
    if !is_on(&repo, &head.commit, &["refs/remotes"], patience)? {
        return Ok(Some("its commits are on no branch of a remote".to_owned()));
    }
    let git = Git::of_tree(admin, tree).within(patience);
    // Lower case, or `S`: git was told not to look at it.
    let listed = git.run(&["ls-files", "-v", "-z"])?;
    if listed.split(|byte| *byte == 0).any(|line| !line.is_empty() && !line.starts_with(b"H ")) {
        return Ok(Some("git is told not to look at some of its files".to_owned()));
    }
    let ignored =
        git.run(&["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"])?;
    for path in ignored.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = Path::new(OsStr::from_bytes(path));
        if let Some(own) = first_of_its_own(tree, path, is_ours)? {
            return Ok(Some(format!("{} is not in git", own.display())));
        }
    }
    Ok(None)
}

/// What a package manager has installed, or lies in a folder that says so of itself.
fn can_be_made_anew(tree: &Path, path: &Path) -> Result<bool, GitError> {
    if path.components().any(|part| part.as_os_str() == "node_modules") {
        return Ok(true);
    }
    for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
        let folder = tree.join(folder);
        // A link leads elsewhere, and what is there stays.
        if fs::metadata(&folder)?.is_none_or(|found| !found.is_dir()) {
            continue;
        }
        let tag = folder.join("CACHEDIR.TAG");
        if fs::metadata(&tag)?.is_some_and(|found| found.is_file())
            && fs::read(&tag)?.starts_with(CACHE)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first file at or below a path, of which nothing is in git, that can neither be made anew nor was written by the
/// controller.
fn first_of_its_own(
    tree: &Path,
    path: &Path,
    is_ours: &dyn Fn(&Path, &str) -> bool,
) -> Result<Option<PathBuf>, GitError> {
    let full = tree.join(path);
    let Some(found) = fs::metadata(&full)? else { return Ok(None) };
    if can_be_made_anew(tree, path)? {
        return Ok(None);
    }
    if found.is_dir() {
        for inner in fs::list_dir(&full)? {
            let inner = path.join(inner.file_name().unwrap_or_default());
            if let Some(own) = first_of_its_own(tree, &inner, is_ours)? {
                return Ok(Some(own));
            }
        }
        return Ok(None);
    }
    let ours = found.is_file() && is_ours(path, &hash::content(&fs::read(&full)?));
    Ok((!ours).then(|| path.to_path_buf()))
}
