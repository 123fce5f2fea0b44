//! What the ledger is told in the course of a reconcile: what is about to be done, what was done, and what is
//! no more. One write each, and none when nothing changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use agent_harness_model::api::Severity;
use agent_harness_model::desired::{Desired, DesiredObject, Wanted};
use agent_harness_model::id::{ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::{
    Action, AnyTarget, Have, Place, Resource, bucket, container, database, process, service,
    worktree,
};
use agent_harness_model::plan::{Plan, Step, StepId};
use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::world::{Fate, Observed, Seen};
use jiff::Timestamp;

use crate::assemble::is_put_aside;
use crate::core::{Core, Job};
use crate::intake::servers::lies_in;
use crate::ledger::{Ledger, LedgerError, Life, ObjectRecord, kept_as};
use crate::leftovers;

/// How far an incarnation has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is wanted.
    Wanted,
    /// It is on its way out.
    Leaving,
    /// All that it had is gone or in the trash.
    Trashed,
    /// Nothing is left of it, and the ledger has forgotten it.
    Gone,
}

/// Adds what the user ordered: what runs as wanted, and is to be started anew all the same.
pub fn add_orders(
    plan: &mut Plan,
    object: &DesiredObject,
    have: &Observed,
    orders: &BTreeSet<ResourceId>,
) {
    let acted_upon = object.suspended.is_none() && object.no_room.is_none();
    for id in orders.iter().filter(|_| acted_upon) {
        let Some(AnyTarget::Present(want)) = object.resources.get(id).map(|it| &it.target) else {
            continue;
        };
        let planned = plan.steps.iter().any(|step| step.resource == *id);
        let action = match have.get(id) {
            Seen::Known(Some(have)) => anew(want, have),
            Seen::Known(None) | Seen::Unknown(_) => None,
        };
        let Some(action) = action.filter(|_| !planned) else { continue };
        plan.held.remove(id);
        plan.steps.push(Step {
            id: plan.steps.len() + 1,
            resource: id.clone(),
            action,
            cause: "its restart was asked for".into(),
            after: Vec::new(),
        });
    }
}

/// How something is started anew; `None` while there is nothing to stop, for then the plan itself says what to do.
fn anew(want: &Resource, have: &Have) -> Option<Action> {
    match (want, have) {
        (
            Resource::Process(want),
            Have::Process(process::Observed::Running { .. } | process::Observed::Exited { .. }),
        ) => Some(Action::Process(process::Action::Respawn(Arc::clone(want)))),
        (
            Resource::Service(want),
            Have::Service(
                service::Observed::Running { pid: Some(_), .. } | service::Observed::Exited { .. },
            ),
        ) => Some(Action::Service(service::Action::Restart(Arc::clone(want)))),
        (Resource::Container(want), Have::Container(container::Observed::There { .. })) => {
            Some(Action::Container(container::Action::Restart(want.place.clone())))
        }
        _ => None,
    }
}

/// What came of an order to start something anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restarted {
    /// What was to be.
    pub id: ResourceId,
    /// `Err`: why it was not, in words.
    pub how: Result<(), String>,
}

/// What came of orders, from the worst fate of each resource and how it was found.
pub fn restarted(
    orders: BTreeSet<ResourceId>,
    have: &Observed,
    fates: &BTreeMap<ResourceId, Fate>,
) -> Vec<Restarted> {
    let how = |id: &ResourceId| match (fates.get(id), have.get(id)) {
        (Some(Fate::Done), _) => Ok(()),
        (Some(Fate::Failed(error)), _) => Err(error.message.clone()),
        (Some(Fate::Blocked { .. }), _) => Err("what it waits for does not work".to_owned()),
        (None, Seen::Unknown(why)) => Err(why),
        (None, Seen::Known(_)) => Err("it does not run, and is started when it can be".to_owned()),
    };
    orders.into_iter().map(|id| Restarted { how: how(&id), id }).collect()
}

