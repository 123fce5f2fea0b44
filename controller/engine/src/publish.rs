//! What others learn of a reconcile: status file, events, watchers, and the objects that wait for this one.
//! Nothing is written that means nothing new.

use std::collections::BTreeMap;

use agent_harness_model::api::{Object, ObjectMeta, Severity};
use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::plan::{Hold, Plan, Step, StepId};
use agent_harness_model::spec::API_VERSION;
use agent_harness_model::spec::node::Node;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_model::spec::schema::kind_name;
use agent_harness_model::status::{
    ConditionType, Phase, Status, Truth, unresolved as unresolved_status,
};
use agent_harness_model::world::Fate;
use jiff::Timestamp;

use crate::core::{Core, Job, News};
use crate::facts::chain;
use crate::intent::Left;
use crate::ledger::ObjectRecord;
use crate::queue::Done;
use crate::status_files::StatusFiles;
use crate::view::View;

/// What came of a reconcile.
#[derive(Debug)]
pub struct Report<'a> {
    /// Of which object.
    pub key: &'a ObjectKey,
    /// Of which incarnation.
    pub uid: &'a Uid,
    /// Its record, unless the ledger has forgotten it.
    pub record: Option<ObjectRecord>,
    /// How far it has left.
    pub left: Left,
    /// What is to be said about it.
    pub status: Status,
}

/// Tells of one step.
pub fn step(core: &Core, step: &Step, fate: &Fate) {
    let key = &step.resource.owner;
    let what = format!("{} {}", step.resource.local(), step.action);
    match fate {
        Fate::Done => core.event(key, Severity::Normal, "Done", format!("{what}: {}", step.cause)),
        Fate::Failed(error) => {
            tracing::warn!(object = %key, "{what}: {error}");
            core.event(key, Severity::Warning, "Failed", format!("{what}: {error}"));
        }
        Fate::Blocked { .. } => {}
    }
}

/// Tells how far a step under way is: in the history what is new, in the status also that time passes.
pub fn progress(core: &Core, of: &ResourceId, text: &str, news: bool) {
    let key = &of.owner;
    if news {
        core.event(key, Severity::Normal, "Progress", format!("{} {text}", of.local()));
    }
    if note_progress(&mut core.statuses(), of, text) {
        tell(core, &core.view(), key);
    }
}

/// Under one lock: a status that a reconcile makes meanwhile is the later one.
fn note_progress(statuses: &mut StatusFiles, of: &ResourceId, text: &str) -> bool {
    let known = statuses.get(&of.owner).filter(|object| object.metadata.uid == of.uid);
    let Some(mut object) = known.cloned() else { return false };
    let told = object.status.as_mut().is_some_and(|status| status.tell_progress(of, text));
    told && statuses.write(&of.owner, object)
}

/// Tells of what is not as a user may expect, once: the history knows what was told.
pub fn warnings(core: &Core, key: &ObjectKey, warnings: Vec<String>) {
    const REASON: &str = "Unsupported";
    if warnings.is_empty() {
        return;
    }
    let told = core.events.list(Some(key));
    for warning in warnings {
        if !told.iter().any(|event| event.reason == REASON && event.message == warning) {
            core.event(key, Severity::Warning, REASON, warning);
        }
    }
}

