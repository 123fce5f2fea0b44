//! Looks at all worktrees of one repository that are asked about. Changes nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::worktree::{Checkout, Desired, Observed, Place};
use agent_harness_model::world::Seen;

use super::cli::Patience;
use super::error::GitError;
use super::exclude::{self, Section};
use super::repo::{Entry, Repo, link, read_trimmed};
use super::spot::{Found, Spot, Spots, State, find, occupant};
use super::{asked, astray, busy, purge};
use crate::fs;

/// One ask about a worktree.
pub struct Question {
    pub id: ResourceId,
    pub place: Place,
    pub want: Option<Arc<Desired>>,
    pub mark: Mark,
}

/// What a HEAD says.
pub struct Head {
    /// The branch, also during a rebase of it; `None`: detached.
    pub branch: Option<String>,
    /// The commit; empty on a branch without any.
    pub commit: String,
}

/// One answer for each question; all are about the repository at `path`.
pub fn look(path: &Path, questions: &[Question]) -> Vec<Seen<Option<Observed>>> {
    let repo = Repo::open(path).and_then(|repo| {
        let entries = repo.entries()?;
        Ok((repo, entries))
    });
    let patience = Patience::of_a_look();
    let answer = |question: &Question| match &repo {
        Ok((repo, entries)) => {
            see(repo, entries, question, patience).unwrap_or_else(|error| unseen(question, &error))
        }
        Err(error) => unseen(question, error),
    };
    questions.iter().map(answer).collect()
}

/// What cannot be used is told to who wants it; who only wants to be rid of it must not take
/// "cannot look" for "is gone".
fn unseen(question: &Question, error: &GitError) -> Seen<Option<Observed>> {
    match (&question.want, error) {
        (Some(_), error) if error.is_unusable() => {
            Seen::Known(Some(Observed::Unusable(error.words())))
        }
        (None, GitError::NoRepo { repo }) => {
            let left = Spots::of(&question.place, &question.mark.uid).and_then(|spots| {
                for path in [repo, &spots.live] {
                    is_reached(path)?;
                }
                Ok(match left_over(&spots, None)? {
                    // Without its git entry nobody can tell whose it is; it may be the agent's work.
                    None if occupant(&spots.live)?.is_some() && links_nowhere(&spots.live)? => {
                        Some(spots.live)
                    }
                    left => left,
                })
            });
            match left {
                Ok(None) => Seen::Known(None),
                Ok(Some(left)) => Seen::Unknown(format!(
                    "the repository {} is gone, but {} is still there: bring the repository back, or look \
                     through that folder and remove it",
                    repo.display(),
                    left.display()
                )),
                Err(error) => Seen::Unknown(error.words()),
            }
        }
        (_, error) => Seen::Unknown(error.words()),
    }
}

/// A folder at one of the places that are ours alone, by the uid and the repository in their names; or at one
/// that was, for an older version.
fn left_over(spots: &Spots, common: Option<&Path>) -> Result<Option<PathBuf>, GitError> {
    for path in [&spots.trash, &spots.new, &spots.doomed] {
        if fs::metadata(path)?.is_some() {
            return Ok(Some(path.clone()));
        }
    }
    astray::left_over(spots, common)
}

/// Fails when the folder around a path is away too, as all is that lies on a volume which is not mounted.
fn is_reached(path: &Path) -> Result<(), GitError> {
    let folder = path.parent().unwrap_or(path);
    if folder.try_exists().map_err(GitError::system("look at", folder))? {
        return Ok(());
    }
    Err(GitError::Away { path: path.to_path_buf(), folder: folder.to_path_buf() })
}

/// Whether the folder is no worktree of a repository that is there.
fn links_nowhere(folder: &Path) -> Result<bool, GitError> {
    match link(folder)? {
        Some(admin) => Ok(fs::metadata(admin)?.is_none()),
        None => Ok(true),
    }
}