/// Writes down what the plan is about to do, before its first step.
pub fn write(
    ledger: &mut Ledger,
    desired: &Desired,
    uid: &Uid,
    plan: &Plan,
) -> Result<(), LedgerError> {
    if is_planted(Bug::IntentIsLate) {
        return Ok(());
    }
    ledger.update(uid, |record| {
        for step in &plan.steps {
            let Some(wanted) = desired.wanted(&step.resource) else { continue };
            let AnyTarget::Present(resource) = &wanted.target else { continue };
            if let Action::Database(action) = &step.action {
                note_database(record, &step.resource.local(), action);
            }
            if makes_anew(&step.action) {
                forget_made(record, &step.resource.local(), made_tree(&step.action));
            }
            let entry = record.claim(&step.resource.local(), &wanted.place);
            // What was applied before is known already: a restart writes nothing, and works on a full disk.
            if !entry.record.knows(resource.fingerprint()) {
                entry.record.intended = Some(resource.fingerprint().to_owned());
            }
        }
    })
}

/// Whether an action makes something in place of what was there.
fn makes_anew(action: &Action) -> bool {
    match action {
        Action::Worktree(action) => matches!(action, worktree::Action::Add(_)),
        Action::Database(action) => {
            matches!(action, database::Action::Create(_) | database::Action::SetAside(_))
        }
        Action::Bucket(action) => matches!(action, bucket::Action::Create(_)),
        _ => false,
    }
}

/// Where the files lie that are made with it, if it is a worktree.
fn made_tree(action: &Action) -> Option<&Path> {
    match action {
        Action::Worktree(worktree::Action::Add(want)) => Some(&want.place.path),
        _ => None,
    }
}

/// What is made anew was not brought about yet, and neither was what lies in it: should the making be cut, nobody
/// has removed it.
fn forget_made(record: &mut ObjectRecord, local: &str, tree: Option<&Path>) {
    for (name, entry) in &mut record.resources {
        let within = matches!(&entry.place, Place::File(it) if Some(it.root.as_path()) == tree);
        if (name == local || within) && entry.record.applied.is_some() {
            entry.record.intended = entry.record.applied.take();
        }
    }
}

/// What becomes of a database: what was there is kept, and what it is made of is in use.
fn note_database(record: &mut ObjectRecord, local: &str, action: &database::Action) {
    match action {
        database::Action::SetAside(want) => record.note_replaced(local, want, Timestamp::now()),
        database::Action::Create(want) => {
            let entry = record.claim(local, &Place::Database(want.place.clone()));
            entry.generation = want.generation().cloned();
        }
        database::Action::RepairRole(_)
        | database::Action::Trash(_)
        | database::Action::Restore(_)
        | database::Action::Purge(_) => {}
    }
}

/// Notes of databases what was seen: which generation each came from, and that its life has begun. Says whether
/// anything was new.
pub fn note_seen(
    ledger: &mut Ledger,
    object: &DesiredObject,
    uid: &Uid,
    have: &Observed,
) -> Result<bool, LedgerError> {
    let databases = object.resources.keys().filter_map(|id| match have.get(id) {
        Seen::Known(Some(Have::Database(database::Observed::Live {
            generation, life, ..
        }))) => Some((id.local(), generation, life)),
        _ => None,
    });
    let before = ledger.revision();
    for (local, generation, life) in databases {
        let entry = ledger.get(uid).and_then(|record| record.resources.get(&local));
        let is_new = entry.is_some_and(|entry| {
            let begun = |it: &Life| !it.done && Some(&it.id) == life.as_ref();
            entry.generation != *generation || entry.life.as_ref().is_some_and(begun)
        });
        if !is_new {
            continue;
        }
        ledger.update(uid, |record| {
            let Some(entry) = record.resources.get_mut(&local) else { return };
            entry.generation.clone_from(generation);
            if let Some(wanted) = entry.life.as_mut().filter(|it| Some(&it.id) == life.as_ref()) {
                wanted.done = true;
            }
        })?;
    }
    Ok(ledger.revision() != before)
}

