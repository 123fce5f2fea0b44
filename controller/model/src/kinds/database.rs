//! An agent's own database, cloned from a template (or empty), with an owner role of its own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Kind, Need, Reversibility, Target, Verdict};
use crate::secret::Secret;

/// The kind.
#[derive(Debug)]
pub enum Database {}

/// A database that is to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over everything here but the template and the strategy, which are only used at creation.
    pub fingerprint: String,
    /// Password of the owner role.
    pub password: Secret,
    /// What it is cloned from; `None` makes it empty.
    pub template: Option<From>,
    /// How the template is copied.
    pub strategy: Strategy,
}

/// How a template is copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// By what is fastest for this server and this template.
    #[default]
    Auto,
    /// Through the write-ahead log, whatever is faster.
    WalLog,
    /// File by file, whatever is faster.
    FileCopy,
}

/// A template generation to clone from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// The template's database.
    pub database: String,
    /// Its generation (hash).
    pub generation: String,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The Infra whose Postgres holds it.
    pub infra: String,
    /// Its name; the trash name is derived from it and the owner's uid.
    pub database: String,
    /// Its owner role.
    pub role: String,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Being made; nobody can connect yet.
    Partial,
    /// Complete and open.
    Live {
        /// Generation of the template that it was cloned from.
        generation: Option<String>,
        /// The role can log in with the password that we know, and owns the database.
        role_ok: bool,
    },
    /// In the trash.
    Trashed,
    /// A database or role of this name without our mark: whose.
    Foreign(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the role, clone, take over what is inside, open. Resumes where an earlier try ended.
    Create(Arc<Desired>),
    /// Set the role's password and ownership right.
    RepairRole(Arc<Desired>),
    /// End its sessions, lock it, rename it.
    Trash(Place),
    /// Rename it back and open it.
    Restore(Arc<Desired>),
    /// Drop it and its role, live or trashed.
    Purge(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(want) => match &want.template {
                Some(from) => write!(f, "clone from {}", from.database),
                None => f.write_str("create"),
            },
            Self::RepairRole(_) => f.write_str("repair role"),
            Self::Trash(_) => f.write_str("move to trash"),
            Self::Restore(_) => f.write_str("restore"),
            Self::Purge(_) => f.write_str("purge"),
        }
    }
}

impl Kind for Database {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), None) => {
                Verdict::one(Action::Create(Arc::clone(want)), "does not exist")
            }
            (Target::Present(want), Some(Observed::Partial)) => Verdict::one(
                Action::Create(Arc::clone(want)),
                "an earlier clone did not come to its end",
            ),
            (Target::Present(want), Some(Observed::Trashed)) => Verdict::one(
                Action::Restore(Arc::clone(want)),
                "is in the trash and is wanted again",
            ),
            (Target::Present(want), Some(Observed::Live { role_ok: false, .. })) => {
                Verdict::one(Action::RepairRole(Arc::clone(want)), "its role was changed")
            }
            (Target::Present(_), Some(Observed::Live { role_ok: true, .. })) => Verdict::Settled,
            (Target::Present(_), Some(Observed::Foreign(whose))) => Verdict::Conflict(format!(
                "{} is there already, belongs to {whose} and is not ours; choose another name",
                place.database
            )),
            (Target::Trashed, Some(Observed::Live { .. })) => Verdict::one(
                Action::Trash(place.clone()),
                "no longer wanted; kept until its retention ends",
            ),
            // Nobody ever wrote to a clone that was not opened.
            (Target::Trashed | Target::Gone, Some(Observed::Partial)) => Verdict::one(
                Action::Purge(place.clone()),
                "no longer wanted, and never was complete",
            ),
            (Target::Gone, Some(Observed::Live { .. } | Observed::Trashed)) => {
                Verdict::one(Action::Purge(place.clone()), "to be purged")
            }
            (Target::Trashed, None | Some(Observed::Trashed | Observed::Foreign(_)))
            | (Target::Gone, None | Some(Observed::Foreign(_))) => Verdict::Settled,
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        match have {
            Observed::Live { .. } => true,
            Observed::Partial | Observed::Trashed | Observed::Foreign(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Create(_) | Action::RepairRole(_) => Reversibility::Free,
            Action::Trash(_) | Action::Restore(_) => Reversibility::Undoable,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}