fn see(
    repo: &Repo,
    entries: &[Entry],
    question: &Question,
    patience: Patience,
) -> Result<Seen<Option<Observed>>, GitError> {
    let spots = Spots::of(&question.place, &question.mark.uid)?;
    match (find(entries, &spots, &question.mark)?, &question.want) {
        (Some(found), _) => present(repo, &spots, question, &found, patience),
        (None, Some(want)) => Ok(Seen::Known(absent(repo, entries, &spots, want, &question.mark)?)),
        // A purge was cut at the very end of it.
        (None, None) if fs::metadata(purge::way_out(&repo.common, &spots))?.is_some() => {
            Ok(Seen::Known(Some(Observed::Missing)))
        }
        (None, None) => Ok(match left_over(&spots, Some(&repo.common))? {
            None => Seen::Known(None),
            // As after a repository was cloned anew, or its entry was pruned by hand.
            Some(left) => Seen::Unknown(format!(
                "{} is still there, but the repository {} knows nothing of it any more: look through that \
                 folder and remove it",
                left.display(),
                repo.path.display()
            )),
        }),
    }
}

/// Nothing of ours is there: what else is in the way of making it?
fn absent(
    repo: &Repo,
    entries: &[Entry],
    spots: &Spots,
    want: &Desired,
    mark: &Mark,
) -> Result<Option<Observed>, GitError> {
    match obstacle(repo, entries, spots, want, mark) {
        Ok(()) => Ok(None),
        Err(error) if error.is_unusable() => Ok(Some(Observed::Unusable(error.words()))),
        Err(error @ (GitError::Occupied { .. } | GitError::BranchElsewhere { .. })) => {
            Ok(Some(Observed::Foreign(error.words())))
        }
        Err(error) => Err(error),
    }
}

/// Fails with what is in the way of a new worktree.
pub fn obstacle(
    repo: &Repo,
    entries: &[Entry],
    spots: &Spots,
    want: &Desired,
    mark: &Mark,
) -> Result<(), GitError> {
    let occupied = |what: String| Err(GitError::Occupied { path: spots.live.clone(), what });
    if let Some(other) = entries.iter().find(|entry| entry.folder.as_ref() == Some(&spots.live)) {
        return occupied(match &other.mark {
            Some(other) => format!(
                "is a worktree with another mark ({other}): it goes when that one does; or change worktree.path"
            ),
            None => format!(
                "is a worktree without our mark: give it back with `git -C {} worktree lock --reason {mark} {}`, \
                 move it away with `git worktree move`, or change worktree.path",
                repo.path.display(),
                spots.live.display()
            ),
        });
    }
    if let Some(what) = occupant(&spots.live)? {
        return occupied(format!(
            "{what} that this controller did not make: move it away, or change worktree.path"
        ));
    }
    match &want.checkout {
        Checkout::Detached { commit } => repo.commit(commit).map(drop),
        Checkout::Branch { branch, base } => {
            if !git2::Reference::is_valid_name(&format!("refs/heads/{branch}")) {
                return Err(GitError::BadBranch { branch: branch.clone() });
            }
            if let Some(at) = repo.holder(branch, None)? {
                return Err(GitError::BranchElsewhere { branch: branch.clone(), at });
            }
            if repo.branch(branch)?.is_none() {
                repo.commit(base)?;
            }
            Ok(())
        }
    }
}

