//! From an outcome to a status. Pure: the time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::crashes::crashes;
use super::progress::under_way;
use super::seen::seen;
use super::summary::{Summary, Why};
use super::{Blocked, Phase, Status};
use crate::desired::DesiredObject;
use crate::id::{ObjectKey, ResourceId};
use crate::kinds::{Need, Place};
use crate::plan::Hold;
use crate::world::{Class, Fate, Observed, Seen};

/// What came of a reconcile: all that a status is made from.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// What is wanted.
    pub object: &'a DesiredObject,
    /// What was seen last, after the steps.
    pub have: &'a Observed,
    /// What became of the steps that were tried, by resource.
    pub fates: &'a BTreeMap<ResourceId, Fate>,
    /// What is held after that last look.
    pub held: &'a BTreeMap<ResourceId, Hold>,
    /// Resources that still have steps to be done after that last look.
    pub unfinished: &'a [ResourceId],
    /// The generation of the spec.
    pub generation: u64,
    /// What is wrong with the source, when the last good version stays in force.
    pub source_error: Option<&'a str>,
    /// Why a wanted deletion is not carried out.
    pub deletion_blocked: Option<&'a Blocked>,
    /// How the objects stand whose resources this one waits for, as far as that is known.
    pub others: &'a BTreeMap<ObjectKey, Status>,
}

/// The status that follows from an outcome. Conditions keep their time while their status stays the same.
pub fn status(outcome: &Outcome<'_>, previous: Option<&Status>, now: Timestamp) -> Status {
    // Taken apart without `..`: a new field cannot be missed here.
    let Outcome {
        object,
        have,
        fates,
        held,
        unfinished,
        generation,
        source_error,
        deletion_blocked,
        others,
    } = *outcome;
    let mut summary =
        Summary { crashes: crashes(object.resources.keys(), have, previous), ..Summary::default() };
    let source = |id: &ResourceId| object.resources.get(id)?.source.as_deref();
    let source_of_part = |id: &ResourceId, part: Option<&String>| {
        object.resources.get(id)?.parts.get(part?).map(String::as_str)
    };
    for (id, fate) in fates {
        match fate {
            Fate::Done => {}
            Fate::Failed(error) => {
                let source = source_of_part(id, error.part.as_ref()).or(source(id));
                summary.failure(id, error.class, &error.message, source);
            }
            Fate::Blocked { .. } => summary.unsynced = true,
        }
    }
    let hopeless = hopeless(fates, held, others);
    for (id, hold) in held {
        match (stuck_owner(id, hold, others), hold) {
            (Some((owner, status)), _) => summary.behind(owner, status),
            // What it waits for is told, and is not on its way: neither is this.
            (None, Hold::Blocked { by, .. }) if hopeless.contains(by) => summary.unsynced = true,
            (None, hold) => {
                // What is left as it is still is not there.
                let there =
                    matches!(have.get(id), Seen::Known(Some(it)) if it.satisfies(Need::Exists));
                summary.unsynced |= matches!(hold, Hold::Drift(_)) && !there;
                summary.hold(id, hold, source(id), failing_owner(id, hold, others));
            }
        }
    }
    // What failed, or stands behind what failed, is told by that: nobody is about to do it.
    let not_given_up =
        |id: &&ResourceId| !matches!(fates.get(*id), Some(Fate::Failed(_) | Fate::Blocked { .. }));
    for id in unfinished.iter().filter(not_given_up) {
        summary.unsynced = true;
        summary.waits.push(under_way(&id.local()));
    }
    let resources: BTreeMap<_, _> = object
        .resources
        .iter()
        .map(|(id, wanted)| {
            let mut status = seen(&have.get(id), &wanted.target);
            if is_kept(&wanted.place) && status.state == "Trashed" {
                "Kept".clone_into(&mut status.state);
            }
            if let Some(Fate::Failed(error)) = fates.get(id) {
                status.message.clone_from(&error.message);
                status.failed = true;
            } else if let Some(hold) = held.get(id) {
                status.message = hold.to_string();
            }
            (id.local(), status)
        })
        .collect();
    let previously_ready = previous.is_some_and(|status| {
        matches!(status.phase, Phase::Ready | Phase::Degraded)
            && status.observed_generation == generation
    });
    let phase = summary.phase(object, previously_ready);
    let why = Why { source_error, deletion_blocked };
    Status {
        observed_generation: generation,
        phase,
        conditions: summary.conditions(phase, object, why, generation, previous, now),
        urls: object.urls.clone(),
        ports: object.ports.clone(),
        resources,
        verify: None,
        generations: Vec::new(),
    }
}

