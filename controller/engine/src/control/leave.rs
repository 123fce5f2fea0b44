//! `delete`, `undelete` and `approve`: objects that leave, come back, or may leave after all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::{Applied, Approved, Change, Deleted};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::parse::parse;
use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;

use super::Control;
use super::answer::{Refusal, key};
use super::data;
use super::edits::Edits;
use super::incarnations;
use super::sources::refuse_if_elsewhere;
use super::trial::{self, Given, Proposed};
use super::written::{Written, taken_back};
use crate::assemble::{begin_deletion, policy_of};
use crate::core::{Core, Job};
use crate::intake::servers;
use crate::intake::sources::slice;
use crate::ledger::ObjectRecord;
use crate::leftovers;
use crate::survey::survey_with;

#[derive(Debug, serde::Deserialize)]
pub struct DeleteQuery {
    #[serde(default)]
    purge: bool,
    /// Every incarnation of the name.
    #[serde(default)]
    all: bool,
    /// This incarnation alone.
    uid: Option<String>,
    /// Only say what would be destroyed.
    #[serde(default, rename = "dryRun")]
    dry_run: bool,
}

/// `DELETE /v1/objects/{kind}/{name}?purge=true&uid=UID`
pub async fn delete(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<DeleteQuery>,
) -> Result<Json<Deleted>, Refusal> {
    let key = key(&kind, &name)?;
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || delete_object(&core, &key, &query));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

fn delete_object(core: &Core, key: &ObjectKey, query: &DeleteQuery) -> Result<Deleted, Refusal> {
    let purge = query.purge;
    let _turn = core.survey_turn();
    let going = going(core, key, query)?;
    if purge && key.kind == ObjectKind::Infra {
        let along = servers::would_go_along(&core.ledger(), key, &going);
        if !along.is_empty() {
            return Err(Refusal::Conflict(format!(
                "{key} still holds {along}; purge these first with `ctl delete NAME --purge`"
            )));
        }
    }
    let first = going.first().ok_or_else(|| nothing_to_delete(core, key))?;
    for record in going.iter().filter(|record| record.deletion.is_none()) {
        refuse_if_elsewhere(core, key, &record.origin)?;
        match policy_of(&core.ledger(), record) {
            Ok(policy) if !policy.is_protected() => {}
            Ok(_) => {
                return Err(Refusal::Conflict(format!(
                    "{key} is protected: take `deletion: {{protect: true}}` out of its spec, or of its Stack's, first"
                )));
            }
            Err(unreadable) => {
                return Err(Refusal::Conflict(format!("{key} stays: {unreadable}")));
            }
        }
    }
    let destroyed = if purge { data::of(&going) } else { Vec::new() };
    if query.dry_run {
        if going.iter().any(|record| record.deletion.is_none()) {
            refuse_if_used(core, key)?;
        }
        let uids = going.iter().map(|record| record.uid.clone()).collect();
        return Ok(Deleted { object: key.clone(), uids, until: None, destroyed });
    }
    let begin = |record: &ObjectRecord| {
        let retention = core.config.retention;
        begin_deletion(&mut core.ledger(), &record.uid, purge, retention, Timestamp::now())
    };
    for record in &going {
        if record.deletion.is_none() {
            refuse_if_used(core, key)?;
            // The file first: if we are killed in between, the file is gone, and with it the object.
            let written = remove_document(core, record)?;
            match begin(record) {
                Ok(()) => written.keep(),
                Err(error) => {
                    return Err(taken_back(written, "nothing was deleted", &error));
                }
            }
        } else {
            begin(record).map_err(|error| {
                let (uid, why) = (record.uid.short(), crate::facts::chain(&error));
                Refusal::Failed(format!("{key} of the uid {uid} was not purged: {why}"))
            })?;
        }
    }
    let until = core.ledger().get(&first.uid).and_then(|record| record.deletion.clone());
    core.try_anew(key);
    core.queue.add(Job::Survey, Duration::ZERO);
    // Where nothing is left to be done, the survey finds no change, and wakes nobody.
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    Ok(Deleted {
        object: key.clone(),
        uids: going.iter().map(|record| record.uid.clone()).collect(),
        until: until.filter(|it| !it.purge).map(|it| it.until),
        destroyed,
    })
}