/// The kept databases that a plan makes: what was known of them is not true any more.
pub fn kept_by(plan: &Plan) -> Vec<ResourceId> {
    let name = |step: &Step| match &step.action {
        Action::Database(database::Action::SetAside(want)) => {
            let name = want.life.as_ref()?.aside.kept.as_ref()?;
            let name = kept_as(&step.resource.name, name);
            Some(ResourceId { name, ..step.resource.clone() })
        }
        _ => None,
    };
    plan.steps.iter().filter_map(name).collect()
}

/// Writes down which resources were brought about: those whose steps all ended well.
pub fn applied(
    ledger: &mut Ledger,
    desired: &Desired,
    uid: &Uid,
    plan: &Plan,
    fates: &BTreeMap<StepId, Fate>,
) -> Result<(), LedgerError> {
    let unwell: BTreeSet<&ResourceId> = plan
        .steps
        .iter()
        .filter(|step| fates.get(&step.id) != Some(&Fate::Done))
        .map(|step| &step.resource)
        .collect();
    ledger.update(uid, |record| {
        for step in plan.steps.iter().filter(|step| !unwell.contains(&step.resource)) {
            let Some(AnyTarget::Present(resource)) =
                desired.wanted(&step.resource).map(|wanted| &wanted.target)
            else {
                continue;
            };
            if let Some(entry) = record.resources.get_mut(&step.resource.local()) {
                entry.record.applied = Some(resource.fingerprint().to_owned());
                entry.record.intended = None;
            }
        }
    })
}

/// Forgets what was seen to be gone, and the whole incarnation once nothing is left of it. `plan` and `have`
/// are of the last look.
pub fn leave(
    core: &Core,
    object: &DesiredObject,
    uid: &Uid,
    plan: &Plan,
    have: &Observed,
) -> Result<Left, LedgerError> {
    let now = Timestamp::now();
    let mut ledger = core.ledger();
    let gone: Vec<(String, &Wanted)> = object
        .resources
        .iter()
        .filter(|(id, _)| !plan.held.contains_key(*id))
        .filter(|(id, _)| !plan.steps.iter().any(|step| step.resource == **id))
        .filter(|(id, wanted)| match wanted.target {
            AnyTarget::Present(_) => false,
            // Nothing to be done about it means that nothing of ours is there.
            AnyTarget::Gone => true,
            // It lies in the worktree, wherever that is by now, and is known to be ours there.
            AnyTarget::Trashed if id.kind == ResourceKind::File => false,
            AnyTarget::Trashed => matches!(have.get(id), Seen::Known(None)),
        })
        .map(|(id, wanted)| (id.local(), wanted))
        .collect();
    if !gone.is_empty() {
        if let Some(record) = ledger.get(uid) {
            tell_lost(core, record, &gone);
        }
        ledger.update(uid, |record| {
            record.resources.retain(|local, _| !gone.iter().any(|(gone, _)| gone == local));
        })?;
        for (_, wanted) in gone.iter().filter(|(_, wanted)| wanted.target == AnyTarget::Gone) {
            forget_with_server(&mut ledger, &wanted.place)?;
        }
    }
    let Some(record) = ledger.get(uid) else { return Ok(Left::Gone) };
    if plan.is_settled() && knows_more(record, object) {
        core.queue.add(Job::Survey, std::time::Duration::ZERO);
    }
    let Some(deletion) = &record.deletion else { return Ok(Left::Wanted) };
    // The view may be from before the deletion was asked for.
    if !object.deleting {
        return Ok(Left::Leaving);
    }
    let over = deletion.purge || now >= deletion.until;
    if !plan.is_settled() {
        // What lies in the trash of a server that was stopped cannot be seen, and lies there.
        let lies = deletion.trashed_at.is_some() && !over && plan.steps.is_empty();
        return Ok(if lies { Left::Trashed } else { Left::Leaving });
    }
    if over && record.resources.is_empty() {
        // Its record last: it names the rest.
        leftovers::forget(&core.config.state, &ledger, record);
        core.verifies.forget(record);
        ledger.remove(uid)?;
        core.queue.add(Job::Survey, std::time::Duration::ZERO);
        return Ok(Left::Gone);
    }
    if over {
        return Ok(Left::Leaving);
    }
    if deletion.trashed_at.is_none() {
        // Before its successor begins to write its own.
        leftovers::put_aside(&core.config.state, record);
        ledger.update(uid, |record| {
            if let Some(deletion) = &mut record.deletion {
                deletion.trashed_at = Some(now);
            }
            // Others may have it: should it come back, it has to ask anew.
            record.given = None;
        })?;
        // What it used may leave now.
        core.queue.add(Job::Survey, std::time::Duration::ZERO);
    }
    Ok(Left::Trashed)
}