/// Whether it is what a database was before it was replaced.
fn is_kept(place: &Place) -> bool {
    matches!(place, Place::Database(place) if place.kept.is_some())
}

/// Resources that do not get there by themselves: what is stalled, and whatever waits for that.
fn hopeless<'a>(
    fates: &'a BTreeMap<ResourceId, Fate>,
    held: &'a BTreeMap<ResourceId, Hold>,
    others: &BTreeMap<ObjectKey, Status>,
) -> BTreeSet<&'a ResourceId> {
    let given_up = |fate: &Fate| match fate {
        Fate::Failed(error) => matches!(error.class, Class::Terminal | Class::Conflict),
        // It stands behind what failed: where that is tried again, it is that which is on its way.
        Fate::Blocked { .. } => true,
        Fate::Done => false,
    };
    let stalled = |(id, hold): (&ResourceId, &Hold)| {
        matches!(hold, Hold::Stalled(_) | Hold::Conflict(_))
            || stuck_owner(id, hold, others).is_some()
    };
    let failed = fates.iter().filter(|(_, fate)| given_up(fate)).map(|(id, _)| id);
    let mut hopeless: BTreeSet<_> = failed.collect();
    hopeless.extend(held.iter().filter(|(id, hold)| stalled((id, hold))).map(|(id, _)| id));
    loop {
        let behind =
            |hold: &Hold| matches!(hold, Hold::Blocked { by, .. } if hopeless.contains(by));
        let more: Vec<_> = held
            .iter()
            .filter(|(id, hold)| !hopeless.contains(id) && behind(hold))
            .map(|(id, _)| id)
            .collect();
        if more.is_empty() {
            return hopeless;
        }
        hopeless.extend(more);
    }
}

/// The object that has to get going before this resource can, and tries something that did not work so far.
fn failing_owner<'a>(
    id: &ResourceId,
    hold: &'a Hold,
    others: &BTreeMap<ObjectKey, Status>,
) -> Option<&'a ObjectKey> {
    let Hold::Blocked { by, .. } = hold else { return None };
    let status = others.get(&by.owner).filter(|_| by.owner != id.owner)?;
    status.resources.values().any(|resource| resource.failed).then_some(&by.owner)
}

/// The object that has to get going before this resource can, and does not do so by itself.
fn stuck_owner<'a>(
    id: &ResourceId,
    hold: &'a Hold,
    others: &'a BTreeMap<ObjectKey, Status>,
) -> Option<(&'a ObjectKey, &'a Status)> {
    let Hold::Blocked { by, .. } = hold else { return None };
    let status = others.get(&by.owner).filter(|_| by.owner != id.owner)?;
    status.is_stuck().then_some((&by.owner, status))
}

/// The status of an object whose spec cannot be resolved. Nothing is done about it, so what was last seen of it
/// still stands.
pub fn unresolved(
    generation: u64,
    problem: &str,
    previous: Option<&Status>,
    now: Timestamp,
) -> Status {
    let summary =
        Summary { unsynced: true, stalled: vec![problem.to_owned()], ..Summary::default() };
    let object = DesiredObject::default();
    let phase = summary.phase(&object, false);
    let why = Why { source_error: Some(problem), deletion_blocked: None };
    Status {
        observed_generation: generation,
        phase,
        conditions: summary.conditions(phase, &object, why, generation, previous, now),
        urls: previous.map(|status| status.urls.clone()).unwrap_or_default(),
        ports: previous.map(|status| status.ports.clone()).unwrap_or_default(),
        resources: previous.map(|status| status.resources.clone()).unwrap_or_default(),
        verify: None,
        generations: Vec::new(),
    }
}
