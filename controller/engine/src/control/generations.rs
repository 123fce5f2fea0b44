//! The generations of a Stack's template: which there are, and a new one built by hand.

use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::{Generation, GenerationState, Object, Rebuilt};
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::kinds::{AnyTarget, Place, Resource, template};
use agent_harness_model::status::Status;
use axum::Json;
use axum::extract::{Path, State};
use jiff::SignedDuration;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use crate::assemble::{retained, users};
use crate::core::{Core, Job};
use crate::ledger::{Ledger, ObjectRecord};
use crate::publish;
use crate::survey::survey_with;

/// `GET …/generations`
pub async fn list(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<Generation>>, Refusal> {
    let (key, object) = of_stack(&control, &kind, &name)?;
    let core = &control.core;
    let view = core.view();
    let status = publish::one(core, &key).and_then(|object| object.status);
    let mut all = of(core, &key, &object, status.as_ref());
    if let Some(outside) = control.outside.live() {
        let infras: std::collections::BTreeSet<_> =
            all.iter().map(|(infra, _)| infra.clone()).collect();
        for infra in infras {
            let of_it = |(at, _): &&(String, Generation)| *at == infra;
            let names: Vec<_> =
                all.iter().filter(of_it).map(|(_, it)| it.database.clone()).collect();
            let sizes = outside.sizes(&view.desired.connections, &infra, &names).await;
            // A server that does not answer has figures that nobody knows, and nothing else.
            let sizes = sizes.unwrap_or_default();
            for (_, generation) in all.iter_mut().filter(|(at, _)| *at == infra) {
                let figures = sizes.get(&generation.database);
                generation.size = figures.map(|it| it.size);
                generation.built_at = figures.and_then(|it| it.built_at);
            }
        }
    }
    let mut all: Vec<_> = all.into_iter().map(|(_, generation)| generation).collect();
    all.sort_by(|a, b| {
        (b.current, b.built_at, &a.database).cmp(&(a.current, a.built_at, &b.database))
    });
    Ok(Json(all))
}

/// Tells of the generations of a Stack in its status.
pub fn tell(core: &Core, object: &mut Object) {
    let key = object.key().filter(|key| key.kind == ObjectKind::Stack);
    let (Some(key), Some(status)) = (key, &mut object.status) else { return };
    let view = core.view();
    let Some(wanted) = view.object(&key, &object.metadata.uid) else { return };
    let all = of(core, &key, wanted, Some(status)).into_iter();
    status.generations = all.map(|(_, generation)| generation).collect();
}

fn of(
    core: &Core,
    key: &ObjectKey,
    object: &DesiredObject,
    status: Option<&Status>,
) -> Vec<(String, Generation)> {
    let retention = core.view().intake.documents.get(key).and_then(retained);
    let retention = retention.unwrap_or(core.config.retention);
    let ledger = core.ledger();
    let record = ledger.live(key);
    record.map(|it| known(&ledger, it, object, status, retention)).unwrap_or_default()
}

/// All that the ledger knows and that is wanted, each with the Infra that it is in. Pure.
fn known(
    ledger: &Ledger,
    record: &ObjectRecord,
    object: &DesiredObject,
    status: Option<&Status>,
    retention: SignedDuration,
) -> Vec<(String, Generation)> {
    let mut all = Vec::new();
    for (id, wanted) in &object.resources {
        let AnyTarget::Present(Resource::Template(want)) = &wanted.target else { continue };
        let entry = record.resources.get(&id.local());
        let told = status.and_then(|status| status.resources.get(&id.local()));
        let (state, message) = match told {
            Some(told) if told.state == "Ready" => (GenerationState::Ready, String::new()),
            Some(told) if told.failed => (GenerationState::Failed, told.message.clone()),
            Some(told) => (GenerationState::Building, told.message.clone()),
            None => (GenerationState::Building, String::new()),
        };
        let one = Generation {
            database: want.place.database.clone(),
            hash: want.fingerprint.clone(),
            state,
            current: true,
            message,
            size: None,
            built_at: None,
            users: entry.map(|entry| keys(users(ledger, entry))).unwrap_or_default(),
            until: None,
        };
        all.push((want.place.infra.clone(), one));
    }
    for (local, entry) in &record.resources {
        let Place::Template(template::Place { infra, database }) = &entry.place else { continue };
        let wanted = object.resources.get(&record.resource_id(local, &entry.place));
        let leaving = wanted.is_some_and(|wanted| wanted.target.leaves());
        if wanted.is_some() && !leaving {
            continue;
        }
        let built = entry.record.applied.as_ref();
        let users = keys(users(ledger, entry));
        let until = entry.leaving_since.and_then(|since| since.checked_add(retention).ok());
        let one = Generation {
            database: database.clone(),
            hash: built.or(entry.record.intended.as_ref()).cloned().unwrap_or_default(),
            state: match (leaving, built) {
                (true, _) => GenerationState::Leaving,
                (false, Some(_)) => GenerationState::Ready,
                (false, None) => GenerationState::Failed,
            },
            current: false,
            message: if built.is_none() { "was never complete".to_owned() } else { String::new() },
            size: None,
            built_at: None,
            until: until.filter(|_| users.is_empty()),
            users,
        };
        all.push((infra.clone(), one));
    }
    all
}

fn keys<'a>(records: impl Iterator<Item = &'a ObjectRecord>) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = records.map(|record| record.key.clone()).collect();
    keys.sort_by_key(ObjectKey::listed);
    keys.dedup();
    keys
}

/// `POST …/rebuild`
pub async fn rebuild(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Rebuilt>, Refusal> {
    let (key, object) = of_stack(&control, &kind, &name)?;
    if current(&object).is_none() {
        return Err(Refusal::Conflict(format!("{key} has no template to build")));
    }
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || order(&core, &key));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

/// Writes it down; from then on it comes about.
fn order(core: &Core, key: &ObjectKey) -> Result<Rebuilt, Refusal> {
    let turn = core.survey_turn();
    let uid = core.ledger().live(key).map(|record| record.uid.clone());
    let uid = uid.ok_or_else(|| Refusal::no_object(key))?;
    core.ledger()
        .update(&uid, |record| record.rebuilds += 1)
        .map_err(|error| Refusal::failed(&error))?;
    core.try_anew(key);
    let view = survey_with(core, &turn, Duration::ZERO).map_err(|error| Refusal::failed(&error))?;
    drop(turn);
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    let database = view.object(key, &uid).and_then(current).unwrap_or_default();
    Ok(Rebuilt { object: key.clone(), database })
}

/// The database of the generation that is wanted now.
fn current(object: &DesiredObject) -> Option<String> {
    object.resources.values().find_map(|wanted| match &wanted.target {
        AnyTarget::Present(Resource::Template(want)) => Some(want.place.database.clone()),
        _ => None,
    })
}

fn of_stack(
    control: &Control,
    kind: &str,
    name: &str,
) -> Result<(ObjectKey, DesiredObject), Refusal> {
    let key = key(kind, name)?;
    if key.kind != ObjectKind::Stack {
        return Err(Refusal::NotFound(format!("{key} has no template: those are of a Stack")));
    }
    let object = live(control, &key)?;
    Ok((key, object))
}
