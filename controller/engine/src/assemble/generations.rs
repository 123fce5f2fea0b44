//! Generations of templates: how one is built anew by hand, and when one that nobody uses goes. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use agent_harness_model::desired::{Desired, Wanted};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::kinds::{AnyTarget, Place, Resource};
use agent_harness_model::resolve::Facts;
use agent_harness_model::spec::parse::{Body, Document};
use jiff::{SignedDuration, Timestamp};

use crate::ledger::{Entry, Ledger, ObjectRecord};

/// The facts with how often the template of each Stack was to be built anew.
pub fn with_rebuilds<'a>(facts: &'a Facts, ledger: &Ledger) -> Cow<'a, Facts> {
    let live = ledger.records().filter(|record| record.deletion.is_none());
    let asked = live.filter(|record| record.rebuilds > 0);
    let rebuilds: BTreeMap<_, _> =
        asked.map(|record| (record.key.clone(), record.rebuilds)).collect();
    if rebuilds.is_empty() {
        return Cow::Borrowed(facts);
    }
    Cow::Owned(Facts { rebuilds, ..facts.clone() })
}

/// Has generations go that nobody wants and no database came from, once their retention has ended.
pub fn drop_unused(
    desired: &mut Desired,
    documents: &BTreeMap<ObjectKey, Document>,
    ledger: &Ledger,
    retention: SignedDuration,
    now: Timestamp,
) {
    if any_unsure(desired, ledger) {
        return;
    }
    let stacks = ledger.records().filter(|record| record.key.kind == ObjectKind::Stack);
    for record in stacks.filter(|record| record.deletion.is_none()) {
        let retention = documents.get(&record.key).and_then(retained).unwrap_or(retention);
        let Some(object) = desired.objects.get_mut(&(record.key.clone(), record.uid.clone()))
        else {
            continue;
        };
        for (local, entry) in &record.resources {
            let id = record.resource_id(local, &entry.place);
            let over = |since: Timestamp| now.duration_since(since) >= retention;
            if !matches!(entry.place, Place::Template(_))
                || object.resources.contains_key(&id)
                || !entry.leaving_since.is_some_and(over)
                || users(ledger, entry).next().is_some()
            {
                continue;
            }
            let wanted = Wanted::leaving(AnyTarget::Gone, entry.place.clone());
            object.resources.insert(id, wanted);
        }
    }
}

/// Whether there is a database of which nobody has noted yet from which generation it came, as an earlier release did.
fn any_unsure(desired: &Desired, ledger: &Ledger) -> bool {
    desired.objects.iter().any(|((_, uid), object)| {
        object.resources.iter().any(|(id, wanted)| {
            let AnyTarget::Present(Resource::Database(want)) = &wanted.target else { return false };
            let entry = ledger.get(uid).and_then(|record| record.resources.get(&id.local()));
            want.template.is_some()
                && entry.is_some_and(|it| it.record.applied.is_some() && it.generation.is_none())
        })
    })
}

/// How long a Stack keeps generations that nobody uses, where it says so.
pub fn retained(document: &Document) -> Option<SignedDuration> {
    let Body::Stack(spec) = &document.body else { return None };
    let retain = spec.database.as_ref()?.template.as_ref()?.retain?;
    SignedDuration::try_from(retain.0).ok()
}

/// Those whose databases came from a generation, or are about to: also what is in the trash.
pub fn users<'a>(ledger: &'a Ledger, entry: &'a Entry) -> impl Iterator<Item = &'a ObjectRecord> {
    // One that never was complete has no users, and one whose hash nobody noted has its name alone.
    let hash = entry.record.applied.as_ref().or(entry.record.intended.as_ref());
    ledger.records().filter(move |record| {
        record.key.kind == ObjectKind::Agent && hash.is_some_and(|hash| record.uses(hash))
    })
}
