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
    /// Which of its lives it is to be in; `None`: the first.
    pub life: Option<Life>,
}

/// A life of a database. A reset, a save and a restore each end one and begin another: the database of the life before
/// is kept under a name of its own, and a new one takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Tells it from the others.
    pub id: String,
    /// Where the database of the life before goes.
    pub aside: Place,
    /// The kept database that it is cloned from; `None`: from the template, as the first was.
    pub copy: Option<Copy>,
    /// What was prepared in the life before is to be prepared anew.
    pub renews: bool,
}

/// A kept database, as something to clone from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where it is.
    pub place: Place,
    /// The template generation that it came from.
    pub generation: Option<String>,
}

impl Desired {
    /// Whether what was prepared in the database before is not in the one that is made of this.
    pub fn begins_anew(&self) -> bool {
        self.life.as_ref().is_none_or(|life| life.renews)
    }

    /// The generation that a database has which is made of this.
    pub fn generation(&self) -> Option<&String> {
        match self.life.as_ref().and_then(|life| life.copy.as_ref()) {
            Some(copy) => copy.generation.as_ref(),
            None => self.template.as_ref().map(|from| &from.generation),
        }
    }

    /// Names the life that is wanted.
    pub fn life_id(&self) -> Option<&String> {
        self.life.as_ref().map(|life| &life.id)
    }
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
    /// The database of an earlier life, kept under this name and closed to everybody. Its names are derived from
    /// this one and the owner's uid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Place {
    /// Where this database is kept under a name.
    pub fn kept_as(&self, name: &str) -> Self {
        Self { kept: Some(name.to_owned()), ..self.clone() }
    }
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
        /// Which of its lives it is in; `None`: the first.
        life: Option<String>,
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
    /// End its sessions, lock it, and keep it where the wanted life says.
    SetAside(Arc<Desired>),
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
            Self::Create(want) => match (kept(want), &want.template) {
                (Some(name), _) => write!(f, "clone from {name}"),
                (None, Some(from)) => write!(f, "clone from {}", from.database),
                (None, None) => f.write_str("create"),
            },
            Self::RepairRole(_) => f.write_str("repair role"),
            Self::SetAside(want) => {
                let name = want.life.as_ref().and_then(|life| life.aside.kept.as_deref());
                write!(f, "keep as {}", name.unwrap_or("?"))
            }
            Self::Trash(_) => f.write_str("move to trash"),
            Self::Restore(_) => f.write_str("restore"),
            Self::Purge(_) => f.write_str("purge"),
        }
    }
}

/// The name of what it is cloned from, where that is no template.
fn kept(want: &Desired) -> Option<&str> {
    want.life.as_ref()?.copy.as_ref()?.place.kept.as_deref()
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
            (Target::Present(want), Some(Observed::Live { life, .. }))
                if want.life.is_some() && life.as_ref() != want.life_id() =>
            {
                Verdict::Change(vec![
                    (Action::SetAside(Arc::clone(want)), "another is to take its place".to_owned()),
                    (Action::Create(Arc::clone(want)), "the one before is kept".to_owned()),
                ])
            }
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
            Action::SetAside(_) | Action::Trash(_) | Action::Restore(_) => Reversibility::Undoable,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}
