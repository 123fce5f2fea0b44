//! What keeps a tree from being switched to another branch, in words that end with what to do.
//!
//! Asked only when a switch is wanted, because the status of a large tree is expensive. Whatever cannot
//! be found out counts as work.

use std::path::Path;

use super::cli::{Git, Patience};
use super::error::GitError;
use super::repo::Repo;
use crate::fs;

/// Files of a git folder that stand for something begun and not finished, and what ends that.
const UNFINISHED: &[(&str, &str, &str)] = &[
    ("rebase-merge", "a rebase", "git rebase --abort"),
    ("rebase-apply", "a rebase", "git rebase --abort"),
    ("MERGE_HEAD", "a merge", "git merge --abort"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --abort"),
    ("REVERT_HEAD", "a revert", "git revert --abort"),
    ("sequencer", "a cherry-pick or revert", "git cherry-pick --abort"),
    ("BISECT_LOG", "a bisect", "git bisect reset"),
];

/// Why the tree must stay as it is; `None`: it holds no work.
pub fn busy(
    repo: &Repo,
    admin: &Path,
    folder: &Path,
    head: Option<&str>,
    patience: Patience,
) -> Option<String> {
    look(repo, admin, folder, head, patience).unwrap_or_else(|error| {
        Some(format!("whether it holds work cannot be told: {}", error.words()))
    })
}

fn look(
    repo: &Repo,
    admin: &Path,
    folder: &Path,
    head: Option<&str>,
    patience: Patience,
) -> Result<Option<String>, GitError> {
    for (file, what, command) in UNFINISHED {
        if fs::metadata(admin.join(file))?.is_some() {
            return Ok(Some(format!(
                "{what} is not finished; finish it, or end it with `{command}`"
            )));
        }
    }
    if fs::metadata(admin.join("index.lock"))?.is_some() {
        return Ok(Some(format!(
            "a git command works in it; if none does, remove {}",
            admin.join("index.lock").display()
        )));
    }
    if let Some(changes) = changes(&Git::of_tree(admin, folder).within(patience))? {
        return Ok(Some(format!("{changes}; commit, stash or discard that")));
    }
    match head {
        // Detached: commits that no branch leads to would be lost from sight.
        Some(commit) if !reachable(repo, commit, patience)? => Ok(Some(
            "it has commits that are on no branch; give them one with `git switch -c NAME`"
                .to_owned(),
        )),
        _ => Ok(None),
    }
}

fn changes(git: &Git<'_>) -> Result<Option<String>, GitError> {
    // What is changed within a submodule is not looked at: a switch does not enter it, and git would run
    // the filters that whoever made it has set there. A submodule on another commit counts.
    let listing = git.run(&[
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=normal",
        "--ignore-submodules=dirty",
    ])?;
    let (mut changed, mut untracked) = (0_usize, 0_usize);
    let mut records = listing.split(|byte| *byte == 0).filter(|record| !record.is_empty());
    while let Some(record) = records.next() {
        if record.starts_with(b"??") {
            untracked += 1;
        } else {
            changed += 1;
            if record.first().is_some_and(|code| matches!(code, b'R' | b'C')) {
                // The old name follows.
                records.next();
            }
        }
    }
    Ok(match (changed, untracked) {
        (0, 0) => None,
        (changed, 0) => Some(format!("{changed} of its files have uncommitted changes")),
        (0, untracked) => Some(format!("{untracked} of its files are not known to git")),
        (changed, untracked) => Some(format!(
            "{changed} of its files have uncommitted changes and {untracked} are not known to git"
        )),
    })
}

fn reachable(repo: &Repo, commit: &str, patience: Patience) -> Result<bool, GitError> {
    is_on(repo, commit, &["refs/heads", "refs/remotes", "refs/tags"], patience)
}

/// Whether one of these references, or one below them, leads to a commit.
pub fn is_on(
    repo: &Repo,
    commit: &str,
    references: &[&str],
    patience: Patience,
) -> Result<bool, GitError> {
    let words = [&["for-each-ref", "--count=1", "--contains", commit], references].concat();
    Ok(!Git::of_repo(&repo.common).within(patience).run(&words)?.is_empty())
}
