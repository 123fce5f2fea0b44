//! What is wanted of everything, leaving objects included: accepts documents into the ledger, resolves the
//! live ones, and adds what the ledger knows and nobody wants any more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use agent_harness_model::admission::{self, Known, Turn};
use agent_harness_model::desired::{Desired, DesiredObject, Wanted};
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceKind, Uid};
use agent_harness_model::kinds::{AnyTarget, Place};
use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::resolve::{Facts, Resolution, resolve};
use agent_harness_model::spec::parse::Document;
use agent_harness_model::status::holds_data;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::intake::sources::{Intake, document, slice};
use crate::ledger::{Deletion, Entry, Ledger, LedgerError, ObjectRecord, Origin};

mod generations;
mod policy;
mod standing;

pub use generations::{retained, users, with_rebuilds};
pub use policy::{Unreadable, policy, policy_of};
pub use standing::{Move, Standing, moved, note_moved, standing};

/// Brings the ledger up to date with what is in force: new objects, new generations, new places, and objects
/// that may leave.
pub fn accept(
    ledger: &mut Ledger,
    intake: &Intake,
    retention: SignedDuration,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut records = Vec::new();
    for (key, document) in &intake.documents {
        if intake.held.contains_key(key) {
            continue;
        }
        let (line, text) = slice(document);
        let file = PathBuf::from(document.file.as_ref());
        let commit = intake.commits.iter().find(|(clone, _)| file.starts_with(clone));
        let commit = commit.map(|(_, commit)| commit.clone());
        let origin = Origin { file, line, text, commit };
        let hash = document.hash();
        let record = match ledger.live(key) {
            None => {
                let uid = Uid::new(Uuid::now_v7().to_string());
                let mut record = ObjectRecord::new(key.clone(), uid, now, origin);
                record.spec_hash = hash;
                record
            }
            Some(known) => {
                let mut record = known.clone();
                if record.spec_hash != hash {
                    record.spec_hash = hash;
                    record.generation += 1;
                    record.accepted_at = Some(now);
                }
                record.origin = origin.since(&record.origin);
                record
            }
        };
        records.push(record);
    }
    ledger.save_all(records)?;
    // Agents first: how long one is kept may be said by its Stack, as long as that is there.
    for key in intake.leave.iter().rev() {
        if let Some(uid) = ledger.live(key).map(|record| record.uid.clone()) {
            begin_deletion(ledger, &uid, false, retention, now)?;
        }
    }
    Ok(())
}

/// Notes that an incarnation is to leave; what it made is kept as long as its spec says, else for `retention`. A purge
/// outranks an earlier wish to keep its data.
pub fn begin_deletion(
    ledger: &mut Ledger,
    uid: &Uid,
    purge: bool,
    retention: SignedDuration,
    now: Timestamp,
) -> Result<(), LedgerError> {
    // Where nobody can read how long, it is the usual time.
    let own = ledger.get(uid).and_then(|record| policy_of(ledger, record).ok()).unwrap_or_default();
    let retention = policy::retention(&own, retention);
    let at_once = purge || is_planted(Bug::RetentionIsNothing);
    let until = if at_once { now } else { now.checked_add(retention).unwrap_or(now) };
    ledger.update(uid, |record| match &mut record.deletion {
        Some(deletion) if purge => (deletion.purge, deletion.until) = (true, now),
        Some(_) => {}
        None => {
            record.deletion = Some(Deletion { requested_at: now, purge, trashed_at: None, until });
        }
    })
}

/// The incarnation of every live object.
pub fn uids(ledger: &Ledger) -> BTreeMap<ObjectKey, Uid> {
    ledger
        .records()
        .filter(|record| record.deletion.is_none())
        .map(|record| (record.key.clone(), record.uid.clone()))
        .collect()
}