/// Tells of what steps met that a person should know of, each time.
pub fn notices(core: &Core, key: &ObjectKey, notices: Vec<(&'static str, String)>) {
    for (reason, message) in notices {
        tracing::warn!(object = %key, "{message}");
        core.event(key, Severity::Warning, reason, message);
    }
}

/// Tells what somebody changed or removed, before it is put right.
pub fn drift(core: &Core, plan: &Plan, withheld: &BTreeMap<StepId, Fate>) {
    let is_tried = |id: &ResourceId| {
        plan.steps.iter().any(|step| step.resource == *id && !withheld.contains_key(&step.id))
    };
    for (id, what) in plan.drifted.iter().filter(|(id, _)| is_tried(id)) {
        let message = format!("{} {what}: it is put right", id.local());
        tracing::warn!(object = %id.owner, "{message}");
        core.event(&id.owner, Severity::Warning, "Drifted", message);
    }
}

/// Tells of a reconcile.
pub fn write(core: &Core, view: &View, report: Report<'_>) {
    let Report { key, uid, record, left, status } = report;
    match (left, record) {
        (Left::Wanted, Some(record)) => return put(core, view, &record, status),
        (Left::Leaving, Some(record)) if !speaks_another(core, key, uid, false) => {
            return put(core, view, &record, status);
        }
        (Left::Leaving | Left::Wanted, _) => {}
        (Left::Trashed | Left::Gone, _) if speaks_another(core, key, uid, true) => {}
        (Left::Trashed, _) => {
            remove(core, view, key, "in the trash; `ctl undelete` brings it back");
        }
        (Left::Gone, _) => remove(core, view, key, "gone for good"),
    }
    match left {
        Left::Gone => core.forget_look(key, uid),
        Left::Wanted | Left::Leaving | Left::Trashed => {
            if note_look(core, view, key, uid) {
                tell(core, view, key);
            }
        }
    }
}

/// Notes a look, and says whether it is news: the first one is, even where it found what an earlier controller wrote
/// down, and so is one that finds an object as it was though something else is wanted of it.
fn note_look(core: &Core, view: &View, key: &ObjectKey, uid: &Uid) -> bool {
    let first = core.note_look(key, uid);
    let speaks = core.ledger().live(key).is_none_or(|live| live.uid == *uid);
    (speaks && core.note_told(key, view)) || first
}

/// How the objects stand whose resources hold something back, as far as they were looked at as they are now.
pub fn holders(core: &Core, held: &BTreeMap<ResourceId, Hold>) -> BTreeMap<ObjectKey, Status> {
    let status = |by: &ResourceId| {
        let generation = core.ledger().get(&by.uid)?.generation;
        let object = core.statuses().get(&by.owner)?.clone();
        let its = object.metadata.uid == by.uid
            && core.was_looked_at(&by.owner, &by.uid)
            && !core.is_outdated(&by.owner);
        let status = object.status.filter(|it| its && it.observed_generation >= generation)?;
        Some((by.owner.clone(), status))
    };
    let holder = |(id, hold): (&ResourceId, &Hold)| match hold {
        Hold::Blocked { by, .. } if by.owner != id.owner => status(by),
        _ => None,
    };
    held.iter().filter_map(holder).collect()
}

/// An object that is in the ledger and could not be resolved: nothing is done about it, and it is told why.
pub fn unresolved(core: &Core, view: &View, key: &ObjectKey, uid: &Uid) -> Done {
    let Some(record) = core.ledger().get(uid).cloned() else { return Done::Settled };
    let problems = view.problems_of(key).join("\n");
    let previous = core.statuses().get(key).and_then(|object| object.status.clone());
    let status =
        unresolved_status(record.generation, &problems, previous.as_ref(), Timestamp::now());
    put(core, view, &record, status);
    Done::Settled
}

/// An object that was never accepted: only a file speaks of it, and something is wrong with that.
pub fn unaccepted(core: &Core, view: &View, key: &ObjectKey) -> Done {
    let problems = view.problems_of(key);
    let Some(problem) = view.problem_in(key) else {
        remove(core, view, key, "gone");
        core.note_told(key, view);
        return Done::Settled;
    };
    let before = core.statuses().get(key).cloned();
    let previous = before.as_ref().and_then(|object| object.status.as_ref());
    let now = Timestamp::now();
    let object = Object {
        api_version: API_VERSION.to_owned(),
        kind: kind_name(key.kind).to_owned(),
        metadata: ObjectMeta {
            name: key.name.clone(),
            uid: Uid::new(""),
            generation: 0,
            creation_timestamp: before.as_ref().map_or(now, |it| it.metadata.creation_timestamp),
            deletion_timestamp: None,
            source: problem.place.as_ref().map_or_else(
                || problem.file.clone(),
                |place| format!("{}:{}", place.file, place.line),
            ),
            commit: None,
            labels: BTreeMap::new(),
        },
        spec: serde_json::Value::Object(serde_json::Map::new()),
        status: Some(unresolved_status(0, &problems.join("\n"), previous, now)),
        outdated: false,
    };
    store(core, view, key, object);
    Done::Settled
}

/// Whether another incarnation speaks for the object: a younger one, or with `any` also an older one, that is
/// not in the trash. Many may lie there.
fn speaks_another(core: &Core, key: &ObjectKey, uid: &Uid, any: bool) -> bool {
    core.ledger().records().any(|other| {
        let trashed = other.deletion.as_ref().is_some_and(|it| it.trashed_at.is_some());
        other.key == *key && !trashed && if any { other.uid != *uid } else { other.uid > *uid }
    })
}

/// Tells what a run of a verify pipeline came to.
pub fn verified(core: &Core, record: &ObjectRecord) {
    let known =
        core.statuses().get(&record.key).filter(|it| it.metadata.uid == record.uid).cloned();
    // Who has no status yet gets one by the first look, with this in it.
    let Some(mut object) = known else { return };
    let Some(status) = &mut object.status else { return };
    status.verify = core.verifies.last(&record.uid).map(|report| report.summary());
    if core.statuses().write(&record.key, object) {
        tell(core, &core.view(), &record.key);
    }
}

fn put(core: &Core, view: &View, record: &ObjectRecord, mut status: Status) {
    status.verify = core.verifies.last(&record.uid).map(|report| report.summary());
    store(core, view, &record.key, object(view, record, Some(status)));
}

/// An object as others see it.
fn object(view: &View, record: &ObjectRecord, status: Option<Status>) -> Object {
    let document = document(view, record);
    let spec = document.as_ref().and_then(|document| document.node.get("spec")).map(Node::to_json);
    Object {
        api_version: API_VERSION.to_owned(),
        kind: kind_name(record.key.kind).to_owned(),
        metadata: ObjectMeta {
            name: record.key.name.clone(),
            uid: record.uid.clone(),
            generation: record.generation,
            creation_timestamp: record.created_at,
            deletion_timestamp: record.deletion.as_ref().map(|deletion| deletion.requested_at),
            source: format!("{}:{}", record.origin.file.display(), record.origin.line),
            commit: record.origin.commit.clone(),
            labels: document.map(|document| document.metadata.labels).unwrap_or_default(),
        },
        spec: spec.unwrap_or_default(),
        status,
        outdated: false,
    }
}

/// All objects as others see them: with the spec of now, and the status of the last look since the start.
pub fn objects(core: &Core) -> BTreeMap<ObjectKey, Object> {
    // Asked before the statuses: one that is made meanwhile passes for outdated, never the other way round.
    let outdated = core.outdated();
    let known: Vec<_> =
        core.statuses().all().map(|(key, object)| (key.clone(), object.clone())).collect();
    let mut objects: BTreeMap<_, _> =
        known.into_iter().map(|(key, object)| (key, without_hearsay(core, object))).collect();
    let view = core.view();
    for record in core.ledger().records().filter(|record| record.deletion.is_none()) {
        let known = objects.remove(&record.key);
        objects.insert(record.key.clone(), object(&view, record, own_status(record, known)));
    }
    for record in core.ledger().records().filter(|record| is_purged(record)) {
        objects.entry(record.key.clone()).or_insert_with(|| object(&view, record, None));
    }
    for (key, object) in &mut objects {
        object.outdated = outdated.contains(key);
    }
    objects
}

/// One object as others see it.
pub fn one(core: &Core, key: &ObjectKey) -> Option<Object> {
    let live = core.ledger().live(key).cloned();
    if let Some(record) = live {
        return Some(incarnation(core, &record));
    }
    let outdated = core.is_outdated(key);
    let now = known(core, key).or_else(|| {
        let going = core.ledger().records().find(|it| it.key == *key && is_purged(it)).cloned();
        Some(object(&core.view(), &going?, None))
    })?;
    Some(Object { outdated, ..now })
}

/// One incarnation of an object as others see it, whether or not it speaks for its name.
pub fn incarnation(core: &Core, record: &ObjectRecord) -> Object {
    let outdated = core.is_outdated(&record.key);
    let now = object(&core.view(), record, own_status(record, known(core, &record.key)));
    Object { outdated, ..now }
}

/// An object as its last status says.
fn known(core: &Core, key: &ObjectKey) -> Option<Object> {
    let known = core.statuses().get(key).cloned();
    known.map(|object| without_hearsay(core, object))
}

/// Whether it is on its way out of the trash: it is there again until it is gone for good.
fn is_purged(record: &ObjectRecord) -> bool {
    record.deletion.as_ref().is_some_and(|deletion| deletion.purge)
}

/// An object without the status that an earlier controller left: nobody has looked whether it is still so.
fn without_hearsay(core: &Core, object: Object) -> Object {
    let looked_at = object.key().is_some_and(|key| core.was_looked_at(&key, &object.metadata.uid));
    if looked_at { object } else { Object { status: None, ..object } }
}

/// The status, unless it is that of another incarnation of the same name.
fn own_status(record: &ObjectRecord, known: Option<Object>) -> Option<Status> {
    known.filter(|object| object.metadata.uid == record.uid).and_then(|object| object.status)
}

/// The document in force, as the user wrote it.
fn document(view: &View, record: &ObjectRecord) -> Option<Document> {
    let live = record.deletion.is_none().then(|| view.intake.documents.get(&record.key)).flatten();
    live.cloned().or_else(|| {
        let parsed =
            parse(&record.origin.file.display().to_string(), record.origin.text.as_bytes());
        parsed.documents.into_iter().find(|document| document.key == record.key)
    })
}

fn store(core: &Core, view: &View, key: &ObjectKey, object: Object) {
    let before = core.statuses().get(key).and_then(|object| object.status.clone());
    let (uid, after) = (object.metadata.uid.clone(), object.status.clone());
    let written = core.statuses().write(key, object);
    // Noted before it is told: a status that nobody seems to have looked for says nothing.
    if note_look(core, view, key, &uid) || written {
        tell(core, view, key);
    }
    // Those who wait first, then the history.
    if written {
        tell_phase(core, key, before.as_ref(), after.as_ref());
    }
}

fn remove(core: &Core, view: &View, key: &ObjectKey, how: &str) {
    let known = core.statuses().get(key).is_some();
    let was_there = core.statuses().remove(key).unwrap_or_else(|error| {
        tracing::warn!("the status file of {key} stays: {}", chain(&error));
        known
    });
    if was_there {
        core.event(key, Severity::Normal, "Deleted", how);
        tell(core, view, key);
    }
}

fn tell(core: &Core, view: &View, key: &ObjectKey) {
    // Nobody listening is fine.
    let _ = core.news.send(News(key.clone()));
    for dependant in view.dependants(key) {
        core.queue.add(Job::Object(dependant.clone()), std::time::Duration::ZERO);
    }
}

fn tell_phase(core: &Core, key: &ObjectKey, before: Option<&Status>, after: Option<&Status>) {
    let Some(after) = after else { return };
    let source = |status: &Status| {
        status
            .condition(ConditionType::SourceValid)
            .filter(|condition| condition.status == Truth::False)
            .map(|condition| condition.message.clone())
    };
    if let Some(problem) = source(after)
        && before.and_then(source).as_ref() != Some(&problem)
    {
        core.event(key, Severity::Warning, "SourceInvalid", problem);
    }
    let drift = |status: &Status| {
        let condition = status.condition(ConditionType::Drifted);
        condition.map(|it| it.message.clone()).filter(|message| !message.is_empty())
    };
    if let Some(what) = drift(after).filter(|what| before.and_then(drift).as_ref() != Some(what)) {
        core.event(key, Severity::Warning, "Drifted", what);
    }
    if before.map(|status| status.phase) == Some(after.phase) {
        return;
    }
    let severity = match after.phase {
        Phase::Degraded | Phase::Stalled => Severity::Warning,
        Phase::Pending | Phase::Progressing | Phase::Ready | Phase::Suspended | Phase::Deleting => {
            Severity::Normal
        }
    };
    let why =
        after.condition(ConditionType::Ready).map(|it| it.message.clone()).unwrap_or_default();
    core.event(key, severity, &after.phase.to_string(), why);
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::ResourceKind;
    use serde_json::json;

    use super::*;
    use crate::core::Config;

    fn core(folder: &std::path::Path) -> Core {
        Core::open(Config::new(folder.join("specs"), folder.join("state")).unwrap()).unwrap()
    }

    #[test]
    fn what_a_server_does_not_offer_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let core = core(folder.path());
        let key = ObjectKey::agent("agent-1");
        let text = "bucket/agent-1: the object store does not support cors: it has no effect";
        for _ in 0..2 {
            warnings(&core, &key, vec![text.to_owned()]);
        }
        core.event(&key, Severity::Normal, "Ready", "");
        warnings(&core, &key, vec![text.to_owned()]);
        let told = core
            .events
            .list(Some(&key))
            .into_iter()
            .map(|event| (event.severity, event.reason, event.message, event.count));
        let ready = (Severity::Normal, "Ready".to_owned(), String::new(), 1);
        let warning = (Severity::Warning, "Unsupported".to_owned(), text.to_owned(), 1);
        assert_eq!(told.collect::<Vec<_>>(), [warning, ready]);
    }

    #[test]
    fn a_download_is_seen_in_the_status_and_its_begin_and_end_in_the_history() {
        let folder = tempfile::tempdir().unwrap();
        let core = core(folder.path());
        let key = ObjectKey::infra("shared");
        let object: Object = serde_json::from_value(json!({
            "apiVersion": API_VERSION,
            "kind": "Infra",
            "metadata": {
                "name": "shared",
                "uid": "u-00000001",
                "generation": 1,
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "source": "shared.yaml:1",
            },
            "spec": {},
            "status": {
                "observedGeneration": 1,
                "phase": "Progressing",
                "conditions": [{
                    "type": "Progressing",
                    "status": "True",
                    "reason": "Working",
                    "message": "service/postgres is under way",
                    "observedGeneration": 1,
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }],
            },
        }))
        .unwrap();
        core.statuses().write(&key, object);
        let of = ResourceId {
            owner: key.clone(),
            uid: Uid::new("u-00000001"),
            kind: ResourceKind::Service,
            name: "postgres".to_owned(),
        };
        progress(&core, &of, "fetching it", true);
        progress(&core, &of, "fetching it, for 1 s", false);
        let message = || {
            let status = core.statuses().get(&key).unwrap().status.clone().unwrap();
            status.condition(ConditionType::Progressing).unwrap().message.clone()
        };
        assert_eq!(message(), "service/postgres is under way: fetching it, for 1 s");
        // Another incarnation's is no news of this one.
        progress(&core, &ResourceId { uid: Uid::new("u-00000002"), ..of }, "fetching more", false);
        assert_eq!(message(), "service/postgres is under way: fetching it, for 1 s");
        let told: Vec<_> =
            core.events.list(Some(&key)).into_iter().map(|event| event.message).collect();
        assert_eq!(told, ["service/postgres fetching it"]);
    }
}
