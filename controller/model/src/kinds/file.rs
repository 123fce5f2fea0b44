//! A file rendered into a worktree. What somebody else wrote over it is never silently lost.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Kind, Need, Reversibility, Target, Verdict};
use crate::secret::Text;

/// The kind.
#[derive(Debug)]
pub enum File {}

/// A file that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash of the content, as `hash::content` makes it.
    pub fingerprint: String,
    /// The content, rendered.
    pub content: Text,
    /// Permission bits; 0o600 whenever the content is secret and nothing else is said.
    pub mode: u32,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Absolute path of the worktree that it lies in; it never leaves that.
    pub root: PathBuf,
    /// Path below `root`.
    pub path: PathBuf,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// A regular file.
    Present {
        /// Hash of its content.
        fingerprint: String,
        /// Permission bits.
        mode: u32,
        /// Its content is one that we wrote.
        ours: bool,
    },
    /// Tracked by git, a folder, a symlink out of the worktree: not to be written over; what it is.
    Foreign(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write it by rename.
    Write(Arc<Desired>),
    /// Put the edited one beside it under another name, then write it.
    KeepAsideAndWrite(Arc<Desired>),
    /// Delete it.
    Remove(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write(_) => "write",
            Self::KeepAsideAndWrite(_) => "keep the edited one aside and write",
            Self::Remove(_) => "remove",
        })
    }
}

impl Kind for File {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), None) => {
                Verdict::one(Action::Write(Arc::clone(want)), "does not exist")
            }
            (Target::Present(want), Some(Observed::Present { fingerprint, mode, ours })) => {
                if *fingerprint == want.fingerprint {
                    if *mode == want.mode {
                        Verdict::Settled
                    } else {
                        Verdict::one(
                            Action::Write(Arc::clone(want)),
                            format!("its mode is {mode:04o} instead of {:04o}", want.mode),
                        )
                    }
                } else if *ours {
                    Verdict::one(Action::Write(Arc::clone(want)), "its content is to be another")
                } else {
                    Verdict::one(
                        Action::KeepAsideAndWrite(Arc::clone(want)),
                        "was edited by somebody else",
                    )
                }
            }
            (Target::Present(_), Some(Observed::Foreign(what))) => Verdict::Conflict(what.clone()),
            // It goes into the trash with its worktree.
            (Target::Trashed, _) | (Target::Gone, None | Some(Observed::Foreign(_))) => {
                Verdict::Settled
            }
            (Target::Gone, Some(Observed::Present { ours: true, .. })) => {
                Verdict::one(Action::Remove(place.clone()), "no longer wanted")
            }
            // Somebody made it their own: it is not ours to delete.
            (Target::Gone, Some(Observed::Present { ours: false, .. })) => Verdict::Settled,
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        match have {
            Observed::Present { .. } => true,
            Observed::Foreign(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Write(_) | Action::Remove(_) => Reversibility::Free,
            Action::KeepAsideAndWrite(_) => Reversibility::Undoable,
        }
    }
}