/// Everything that is wanted, given what is in force and what the ledger knows. Pure.
///
/// A live object that could not be resolved is in the ledger and not in the answer: nothing is done about it.
pub fn assemble(
    documents: &BTreeMap<ObjectKey, Document>,
    ledger: &Ledger,
    facts: &Facts,
    retention: SignedDuration,
    now: Timestamp,
) -> Resolution {
    let mut uids = uids(ledger);
    for (record, _) in still_needed(ledger) {
        uids.entry(record.key.clone()).or_insert_with(|| record.uid.clone());
    }
    let facts = &*with_rebuilds(facts, ledger);
    let mut resolution = resolve(documents, &uids, facts);
    add_connections(&mut resolution, documents, ledger, facts);
    add_known(&mut resolution, documents, ledger, facts, retention, now);
    admit(&mut resolution, ledger, facts);
    resolution
}

/// Adds what the ledger knows: which lives of databases are wanted, and what nobody wants any more. Pure.
pub fn add_known(
    resolution: &mut Resolution,
    documents: &BTreeMap<ObjectKey, Document>,
    ledger: &Ledger,
    facts: &Facts,
    retention: SignedDuration,
    now: Timestamp,
) {
    for record in ledger.records() {
        let key = (record.key.clone(), record.uid.clone());
        if let Some(object) = resolution.desired.objects.get_mut(&key) {
            record.add_lives(object);
            record.add_suspension(object);
        }
        add_leaving(resolution, record, facts, retention, now);
    }
    generations::drop_unused(&mut resolution.desired, documents, ledger, retention, now);
}

/// Refuses the agents that the host has no room for. Pure.
pub fn admit(resolution: &mut Resolution, ledger: &Ledger, facts: &Facts) {
    let has_left =
        |record: &ObjectRecord| record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_some());
    let known = ledger
        .records()
        .filter(|record| record.key.kind == ObjectKind::Agent && !has_left(record))
        .map(|record| {
            let turn = Turn::of(&record.key, record.created_at);
            (record.uid.clone(), Known { turn, given: record.given })
        })
        .collect();
    admission::admit(&mut resolution.desired, &known, facts, &mut resolution.needs);
}

/// Notes what agents were given: they keep it, whatever becomes of the controller.
pub fn note_given(ledger: &mut Ledger, desired: &Desired) -> Result<(), LedgerError> {
    for ((key, uid), object) in &desired.objects {
        if key.kind == ObjectKind::Agent && object.no_room.is_none() && object.is_acted_upon() {
            let given = (!object.asks.is_none()).then_some(object.asks);
            ledger.update(uid, |record| record.given = given)?;
        }
    }
    Ok(())
}

/// Stacks and Infras that are to leave while others that leave still need them: a database cannot move to the
/// trash on a server that was stopped before. Each with those that need it. Pure.
pub fn still_needed(ledger: &Ledger) -> Vec<(&ObjectRecord, Vec<String>)> {
    let is_leaving =
        |record: &&ObjectRecord| record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_none());
    let named = |kind: ObjectKind| -> Vec<String> {
        let of_kind = ledger.records().filter(is_leaving).filter(|it| it.key.kind == kind);
        of_kind.map(|record| record.key.to_string()).collect()
    };
    let (agents, stacks) = (named(ObjectKind::Agent), named(ObjectKind::Stack));
    let users = |record: &ObjectRecord| match record.key.kind {
        ObjectKind::Agent => Vec::new(),
        ObjectKind::Stack => agents.clone(),
        ObjectKind::Infra => agents.iter().chain(&stacks).cloned().collect(),
    };
    ledger
        .records()
        .filter(is_leaving)
        .map(|record| (record, users(record)))
        .filter(|(_, users)| !users.is_empty())
        .collect()
}