fn present(
    repo: &Repo,
    spots: &Spots,
    question: &Question,
    found: &Found,
    patience: Patience,
) -> Result<Seen<Option<Observed>>, GitError> {
    let wanted = question.want.is_some();
    let seen = match found.state() {
        State::Live => live(repo, spots, question, found, patience)?,
        // Both ways out of a half move lead through the action that is wanted anyway.
        State::Moving if wanted => Observed::Trashed,
        State::Moving => live(repo, spots, question, found, patience)?,
        State::Trashed => Observed::Trashed,
        State::Missing => match occupant(&spots.live)?.filter(|_| found.actual.is_none()) {
            Some(what) if found.pointed == Spot::Live && links_nowhere(&spots.live)? => {
                let words = unlinked(spots, found, what);
                // Whoever wants it gone must not take that for gone: it may be the tree itself.
                return Ok(if wanted {
                    Seen::Known(Some(Observed::Foreign(words)))
                } else {
                    Seen::Unknown(words)
                });
            }
            Some(what) if wanted => Observed::Foreign(format!(
                "{} {what} that is another's: move it away, or change worktree.path",
                spots.live.display()
            )),
            _ if !wanted && found.is_shelved() => Observed::Trashed,
            _ => Observed::Missing,
        },
    };
    Ok(Seen::Known(Some(seen)))
}

/// What stands in the place of a tree whose folder is nowhere, and how it becomes that tree again.
fn unlinked(spots: &Spots, found: &Found, what: &str) -> String {
    let link = spots.live.join(".git");
    let (live, admin) = (spots.live.display(), found.entry.admin.display());
    if link.is_dir() {
        // What was committed there since is nowhere else: so it is moved, not removed.
        let link = link.display();
        return format!(
            "{live} {what}, and a repository of its own was made in it (`git init`): move {link} away, and write \
             `gitdir: {admin}` into {link}"
        );
    }
    format!(
        "{live} {what}, and its .git file does not belong to it: write `gitdir: {admin}` into {}",
        link.display()
    )
}

fn live(
    repo: &Repo,
    spots: &Spots,
    question: &Question,
    found: &Found,
    patience: Patience,
) -> Result<Observed, GitError> {
    let admin = &found.entry.admin;
    let head = head(repo, admin)?;
    let Some(want) = &question.want else {
        return Ok(Observed::Live {
            branch: head.branch,
            head: head.commit,
            asked: None,
            busy: None,
            excluded: true,
        });
    };
    let asked = asked::read(admin)?;
    let mut busy = None;
    // What left the branch that was asked of it stays where it is anyway.
    if let Checkout::Branch { branch, base } = &want.checkout
        && head.branch.as_ref() != Some(branch)
        && asked.as_ref() != Some(branch)
    {
        let detached = head.branch.is_none().then_some(head.commit.as_str());
        busy = match repo.holder(branch, Some(admin))? {
            Some(at) => {
                let error = GitError::BranchElsewhere { branch: branch.clone(), at };
                Some(error.words())
            }
            None if repo.branch(branch)?.is_none() => {
                repo.commit(base).err().map(|error| error.words())
            }
            None => None,
        }
        .or_else(|| busy::busy(repo, admin, &spots.live, detached, patience));
    }
    Ok(Observed::Live {
        branch: head.branch,
        head: head.commit,
        asked,
        busy,
        excluded: exclude::has(
            &repo.common,
            &Section::of(&question.mark, &spots.live),
            &want.exclude,
        )?,
    })
}

/// What is checked out in the tree with this git folder.
pub fn head(repo: &Repo, admin: &Path) -> Result<Head, GitError> {
    let text = read_trimmed(&admin.join("HEAD"))?.unwrap_or_default();
    let text = text.to_string_lossy().into_owned();
    if let Some(reference) = text.strip_prefix("ref: ") {
        let commit = repo.reference(reference)?.unwrap_or_default();
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned();
        return Ok(Head { branch: Some(branch), commit });
    }
    // During a rebase HEAD is detached, but whoever rebases a branch is on it.
    for file in ["rebase-merge/head-name", "rebase-apply/head-name"] {
        if let Some(name) = read_trimmed(&admin.join(file))?
            && let Some(branch) = name.to_str().and_then(|name| name.strip_prefix("refs/heads/"))
        {
            return Ok(Head { branch: Some(branch.to_owned()), commit: text });
        }
    }
    Ok(Head { branch: None, commit: text })
}
