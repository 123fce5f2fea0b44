//! A seeded template database: one generation per hash of its inputs, built once, then cloned.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::{Kind, Need, Reversibility, Target, Verdict};

/// The kind.
#[derive(Debug)]
pub enum Template {}

/// A generation that is to be complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over inputs and steps; it ends the database's name.
    pub fingerprint: String,
    /// What fills it, in order. Each runs with the new database's PG* variables.
    pub build: Vec<BuildStep>,
}

/// One command of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStep {
    /// Its key in the spec.
    pub name: String,
    /// What is run.
    pub command: Command,
    /// Seconds after which it is stopped and counts as failed.
    pub timeout_s: u64,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The Infra whose Postgres holds it.
    pub infra: String,
    /// `lightdash_template_1f3a9c0d`
    pub database: String,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// Begun, and not sealed: never cloned.
    Partial,
    /// Sealed.
    Complete,
    /// A database of this name without our mark: its owner.
    Foreign(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Drop what an earlier try left, and make the empty database.
    Begin(Arc<Desired>),
    /// Run the build step with this index.
    Build(Arc<Desired>, usize),
    /// Forbid connections, mark it a template, and mark it complete.
    Seal(Arc<Desired>),
    /// Drop it.
    Drop(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(_) => f.write_str("begin"),
            Self::Build(want, index) => {
                write!(f, "build {}", want.build.get(*index).map_or("?", |step| &step.name))
            }
            Self::Seal(_) => f.write_str("seal"),
            Self::Drop(_) => f.write_str("drop"),
        }
    }
}

impl Kind for Template {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        let foreign = |owner: &String| {
            Verdict::Conflict(format!(
                "a database {} of {owner} is there already and is not ours; give the template another name",
                place.database
            ))
        };
        match (target, have) {
            (Target::Present(want), None) => build(want, "this generation was not built yet"),
            (Target::Present(want), Some(Observed::Partial)) => {
                build(want, "an earlier build did not come to its end")
            }
            (Target::Present(_), Some(Observed::Complete)) => Verdict::Settled,
            (Target::Present(_), Some(Observed::Foreign(owner))) => foreign(owner),
            // A template holds nothing that an agent wrote: it can be built again, so it needs no trash.
            (Target::Trashed | Target::Gone, None | Some(Observed::Foreign(_))) => Verdict::Settled,
            (Target::Trashed | Target::Gone, Some(Observed::Partial | Observed::Complete)) => {
                Verdict::one(Action::Drop(place.clone()), "no longer wanted")
            }
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        match have {
            Observed::Complete => true,
            Observed::Partial | Observed::Foreign(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Begin(_) | Action::Build(..) | Action::Seal(_) | Action::Drop(_) => {
                Reversibility::Free
            }
        }
    }
}

fn build(want: &Arc<Desired>, cause: &str) -> Verdict<Action> {
    let mut changes = vec![(Action::Begin(Arc::clone(want)), cause.to_owned())];
    for (index, step) in want.build.iter().enumerate() {
        changes.push((Action::Build(Arc::clone(want), index), format!("{} fills it", step.name)));
    }
    changes.push((Action::Seal(Arc::clone(want)), "all steps ended well".to_owned()));
    Verdict::Change(changes)
}