/// Tells of data that was in the trash, and that somebody has removed from there: it does not come back.
fn tell_lost(core: &Core, record: &ObjectRecord, gone: &[(String, &Wanted)]) {
    if record.deletion.as_ref().is_none_or(|it| it.trashed_at.is_none()) {
        return;
    }
    let lost = gone.iter().filter(|(_, wanted)| wanted.target == AnyTarget::Trashed);
    for (local, _) in lost.filter(|(_, wanted)| is_put_aside(wanted.place.kind())) {
        let uid = record.uid.short();
        let message = format!(
            "{local} of {uid} was in the trash and is gone: somebody has removed it, and it does not come back"
        );
        core.event(&record.key, Severity::Warning, "Lost", message);
    }
}

/// Whether the ledger has a resource of which the view says nothing: one that a plan wrote down which was overtaken
/// by this view, and that has to leave as well. Where the view means to say nothing of it, another look is cheap.
fn knows_more(record: &ObjectRecord, object: &DesiredObject) -> bool {
    let told: BTreeSet<String> = object.resources.keys().map(ResourceId::local).collect();
    record.resources.keys().any(|local| !told.contains(local))
}

/// Forgets all that was in a server of ours whose data is gone: it went along, whoever it belonged to.
fn forget_with_server(ledger: &mut Ledger, server: &Place) -> Result<(), LedgerError> {
    let (infra, name) = match server {
        Place::Service(service::Place { infra, name, root: Some(_) }) => (infra, name),
        Place::Container(container::Place { infra, name, .. }) => (infra, name),
        _ => return Ok(()),
    };
    // A later incarnation of the Infra has taken it over, with all that is in it.
    if ledger.records().any(|record| record.resources.values().any(|it| it.place == *server)) {
        return Ok(());
    }
    let inside = |place: &Place| lies_in(place, infra, name);
    let uids: Vec<Uid> = ledger.records().map(|record| record.uid.clone()).collect();
    for uid in uids {
        ledger.update(&uid, |record| record.resources.retain(|_, entry| !inside(&entry.place)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Origin;
    use agent_harness_model::id::ObjectKey;

    #[test]
    fn what_is_in_a_server_is_forgotten_with_its_last_owner() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        let (infra, name, root) = ("i".to_owned(), "postgres".to_owned(), Some("/r".into()));
        let server = Place::Service(service::Place { infra: infra.clone(), name, root });
        let (database, role) = ("a".to_owned(), "a".to_owned());
        let inside = Place::Database(database::Place { infra, database, role, kept: None });
        for (uid, key, local, place) in [
            ("u1", ObjectKey::infra("i"), "service/postgres", &server),
            ("u2", ObjectKey::agent("a"), "database/a", &inside),
        ] {
            let origin =
                Origin { file: "/x.yaml".into(), line: 1, text: String::new(), commit: None };
            let mut record = ObjectRecord::new(key, Uid::new(uid), Timestamp::UNIX_EPOCH, origin);
            record.claim(local, place);
            ledger.save(record).unwrap();
        }
        // An earlier incarnation of the Infra had the same one, and has gone.
        forget_with_server(&mut ledger, &server).unwrap();
        assert_eq!(ledger.get(&Uid::new("u2")).unwrap().resources.len(), 1);
        ledger.update(&Uid::new("u1"), |record| record.resources.clear()).unwrap();
        forget_with_server(&mut ledger, &server).unwrap();
        assert_eq!(ledger.get(&Uid::new("u2")).unwrap().resources.len(), 0);
    }
}
