//! A git worktree: an agent's own, on a branch, or the detached one in which a Stack builds its template.
//! Whatever an agent wrote in it is never overwritten and never lost.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Kind, Need, Reversibility, Target, Verdict};

/// The kind.
#[derive(Debug)]
pub enum Worktree {}

/// A worktree that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over everything here.
    pub fingerprint: String,
    /// What is checked out.
    pub checkout: Checkout,
    /// Files that we generate, for the repository's `info/exclude`: each with its path from the top of the
    /// tree, a `/` before it. No patterns: what is special in one stands for itself.
    pub exclude: Vec<String>,
}

/// What is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// A branch; made at `base` when it does not exist yet, left where it is when it does.
    Branch {
        /// Short name of the branch.
        branch: String,
        /// Revision at which a new branch begins.
        base: String,
    },
    /// A commit, detached; nobody works there, so it follows the wish by force.
    Detached {
        /// Full commit id.
        commit: String,
    },
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Absolute path of the repository.
    pub repo: PathBuf,
    /// Absolute path of the worktree; the trash path is derived from both and the owner's uid.
    pub path: PathBuf,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It is there and ours.
    Live {
        /// Short name of the branch, or `None` when detached.
        branch: Option<String>,
        /// Full commit id.
        head: String,
        /// The branch that we last checked out there, or saw there when it was wanted; `None`: not on record.
        asked: Option<String>,
        /// Uncommitted changes, an unfinished rebase or merge: what keeps it from
        /// being switched, and what to do about it, in words.
        busy: Option<String>,
        /// Our patterns are in `info/exclude`.
        excluded: bool,
    },
    /// Git knows it as ours, but its folder is gone, or on a volume that is not mounted.
    Missing,
    /// In the trash; asked about by somebody who does not want it back, also without its folder.
    Trashed,
    /// Something else is at that path, or the branch is checked out elsewhere: what and where.
    Foreign(String),
    /// The repository cannot serve: not a repository, no such base; what to do.
    Unusable(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Add it, locked with our mark, with the branch where that is new.
    Add(Arc<Desired>),
    /// Check out what is wanted in a tree that holds no work.
    Switch(Arc<Desired>),
    /// Put on record that the wanted branch is there.
    Note(Arc<Desired>),
    /// Bring `info/exclude` up to date.
    Exclude(Arc<Desired>),
    /// Move it aside, whole, with its git state, or that state alone where its folder is gone.
    Trash(Place),
    /// Move it back, whole.
    Restore(Arc<Desired>),
    /// Delete it, live or trashed.
    Purge(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(want) => write!(f, "add {}", want.checkout),
            Self::Switch(want) => write!(f, "switch to {}", want.checkout),
            Self::Note(_) => f.write_str("note its branch"),
            Self::Exclude(_) => f.write_str("exclude generated files"),
            Self::Trash(_) => f.write_str("move to trash"),
            Self::Restore(_) => f.write_str("restore"),
            Self::Purge(_) => f.write_str("purge"),
        }
    }
}

impl fmt::Display for Checkout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch { branch, base } => write!(f, "{branch} from {base}"),
            Self::Detached { commit } => write!(f, "{}", commit.get(..12).unwrap_or(commit)),
        }
    }
}

impl Kind for Worktree {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), have) => present(want, have),
            (Target::Trashed, Some(Observed::Live { .. })) => Verdict::one(
                Action::Trash(place.clone()),
                "no longer wanted; kept until its retention ends",
            ),
            // The folder may be on a volume that is not mounted now: what git keeps of it (commits on no
            // branch, the index, a rebase, submodules) has its retention as well.
            (Target::Trashed, Some(Observed::Missing)) => Verdict::one(
                Action::Trash(place.clone()),
                "its folder is gone; what git knows of it is kept until its retention ends",
            ),
            (Target::Gone, Some(Observed::Missing)) => {
                Verdict::one(Action::Purge(place.clone()), "its folder is gone already")
            }
            (Target::Gone, Some(Observed::Live { .. } | Observed::Trashed)) => {
                Verdict::one(Action::Purge(place.clone()), "to be purged")
            }
            (
                Target::Trashed,
                None | Some(Observed::Trashed | Observed::Foreign(_) | Observed::Unusable(_)),
            )
            | (Target::Gone, None | Some(Observed::Foreign(_) | Observed::Unusable(_))) => {
                Verdict::Settled
            }
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        match have {
            Observed::Live { .. } => true,
            Observed::Missing
            | Observed::Trashed
            | Observed::Foreign(_)
            | Observed::Unusable(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Add(_) | Action::Switch(_) | Action::Note(_) | Action::Exclude(_) => {
                Reversibility::Free
            }
            Action::Trash(_) | Action::Restore(_) => Reversibility::Undoable,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}

fn present(want: &Arc<Desired>, have: Option<&Observed>) -> Verdict<Action> {
    match have {
        None => Verdict::one(Action::Add(Arc::clone(want)), "does not exist"),
        Some(Observed::Missing) => {
            Verdict::one(Action::Add(Arc::clone(want)), "its folder was deleted")
        }
        Some(Observed::Trashed) => {
            Verdict::one(Action::Restore(Arc::clone(want)), "is in the trash and is wanted again")
        }
        Some(Observed::Foreign(what)) => Verdict::Conflict(what.clone()),
        Some(Observed::Unusable(why)) => Verdict::Conflict(why.clone()),
        Some(Observed::Live { branch, head, asked, busy, excluded }) => {
            let exclude = (!excluded).then(|| {
                let cause = "generated files would show in git status";
                Verdict::one(Action::Exclude(Arc::clone(want)), cause)
            });
            let other = match &want.checkout {
                Checkout::Branch { branch: wanted, .. } => {
                    on_a_branch(want, wanted, branch.as_deref(), asked.as_deref(), busy.as_deref())
                }
                Checkout::Detached { commit } if commit == head => None,
                Checkout::Detached { .. } => {
                    Some(Verdict::one(Action::Switch(Arc::clone(want)), "its base moved"))
                }
            };
            match other {
                Some(change @ Verdict::Change(_)) => change,
                // Also of a tree that stays where it is.
                other => exclude.or(other).unwrap_or(Verdict::Settled),
            }
        }
    }
}

/// What is to be said of a tree that is to be on a branch; `None`: nothing.
fn on_a_branch(
    want: &Arc<Desired>,
    wanted: &str,
    now: Option<&str>,
    asked: Option<&str>,
    busy: Option<&str>,
) -> Option<Verdict<Action>> {
    if now == Some(wanted) {
        return (asked != now)
            .then(|| Verdict::one(Action::Note(Arc::clone(want)), "its branch is not on record"));
    }
    let at = now.unwrap_or("a detached commit");
    if asked == Some(wanted) {
        // It was there, and left: an agent that switches its own tree is at work, and that is its right.
        let path = want.place.path.display();
        let or = now.map(|now| format!(", or set worktree.branch to {now}")).unwrap_or_default();
        return Some(Verdict::Drift(format!(
            "is on {at} instead of {wanted}, and stays there, because it was switched by hand: go back with \
             `git -C {path} switch {wanted}`{or}"
        )));
    }
    Some(match busy {
        Some(busy) => {
            Verdict::Drift(format!("is on {at} instead of {wanted}, and stays there: {busy}"))
        }
        None => Verdict::one(Action::Switch(Arc::clone(want)), format!("is on {at}")),
    })
}