/// Adds how the servers of Infras that leave are reached: the buckets of such an Infra leave through them. Pure.
fn add_connections(
    resolution: &mut Resolution,
    documents: &BTreeMap<ObjectKey, Document>,
    ledger: &Ledger,
    facts: &Facts,
) {
    let leaving: Vec<&ObjectRecord> = ledger
        .records()
        .filter(|record| record.key.kind == ObjectKind::Infra && record.deletion.is_some())
        .filter(|record| !documents.contains_key(&record.key))
        .collect();
    if leaving.is_empty() {
        return;
    }
    let uids = leaving.iter().map(|record| (record.key.clone(), record.uid.clone())).collect();
    let documents =
        leaving.iter().filter_map(|record| Some((record.key.clone(), document(record)?))).collect();
    let Resolution { desired, problems: _, needs } = resolve(&documents, &uids, facts);
    resolution.needs.extend(needs);
    resolution.desired.connections.fill_in(&desired.connections);
}

/// Adds what the ledger knows of one object and nobody wants any more, and what has to be looked up to tell it
/// from what is wanted. Pure.
pub fn add_leaving(
    resolution: &mut Resolution,
    record: &ObjectRecord,
    facts: &Facts,
    retention: SignedDuration,
    now: Timestamp,
) {
    let Resolution { desired, needs, .. } = resolution;
    let key = (record.key.clone(), record.uid.clone());
    let object = match &record.deletion {
        Some(_) => desired
            .objects
            .entry(key)
            .or_insert_with(|| DesiredObject { deleting: true, ..DesiredObject::default() }),
        None => match desired.objects.get_mut(&key) {
            Some(object) => object,
            None => return,
        },
    };
    for (local, entry) in &record.resources {
        let id = record.resource_id(local, &entry.place);
        let standing = standing(object, &entry.place, facts, needs);
        if is_planted(Bug::LeavingIsForgotten) && record.deletion.is_none() {
            continue;
        }
        if object.resources.contains_key(&id) || goes_with_its_server(record, &entry.place) {
            continue;
        }
        match standing {
            // Known under another name, from when something else was wanted under this one.
            Standing::Wanted(..) => continue,
            Standing::Unsure => continue,
            Standing::Apart => {}
        }
        let over = match &record.deletion {
            _ if id.kind == ResourceKind::Database && is_copied(record, entry) => false,
            _ if entry.kept.as_ref().is_some_and(|kept| kept.dropped) => true,
            // Its volumes hold data that nobody but a purge removes.
            Some(deletion) if id.kind == ResourceKind::Container => deletion.purge,
            Some(deletion) => deletion.purge || now >= deletion.until || entry.gives_way,
            None if id.kind == ResourceKind::Container => false,
            // See `generations`.
            None if id.kind == ResourceKind::Template => false,
            None if entry.kept.as_ref().is_some_and(|kept| kept.saved) => false,
            None => entry.leaving_since.is_some_and(|since| now.duration_since(since) >= retention),
        };
        let Some(target) = target(id.kind, record.deletion.is_some(), over) else { continue };
        let wanted = Wanted::leaving(target, entry.place.clone());
        object.resources.insert(id, wanted);
    }
}

/// Whether another database is to be cloned from what is kept here.
fn is_copied(record: &ObjectRecord, entry: &Entry) -> bool {
    let is_source = entry.kept.as_ref().is_some_and(|kept| record.is_source(&kept.name));
    record.deletion.is_none() && is_source
}

/// Whether something lies in an embedded server of the same Infra that leaves: it stops, stays and goes with
/// that server, and could not be reached once the server has stopped. Pure.
pub fn goes_with_its_server(record: &ObjectRecord, place: &Place) -> bool {
    let Place::Bucket(bucket) = place else { return false };
    record.deletion.is_some()
        && record.key == ObjectKey::infra(bucket.infra.as_str())
        && record.resources.values().any(|entry| match &entry.place {
            Place::Service(place) => place.name == "objectStore" && place.root.is_some(),
            Place::Container(place) => place.name == "objectStore",
            _ => false,
        })
}

