//! One record of the ledger: the form on disk. New fields get a default, so that old files stay readable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use agent_harness_model::admission::Amount;
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::hash;
use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::Place;
use agent_harness_model::world::Record;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::lives::{Kept, Life};

/// All that is remembered of one incarnation of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRecord {
    /// Its identity.
    pub key: ObjectKey,
    /// Its incarnation.
    pub uid: Uid,
    /// Counts the changes of its spec's meaning, from 1.
    pub generation: u64,
    /// Hash of the spec that `generation` counts.
    #[serde(default)]
    pub spec_hash: String,
    /// When it was first accepted.
    pub created_at: Timestamp,
    /// When the spec of now was accepted, where that is not the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// The last spec that was accepted.
    pub origin: Origin,
    /// What was begun for it, by `kind/name`.
    #[serde(default)]
    pub resources: BTreeMap<String, Entry>,
    /// What the host has given it of what it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Amount>,
    /// Of a Stack: how often its template was asked to be built anew by hand.
    #[serde(default, skip_serializing_if = "is_none")]
    pub rebuilds: u32,
    /// Since when nothing is done about it, by `ctl suspend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// Set once it is to leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Deletion>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks like this")]
fn is_none(number: &u32) -> bool {
    *number == 0
}

/// Where a spec was read, and its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The file.
    pub file: PathBuf,
    /// The line on which the document begins.
    pub line: usize,
    /// The document, as the user wrote it.
    pub text: String,
    /// Of one from a Git repository: the commit that it was first read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Origin {
    /// The same, with the commit of an earlier one where nothing else of it is different.
    pub fn since(mut self, earlier: &Self) -> Self {
        let commit = self.commit.take();
        let same =
            (&self.file, self.line, &self.text) == (&earlier.file, earlier.line, &earlier.text);
        let kept = same.then(|| earlier.commit.clone()).flatten();
        Self { commit: if commit.is_some() { kept.or(commit) } else { None }, ..self }
    }
}

/// One resource that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Where it is.
    pub place: Place,
    /// What was applied there.
    #[serde(default)]
    pub record: Record,
    /// Since when the object does not want it any more; its retention counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_since: Option<Timestamp>,
    /// Of a database: the template generation that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Of a database: which of its lives is wanted; `None`: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Life>,
    /// It is what a database was in an earlier life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// It goes before its time: the disk is nearly full, and all of it is elsewhere as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gives_way: bool,
}

impl Entry {
    /// Of something at a place, of which nothing else is known yet.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            record: Record::default(),
            leaving_since: None,
            generation: None,
            life: None,
            kept: None,
            gives_way: false,
        }
    }
}

/// That an object is to leave, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deletion {
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Destroy its data at once.
    pub purge: bool,
    /// When all of it had left or was in the trash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trashed_at: Option<Timestamp>,
    /// Until when it can be brought back.
    pub until: Timestamp,
}

impl ObjectRecord {
    /// A new incarnation with nothing made for it yet.
    pub fn new(key: ObjectKey, uid: Uid, created_at: Timestamp, origin: Origin) -> Self {
        Self {
            key,
            uid,
            generation: 1,
            spec_hash: String::new(),
            created_at,
            accepted_at: None,
            origin,
            resources: BTreeMap::new(),
            given: None,
            rebuilds: 0,
            suspended_at: None,
            deletion: None,
        }
    }

    /// It stays after all, with what is there of it still.
    pub fn come_back(&mut self) {
        self.deletion = None;
        for entry in self.resources.values_mut() {
            entry.gives_way = false;
            // Until its worktree is back it is not there, and nobody has removed it.
            if matches!(entry.place, Place::File(_)) && entry.record.applied.is_some() {
                entry.record.intended = entry.record.applied.take();
            }
        }
    }

    /// Adds that nothing is to be done about it.
    pub fn add_suspension(&self, object: &mut DesiredObject) {
        if let Some(at) = self.suspended_at {
            let since = at.strftime("%Y-%m-%d %H:%M UTC");
            let name = &self.key.name;
            let why = || format!("by `ctl suspend` since {since}; `ctl resume {name}` goes on");
            object.suspended.get_or_insert_with(why);
        }
    }

    /// The entry of a resource that is about to be acted upon at `place`.
    ///
    /// A name does not say where a thing is, a file's in which worktree: one that is somewhere else keeps an
    /// entry of its own, so that it can still be removed.
    pub fn claim(&mut self, local: &str, place: &Place) -> &mut Entry {
        self.set_apart(local, place);
        let entry =
            self.resources.entry(local.to_owned()).or_insert_with(|| Entry::new(place.clone()));
        entry.place = place.clone();
        entry
    }

    /// Gives what an entry says to be elsewhere than at `place` an entry of its own; what was set apart before
    /// and is at `place` gets its old one back.
    pub fn set_apart(&mut self, local: &str, place: &Place) {
        let is_there = |entry: &Entry| entry.place.is_same_thing(place);
        if self.resources.get(local).is_some_and(is_there) {
            return;
        }
        if let Some(old) = self.resources.remove(local) {
            let tag = hash::content(format!("{:?}", old.place).as_bytes());
            self.resources.insert(format!("{local}@{}", tag.get(2..10).unwrap_or(&tag)), old);
        }
        let apart = format!("{local}@");
        let back = self
            .resources
            .iter()
            .find(|(name, entry)| name.starts_with(&apart) && is_there(entry))
            .map(|(name, _)| name.clone());
        if let Some(entry) = back.and_then(|name| self.resources.remove(&name)) {
            self.resources.insert(local.to_owned(), Entry { leaving_since: None, ..entry });
        }
    }

    /// Takes what an entry is about for what is called `local` and is at `place`: it is the same thing, by another
    /// name.
    pub fn rename(&mut self, old: &str, local: &str, place: &Place) {
        let Some(entry) = self.resources.remove(old) else { return };
        self.set_apart(local, place);
        let entry = self.resources.entry(local.to_owned()).or_insert(entry);
        entry.place = place.clone();
        entry.leaving_since = None;
    }

    /// The full id of one of its resources, from `kind/name`.
    pub fn resource_id(&self, local: &str, place: &Place) -> ResourceId {
        let name = local.split_once('/').map_or(local, |(_, name)| name);
        ResourceId {
            owner: self.key.clone(),
            uid: self.uid.clone(),
            kind: place.kind(),
            name: name.to_owned(),
        }
    }
}
