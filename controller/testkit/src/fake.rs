//! A world in memory. It keeps the promises that providers make (marks, idempotence, trash names), and it
//! breaks when a step is done without what it needs, as a real server would.
//!
//! Here is the world and what tests ask of it; what each kind of resource does is in the file of its name.

mod bucket;
mod container;
mod database;
mod events;
mod file;
mod look;
mod names;
mod process;
mod service;
mod setup;
mod template;
mod trash;
mod worktree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use agent_harness_model::id::{ResourceId, Uid};
use agent_harness_model::kinds::{Action, Have, Place};
use agent_harness_model::plan::Step;
use agent_harness_model::world::{ApplyError, Class};

pub use names::real;
use names::{backend, name, repo};

/// The world. Things are kept under the names that they have outside, so that two objects can clash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FakeWorld {
    things: BTreeMap<String, Thing>,
    /// Backends that cannot be seen now: `postgres`, `objectStore`.
    pub down: BTreeSet<String>,
    /// How often something was started that ran already.
    pub doubled: usize,
}

/// A thing outside, and whose mark it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thing {
    mark: Option<Uid>,
    have: Have,
    /// Of a worktree: the repository that it belongs to.
    repo: Option<PathBuf>,
}

impl Thing {
    /// Whether it is what we made for this resource at this place.
    fn is_of(&self, id: &ResourceId, place: &Place) -> bool {
        self.mark.as_ref() == Some(&id.uid) && self.repo == repo(place)
    }
}

impl FakeWorld {
    /// Carries a step out, as providers do.
    pub fn apply(&mut self, step: &Step) -> Result<(), ApplyError> {
        let id = &step.resource;
        if let Some(place) = data_place(&step.action) {
            if self.down.contains(backend(&place)) {
                return Err(error(Class::Transient, format!("{} is down", backend(&place))));
            }
        }
        match &step.action {
            Action::Service(action) => self.service(id, action),
            Action::Container(action) => self.container(id, action),
            Action::Worktree(action) => self.worktree(id, action),
            Action::File(action) => self.file(id, action),
            Action::Template(action) => self.template(id, action),
            Action::Database(action) => self.database(id, action),
            Action::Bucket(action) => self.bucket(id, action),
            Action::Setup(action) => self.setup(id, action),
            Action::Process(action) => self.process(id, action),
        }
    }

    /// Names and marks of everything that is no trash: the shape of the world, to compare two of them.
    pub fn shape(&self) -> Vec<String> {
        self.things
            .iter()
            .filter(|(name, _)| !name.starts_with("trash/"))
            .map(|(name, thing)| format!("{name} {:?}", thing.have))
            .collect()
    }

    /// Things that carry no mark of ours.
    pub fn strangers(&self) -> Vec<String> {
        let strangers = self.things.iter().filter(|(_, thing)| thing.mark.is_none());
        strangers.map(|(name, thing)| format!("{name} {:?}", thing.have)).collect()
    }

    /// Databases, buckets and worktrees that ever were, wherever they are now.
    pub fn data(&self) -> BTreeSet<String> {
        let holds_data = |name: &str| {
            ["database:", "bucket:", "worktree:"].iter().any(|kind| name.contains(kind))
        };
        self.things.keys().filter(|name| holds_data(name)).cloned().collect()
    }

    fn put(&mut self, id: &ResourceId, place: &Place, have: Have) {
        let thing = Thing { mark: Some(id.uid.clone()), have, repo: repo(place) };
        self.things.insert(name(place, id), thing);
    }

    fn is_ours(&self, id: &ResourceId, place: &Place) -> Result<bool, ApplyError> {
        match self.things.get(&name(place, id)) {
            None => Ok(false),
            Some(thing) if thing.is_of(id, place) => Ok(true),
            Some(_) => Err(error(Class::Conflict, format!("{} is not ours", name(place, id)))),
        }
    }
}

/// Where data is that an action is about: without its server nothing can be done.
fn data_place(action: &Action) -> Option<Place> {
    match action {
        Action::Database(action) => Some(database::place(action)),
        Action::Bucket(action) => Some(bucket::place(action)),
        _ => None,
    }
}

fn error(class: Class, message: String) -> ApplyError {
    ApplyError { class, message, part: None }
}