/// The incarnations that are to leave, the youngest first. What is in the trash can only be destroyed.
fn going(core: &Core, key: &ObjectKey, query: &DeleteQuery) -> Result<Vec<ObjectRecord>, Refusal> {
    let ledger = core.ledger();
    let mut going = match &query.uid {
        Some(word) => vec![incarnations::named(&ledger, key, word)?],
        None if query.purge => incarnations::to_purge(&ledger, key, query.all)?,
        None => ledger.live(key).cloned().into_iter().collect(),
    };
    if let Some(record) = going.iter().find(|record| !query.purge && record.deletion.is_some()) {
        return Err(Refusal::Conflict(format!(
            "{key} of the uid {} has left already; `ctl delete {key} --purge --uid {0}` destroys what is kept of it",
            record.uid.short()
        )));
    }
    // The live one first, then by the time at which they left.
    let left = |record: &ObjectRecord| record.deletion.as_ref().map(|it| it.requested_at);
    going.sort_by_key(|record| std::cmp::Reverse((left(record).is_none(), left(record))));
    Ok(going)
}

fn nothing_to_delete(core: &Core, key: &ObjectKey) -> Refusal {
    let view = core.view();
    let problem = view.problems.iter().find(|problem| problem.object.as_ref() == Some(key));
    match problem {
        Some(problem) => Refusal::Conflict(format!(
            "{key} was never accepted; correct or remove {}: {}",
            problem.file,
            problem.line()
        )),
        None => Refusal::no_object(key),
    }
}

