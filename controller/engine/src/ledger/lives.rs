//! The lives of a database, as the ledger keeps them: which one is wanted, and what is kept of those before.
//!
//! What was asked for is written here before anything is done about it. So it is on record and comes about, whatever
//! becomes of the controller; or it is not, and nothing has happened.

use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::ResourceKind;
use agent_harness_model::kinds::{AnyTarget, Place, Resource, database};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::{Entry, ObjectRecord};

/// The life that is wanted of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Life {
    /// Tells it from the others.
    pub id: String,
    /// The name under which the one before is kept.
    pub aside: String,
    /// A person named it: it is kept until it is deleted. What was only replaced goes after its retention.
    #[serde(default)]
    pub saved: bool,
    /// The kept database that it is cloned from; `None`: from the template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<String>,
    /// What was prepared in the one before is to be prepared anew.
    pub renews: bool,
    /// It was seen to have come about. Should it ever be missing, it comes from the template again.
    #[serde(default)]
    pub done: bool,
}

/// That an entry is about what a database was in an earlier life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Since when it is kept.
    pub at: Timestamp,
    /// Until it is deleted; else until its retention ends.
    #[serde(default)]
    pub saved: bool,
    /// It is to be destroyed.
    #[serde(default)]
    pub dropped: bool,
}

/// How the ledger calls what is kept of a database: `database/agent_3:before-fix`.
pub fn kept_as(local: &str, name: &str) -> String {
    format!("{local}:{name}")
}

impl ObjectRecord {
    /// All that is kept of databases, with where it is: also of one that had another name, or was in another Infra.
    pub fn kept(&self) -> impl Iterator<Item = (&String, &Entry, &Kept, &database::Place)> {
        self.resources.iter().filter_map(|(local, entry)| match (&entry.kept, &entry.place) {
            (Some(kept), Place::Database(place)) => Some((local, entry, kept, place)),
            _ => None,
        })
    }

    /// Notes that what a database is now is about to be kept, and what takes its place.
    pub fn note_replaced(&mut self, local: &str, want: &database::Desired, now: Timestamp) {
        let Some(entry) = self.resources.get(local) else { return };
        let Some(life) = &entry.life else { return };
        let kept = Entry {
            generation: entry.generation.clone(),
            leaving_since: (!life.saved).then_some(now),
            kept: Some(Kept {
                name: life.aside.clone(),
                at: now,
                saved: life.saved,
                dropped: false,
            }),
            ..Entry::new(Place::Database(want.place.kept_as(&life.aside)))
        };
        let name = kept_as(local, &life.aside);
        self.resources.entry(name).or_insert(kept);
    }

    /// Whether a database of this template generation is there, or about to be made.
    pub fn uses(&self, generation: &str) -> bool {
        let of_it = |entry: &Entry| entry.generation.as_deref() == Some(generation);
        self.resources.values().any(|entry| of_it(entry) && entry.kept.is_none())
    }

    /// Whether a kept database is what another one is being cloned from.
    pub fn is_source(&self, name: &str) -> bool {
        let lives = self.resources.values().filter_map(|entry| entry.life.as_ref());
        lives.filter(|life| !life.done).any(|life| life.copy.as_deref() == Some(name))
    }

    /// Has each database be in the life that is wanted of it.
    pub fn add_lives(&self, object: &mut DesiredObject) {
        for (local, entry) in &self.resources {
            let Some(life) = &entry.life else { continue };
            let id = self.resource_id(local, &entry.place);
            let Some(wanted) = object.resources.get_mut(&id) else { continue };
            let AnyTarget::Present(Resource::Database(want)) = &wanted.target else { continue };
            if !entry.place.is_same_thing(&wanted.place) {
                continue;
            }
            let life = self.life(entry, life, &want.place);
            if life.copy.is_some() {
                // It needs no template, and waits for none.
                wanted.after.retain(|dependency| dependency.on.kind != ResourceKind::Template);
            }
            let want = database::Desired { life: Some(life), ..(**want).clone() };
            wanted.target = AnyTarget::Present(Resource::Database(Arc::new(want)));
        }
    }

    fn life(&self, entry: &Entry, life: &Life, place: &database::Place) -> database::Life {
        let copy = life.copy.as_ref().filter(|_| !life.done).map(|name| {
            let copy = place.kept_as(name);
            let of_kept = self.kept().find(|(.., place)| **place == copy);
            // Its own, while what is there is about to be kept under this name.
            let from = of_kept.map_or(entry, |(_, entry, ..)| entry);
            database::Copy { place: copy, generation: from.generation.clone() }
        });
        database::Life {
            id: life.id.clone(),
            aside: place.kept_as(&life.aside),
            renews: life.renews || copy.is_none(),
            copy,
        }
    }
}