/// What becomes of a resource that nobody wants any more; `None` leaves it as it is for now.
fn target(kind: ResourceKind, whole_object: bool, over: bool) -> Option<AnyTarget> {
    if over {
        return Some(AnyTarget::Gone);
    }
    match kind {
        // Whoever would clone from it has left before its Stack.
        ResourceKind::Template if whole_object => Some(AnyTarget::Gone),
        // Whether it goes is seen by who uses it: see `generations`.
        ResourceKind::Template => None,
        // A server holds what others wrote: it stops, and its data stays as long as theirs.
        ResourceKind::Service | ResourceKind::Container => Some(AnyTarget::Trashed),
        // The object may come back with undelete: what it prepared is still prepared then.
        ResourceKind::File | ResourceKind::Setup if whole_object => Some(AnyTarget::Trashed),
        kind if holds_data(kind) => Some(AnyTarget::Trashed),
        _ => Some(AnyTarget::Gone),
    }
}

/// Whether what a live object does not want any more is put into the trash, and not just removed. Pure.
pub fn is_put_aside(kind: ResourceKind) -> bool {
    target(kind, false, false) == Some(AnyTarget::Trashed)
}

/// Gives what is wanted at another place now (a database of the same name in another Infra, a worktree of
/// another repository at the same path) an entry of its own for the old place, so that what is there can leave.
/// What is wanted at the same place by another name takes that name instead. Says whether anything was found.
pub fn set_apart_moved(
    ledger: &mut Ledger,
    desired: &Desired,
    facts: &Facts,
) -> Result<bool, LedgerError> {
    let moved: Vec<(Uid, Vec<(String, Move)>)> = ledger
        .records()
        .map(|record| (record.uid.clone(), moved(record, desired, facts)))
        .filter(|(_, moved)| !moved.is_empty())
        .collect();
    for (uid, moved) in &moved {
        ledger.update(uid, |record| note_moved(record, moved))?;
    }
    Ok(!moved.is_empty())
}

/// Notes since when resources are no longer wanted, so that their retention can end.
pub fn note_leaving(
    ledger: &mut Ledger,
    desired: &Desired,
    facts: &Facts,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let stale: Vec<(Uid, Vec<(String, bool)>)> = ledger
        .records()
        .filter(|record| record.deletion.is_none())
        .filter_map(|record| {
            let object = desired.objects.get(&(record.key.clone(), record.uid.clone()))?;
            let changes = record
                .resources
                .iter()
                .filter_map(|(local, entry)| note(record, object, local, entry, facts))
                .collect::<Vec<_>>();
            (!changes.is_empty()).then(|| (record.uid.clone(), changes))
        })
        .collect();
    for (uid, changes) in stale {
        ledger.update(&uid, |record| {
            for (local, leaving) in &changes {
                if let Some(entry) = record.resources.get_mut(local) {
                    entry.leaving_since = leaving.then_some(now);
                }
            }
        })?;
    }
    Ok(())
}

/// Whether an entry began to leave, or is wanted again.
fn note(
    record: &ObjectRecord,
    object: &DesiredObject,
    local: &str,
    entry: &Entry,
    facts: &Facts,
) -> Option<(String, bool)> {
    if entry.kept.as_ref().is_some_and(|kept| kept.saved) {
        // A person wants it.
        return None;
    }
    let id = record.resource_id(local, &entry.place);
    let wanted = object.resources.get(&id).is_some_and(|wanted| !wanted.target.leaves());
    let wanted = match standing(object, &entry.place, facts, &mut BTreeSet::new()) {
        // What may be wanted has no retention that runs out.
        Standing::Unsure => return None,
        // It is, be it under another name.
        Standing::Wanted(..) => true,
        Standing::Apart => wanted,
    };
    match (wanted, entry.leaving_since) {
        (false, None) => Some((local.to_owned(), true)),
        (true, Some(_)) => Some((local.to_owned(), false)),
        (false, Some(_)) | (true, None) => None,
    }
}

#[cfg(test)]
mod tests;