/// Names those that refer to it, and those that refer to these: an agent uses the Infra of its Stack.
fn refuse_if_used(core: &Core, key: &ObjectKey) -> Result<(), Refusal> {
    let view = core.view();
    let mut users = BTreeSet::new();
    let mut used = vec![key.clone()];
    while let Some(one) = used.pop() {
        for document in view.intake.documents.values() {
            let refers = document.refers_to().contains(&one);
            let lives = || core.ledger().live(&document.key).is_some();
            if refers && lives() && users.insert(document.key.clone()) {
                used.push(document.key.clone());
            }
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    let mut users: Vec<ObjectKey> = users.into_iter().collect();
    users.sort_by_key(ObjectKey::listed);
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    Err(Refusal::Conflict(format!(
        "{key} is still used by {}; delete these first",
        users.join(", ")
    )))
}

/// Takes the document out of its file, and the file away when nothing else is in it. What lies elsewhere than in
/// the watched folder is not ours to change, and keeps nothing in force.
fn remove_document(core: &Core, record: &ObjectRecord) -> Result<Written, Refusal> {
    let path = &record.origin.file;
    let mut edits = Edits::of(&core.config.specs);
    let known = if edits.holds(path) { edits.find(path, &record.key) } else { None };
    let problem = if edits.holds(path) { edits.broken(path) } else { None };
    let there = match (known, problem) {
        (Some(document), _) => Some((path.clone(), document)),
        (None, Some(problem)) => {
            return Err(Refusal::Conflict(format!(
                "{} cannot be read in whole, so {} cannot be taken out of it; correct it first: {}",
                path.display(),
                record.key,
                problem.line()
            )));
        }
        (None, None) => edits.search(&record.key).map_err(|error| Refusal::failed(&error))?,
    };
    let Some((path, document)) = there else { return Ok(Written::default()) };
    edits.replace(&path, &document, None)?;
    Ok(edits.carry_out()?)
}

#[derive(Debug, serde::Deserialize)]
pub struct UndeleteQuery {
    uid: Option<String>,
}

/// `POST …/undelete?uid=UID`
pub async fn undelete(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<UndeleteQuery>,
) -> Result<Json<Applied>, Refusal> {
    let key = key(&kind, &name)?;
    let core = Arc::clone(&control.core);
    let work =
        tokio::task::spawn_blocking(move || undelete_object(&core, &key, query.uid.as_deref()));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

fn undelete_object(core: &Core, key: &ObjectKey, uid: Option<&str>) -> Result<Applied, Refusal> {
    let turn = core.survey_turn();
    if core.ledger().live(key).is_some() {
        return Err(Refusal::Conflict(format!("{key} is there already")));
    }
    let record = restorable(core, key, uid, Timestamp::now())?;
    let written = restore(core, &record)?;
    match survey_with(core, &turn, Duration::ZERO) {
        Ok(_) => written.keep(),
        Err(error) => {
            leave_again(core, &record);
            return Err(taken_back(written, "nothing came back", &error));
        }
    }
    drop(turn);
    let generation =
        core.ledger().get(&record.uid).map_or(record.generation, |record| record.generation);
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    Ok(Applied { object: key.clone(), change: Change::Restored, generation })
}

/// The incarnation that was named, else the youngest one in the trash, of which everything is still there.
pub(super) fn restorable(
    core: &Core,
    key: &ObjectKey,
    uid: Option<&str>,
    now: Timestamp,
) -> Result<ObjectRecord, Refusal> {
    let ledger = core.ledger();
    let named = uid.map(|word| incarnations::named(&ledger, key, word)).transpose()?;
    let leaving = ledger.records().filter(|it| it.key == *key);
    let leaving = leaving.filter(|it| named.as_ref().is_none_or(|named| named.uid == it.uid));
    let leaving = leaving.filter_map(|record| Some((record, record.deletion.as_ref()?)));
    let mut leaving: Vec<_> = leaving.collect();
    leaving.sort_by_key(|(_, deletion)| std::cmp::Reverse(deletion.requested_at));
    if let Some((record, _)) = leaving.iter().find(|(_, it)| !it.purge && now < it.until) {
        return Ok((*record).clone());
    }
    Err(match leaving.first() {
        None => Refusal::NotFound(format!("{key} is not in the trash")),
        Some((_, deletion)) if deletion.purge => Refusal::Conflict(format!(
            "{key} was purged: what it made is being destroyed and does not come back"
        )),
        Some((_, deletion)) => Refusal::Conflict(format!(
            "{key} could be brought back until {}: what it made is being destroyed",
            deletion.until.strftime("%Y-%m-%d %H:%M UTC")
        )),
    })
}

/// Back to how it lay in the trash. Where even that does not work, it leaves as an object without a file.
fn leave_again(core: &Core, record: &ObjectRecord) {
    // Of one that had not left yet they were not put aside before, either.
    if record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_some()) {
        leftovers::put_aside(&core.config.state, record);
    }
    let _ = core.ledger().update(&record.uid, |again| again.deletion.clone_from(&record.deletion));
}

fn restore(core: &Core, record: &ObjectRecord) -> Result<Written, Refusal> {
    let origin = &record.origin;
    let specs = &core.config.specs;
    let parsed = parse(&origin.file.display().to_string(), origin.text.as_bytes());
    let document = parsed.documents.into_iter().find(|document| document.key == record.key);
    let document = document.ok_or_else(|| {
        Refusal::Conflict(format!("the spec of {} cannot be read any more", record.key))
    })?;
    let proposed = Proposed::new(document, origin.file.clone(), specs)?;
    let text = slice(&proposed.kept).1;
    trial::check(core, &core.view(), &Given::from(proposed))?;
    // The ledger first: if we are killed in between, it leaves once more and is in the trash again.
    core.ledger()
        .update(&record.uid, ObjectRecord::come_back)
        .map_err(|error| Refusal::failed(&error))?;
    let mut edits = Edits::of(specs);
    let free = edits.holds(&origin.file) && edits.is_free(&origin.file);
    let path = if free { origin.file.clone() } else { edits.place_for(&record.key) };
    edits.create(path, text);
    // Before anything that is started writes new ones.
    leftovers::take_back(&core.config.state, record);
    edits.carry_out().map_err(|error| {
        leave_again(core, record);
        error.into()
    })
}

/// `POST /v1/approve`
pub async fn approve(State(control): State<Control>) -> Json<Approved> {
    let objects = control.core.sources().approve();
    control.core.queue.add(Job::Survey, Duration::ZERO);
    Json(Approved { objects })
}
