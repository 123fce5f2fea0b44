//! What has to be looked at for an object: its own resources, and those of others that it waits for. Pure.

use std::collections::BTreeMap;

use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::AnyTarget;

use crate::core::Core;
use crate::ledger::Ledger;
use crate::observe::Question;
use crate::view::View;

/// The questions about one incarnation.
pub fn about(view: &View, core: &Core, key: &ObjectKey, uid: &Uid) -> Vec<Question> {
    let ledger = core.ledger();
    let mut questions = BTreeMap::new();
    let Some(object) = view.object(key, uid) else { return Vec::new() };
    for (id, wanted) in &object.resources {
        ask(view, &ledger, id, &mut questions);
        for dependency in &wanted.after {
            ask(view, &ledger, &dependency.on, &mut questions);
        }
    }
    questions.into_values().collect()
}

/// The questions about everything.
pub fn about_all(view: &View, core: &Core) -> Vec<Question> {
    let ledger = core.ledger();
    let mut questions = BTreeMap::new();
    for object in view.desired.objects.values() {
        for id in object.resources.keys() {
            ask(view, &ledger, id, &mut questions);
        }
    }
    questions.into_values().collect()
}

fn ask(
    view: &View,
    ledger: &Ledger,
    id: &ResourceId,
    questions: &mut BTreeMap<ResourceId, Question>,
) {
    if questions.contains_key(id) {
        return;
    }
    let Some(wanted) = view.desired.wanted(id) else { return };
    let entry = ledger.get(&id.uid).and_then(|record| record.resources.get(&id.local()));
    questions.insert(
        id.clone(),
        Question {
            id: id.clone(),
            place: wanted.place.clone(),
            want: match &wanted.target {
                AnyTarget::Present(resource) => Some(resource.clone()),
                AnyTarget::Trashed | AnyTarget::Gone => None,
            },
            record: entry.map(|entry| entry.record.clone()).unwrap_or_default(),
        },
    );
}
