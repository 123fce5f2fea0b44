//! What is wanted, with every choice made: the planner's one input beside what was seen.
//!
//! It is made by `resolve` from what users wrote, and completed with what the ledger knows and nobody
//! wants any more. It is never written to disk: it holds secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::admission::{Amount, Capacity};
use crate::id::{ObjectKey, ResourceId, Uid};
use crate::kinds::service::{PostgresConnection, StoreConnection};
use crate::kinds::{AnyTarget, Need, Place};
use crate::spec::Drift;
use crate::verify::Pipeline;

/// What is wanted of all objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// By identity; during a deletion the leaving incarnation stands beside its successor.
    pub objects: BTreeMap<(ObjectKey, Uid), DesiredObject>,
    /// How the shared servers are reached.
    pub connections: Connections,
}

impl Desired {
    /// What is to become of one resource.
    pub fn wanted(&self, id: &ResourceId) -> Option<&Wanted> {
        self.objects.get(&(id.owner.clone(), id.uid.clone()))?.resources.get(id)
    }
}

/// How the shared servers are reached, by the Infra's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connections {
    /// Postgres servers.
    pub postgres: BTreeMap<String, PostgresConnection>,
    /// Object stores.
    pub stores: BTreeMap<String, StoreConnection>,
}

impl Connections {
    /// Adds the ways to servers that are only in another one.
    pub fn fill_in(&mut self, other: &Self) {
        for (infra, to) in &other.postgres {
            self.postgres.entry(infra.clone()).or_insert_with(|| to.clone());
        }
        for (infra, to) in &other.stores {
            self.stores.entry(infra.clone()).or_insert_with(|| to.clone());
        }
    }
}

/// What is wanted of one incarnation of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DesiredObject {
    /// Nothing is done about it until it is resumed; the reason the user gave.
    pub suspended: Option<String>,
    /// It is leaving.
    pub deleting: bool,
    /// What it asks of the host.
    pub asks: Amount,
    /// How much there is to give to it and the others.
    pub capacity: Capacity,
    /// The host has no room for it: nothing of it is begun or changed; why.
    pub no_room: Option<String>,
    /// What is done about drift.
    pub drift: Drift,
    /// Every resource, wanted or leaving.
    pub resources: BTreeMap<ResourceId, Wanted>,
    /// Ports by name, for status and `ctl url`.
    pub ports: BTreeMap<String, u16>,
    /// URLs by name, for status and `ctl url`.
    pub urls: BTreeMap<String, String>,
    /// What its work is verified with, by `ctl verify`.
    pub verify: Option<Arc<Pipeline>>,
}

impl DesiredObject {
    /// Whether it is to come about: neither suspended nor leaving.
    pub fn is_acted_upon(&self) -> bool {
        self.suspended.is_none() && !self.deleting
    }
}

/// What is to become of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// There, in the trash, or gone.
    pub target: AnyTarget,
    /// Where it is.
    pub place: Place,
    /// What has to be so before anything is done about it.
    pub after: Vec<Dependency>,
    /// Resources whose creation makes this one's last run void: a setup step that prepared a database
    /// has to run again when that database is cloned again.
    pub renewed_by: Vec<ResourceId>,
    /// Where it is asked for: `specs/stack.yaml:12:3`; `None` when nobody asks for it any more.
    pub source: Option<String>,
    /// Where its parts are asked for, by their names: the build steps of a template.
    pub parts: BTreeMap<String, String>,
}

impl Wanted {
    /// A resource that is to be there.
    pub fn present(resource: crate::kinds::Resource) -> Self {
        Self {
            place: resource.place(),
            target: AnyTarget::Present(resource),
            after: Vec::new(),
            renewed_by: Vec::new(),
            source: None,
            parts: BTreeMap::new(),
        }
    }

    /// What nobody asks for any more, and what is to become of it.
    pub fn leaving(target: AnyTarget, place: Place) -> Self {
        Self {
            target,
            place,
            after: Vec::new(),
            renewed_by: Vec::new(),
            source: None,
            parts: BTreeMap::new(),
        }
    }
}

/// What has to be so first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Of which resource; it may belong to another object.
    pub on: ResourceId,
    /// What it has to be.
    pub need: Need,
}
