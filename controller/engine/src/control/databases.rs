//! An agent's database: reset, saved and restored, and what is kept of it.
//!
//! A request only writes down which life of the database is wanted. That it comes about, whatever happens, is the
//! affair of reconciles; see `ledger::lives`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::{KeptDatabase, Replaced};
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceId};
use agent_harness_model::kinds::{AnyTarget, Place, Resource, database};
use agent_harness_providers::postgres::database_of;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use super::suspend::refuse_if_suspended;
use crate::core::{Core, Job};
use crate::ledger::{Life, ObjectRecord};
use crate::survey::survey_with;

/// The longest name under which a database is kept: with it and the uid, most names of databases stay whole.
const LONGEST: usize = 30;

#[derive(Debug, serde::Deserialize)]
pub struct NameQuery {
    name: String,
}

/// `POST …/database/reset`
pub async fn reset(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Replaced>, Refusal> {
    replace(control, &kind, &name, Wish::Reset).await
}

/// `POST …/database/save?name=NAME`
pub async fn save(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<NameQuery>,
) -> Result<Json<Replaced>, Refusal> {
    replace(control, &kind, &name, Wish::Save(query.name)).await
}

/// `POST …/database/restore?name=NAME`
pub async fn restore(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<NameQuery>,
) -> Result<Json<Replaced>, Refusal> {
    replace(control, &kind, &name, Wish::Restore(query.name)).await
}

/// What a person wants of a database.
enum Wish {
    Reset,
    Save(String),
    Restore(String),
}

async fn replace(
    control: Control,
    kind: &str,
    name: &str,
    wish: Wish,
) -> Result<Json<Replaced>, Refusal> {
    let (key, id, place) = of_agent(&control, kind, name)?;
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || order(&core, &key, &id, &place, &wish));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

/// Writes down what is wanted; from then on it comes about.
fn order(
    core: &Core,
    key: &ObjectKey,
    id: &ResourceId,
    place: &database::Place,
    wish: &Wish,
) -> Result<Replaced, Refusal> {
    let turn = core.survey_turn();
    let now = Timestamp::now();
    let record = core.ledger().get(&id.uid).cloned().ok_or_else(|| Refusal::no_object(key))?;
    let local = id.local();
    let is_made = |record: &ObjectRecord| {
        let entry = record.resources.get(&local);
        entry.is_some_and(|it| it.place.is_same_thing(&Place::Database(place.clone())))
    };
    if !is_made(&record) {
        return Err(Refusal::Conflict(format!(
            "the database of {key} was not made yet; `ctl describe {key}` says how it stands"
        )));
    }
    let life = life(key, &record, place, wish, now)?;
    let until = (!life.saved).then(|| now.checked_add(core.config.retention).unwrap_or(now));
    let kept = life.aside.clone();
    core.ledger()
        .update(&id.uid, |record| {
            if let Some(entry) = record.resources.get_mut(&local) {
                entry.life = Some(life);
            }
        })
        .map_err(|error| Refusal::failed(&error))?;
    core.try_anew(key);
    // It is on record: what cannot be looked at now is looked at again.
    if let Err(error) = survey_with(core, &turn, Duration::ZERO) {
        tracing::error!("{}", crate::facts::chain(&error));
        core.queue.add(Job::Survey, Duration::ZERO);
    }
    drop(turn);
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    Ok(Replaced { object: key.clone(), kept, until })
}

/// The life that is wanted from now on.
fn life(
    key: &ObjectKey,
    record: &ObjectRecord,
    place: &database::Place,
    wish: &Wish,
    now: Timestamp,
) -> Result<Life, Refusal> {
    let is_known = |name: &str| record.kept().any(|(_, _, kept, _)| kept.name == name);
    let (aside, saved, copy) = match wish {
        Wish::Reset => (free("reset", now, is_known), false, None),
        Wish::Save(name) => {
            check(name)?;
            if is_known(name) {
                return Err(Refusal::Conflict(format!(
                    "{key} has a kept database {name} already; choose another name, or `ctl db delete {key} {name}`"
                )));
            }
            (name.clone(), true, Some(name.clone()))
        }
        Wish::Restore(name) => {
            let found = record.kept().find(|(_, _, it, _)| it.name == *name && !it.dropped);
            let Some((.., at)) = found else { return Err(no_kept(key, record, name)) };
            if *at != place.kept_as(name) {
                return Err(Refusal::Conflict(format!(
                    "{name} is of the database {} in infra/{}, and that of {key} is {} in infra/{} now; it comes back \
                     where the spec wants that one again",
                    at.database, at.infra, place.database, place.infra
                )));
            }
            (free("restore", now, is_known), false, Some(name.clone()))
        }
    };
    Ok(Life {
        id: Uuid::now_v7().simple().to_string(),
        aside,
        saved,
        copy,
        renews: !saved,
        done: false,
    })
}

/// `reset-20261130-182000`, or one after it that nothing has.
fn free(word: &str, now: Timestamp, is_known: impl Fn(&str) -> bool) -> String {
    let name = format!("{word}-{}", now.strftime("%Y%m%d-%H%M%S"));
    let more = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(more);
    names.find(|name| !is_known(name)).unwrap_or(name)
}

/// Whether something can be kept under the name.
fn check(name: &str) -> Result<(), Refusal> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts_well && name.len() <= LONGEST && name.bytes().all(good) {
        return Ok(());
    }
    Err(Refusal::Conflict(format!(
        "{name:?} is no name for a kept database; use up to {LONGEST} of a-z, 0-9 and -, such as before-fix"
    )))
}

fn no_kept(key: &ObjectKey, record: &ObjectRecord, name: &str) -> Refusal {
    let names: Vec<_> = record.kept().map(|(_, _, kept, _)| kept.name.as_str()).collect();
    Refusal::NotFound(if names.is_empty() {
        format!("{key} has no kept database {name}; none is kept of it")
    } else {
        format!("{key} has no kept database {name}; there are {}", names.join(", "))
    })
}

/// `GET …/database/kept`
pub async fn kept(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<KeptDatabase>>, Refusal> {
    let (key, id, _) = of_agent(&control, &kind, &name)?;
    let core = &control.core;
    let record = core.ledger().get(&id.uid).cloned().ok_or_else(|| Refusal::no_object(&key))?;
    let mark = core.mark(&id.uid);
    let mut all = Vec::new();
    for (_, entry, kept, place) in record.kept().filter(|(_, _, kept, _)| !kept.dropped) {
        let database = database_of(place, &mark).map_err(|error| Refusal::failed(&error))?;
        let until = entry.leaving_since.and_then(|it| it.checked_add(core.config.retention).ok());
        let generation = entry.generation.clone();
        let told =
            KeptDatabase { name: kept.name.clone(), at: kept.at, until, generation, size: None };
        all.push((place.infra.clone(), database, told));
    }
    if let Some(outside) = control.outside.live() {
        let view = core.view();
        let infras: BTreeSet<_> = all.iter().map(|(infra, ..)| infra.clone()).collect();
        for infra in infras {
            let mut of_it: Vec<_> = all.iter_mut().filter(|(at, ..)| *at == infra).collect();
            let names: Vec<_> = of_it.iter().map(|(_, database, _)| database.clone()).collect();
            let sizes = outside.sizes(&view.desired.connections, &infra, &names).await;
            // A server that does not answer has sizes that nobody knows, and nothing else.
            let sizes = sizes.unwrap_or_default();
            for (_, database, told) in &mut of_it {
                told.size = sizes.get(database).map(|figures| figures.size);
            }
        }
    }
    let mut all: Vec<_> = all.into_iter().map(|(.., told)| told).collect();
    all.sort_by(|a, b| (a.at, &a.name).cmp(&(b.at, &b.name)));
    Ok(Json(all))
}

/// `DELETE …/database/kept?name=NAME`
pub async fn forget(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<NameQuery>,
) -> Result<StatusCode, Refusal> {
    let (key, id, _) = of_agent(&control, &kind, &name)?;
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || drop_kept(&core, &key, &id, &query));
    work.await.map_err(|error| Refusal::failed(&error))?
}

fn drop_kept(
    core: &Core,
    key: &ObjectKey,
    id: &ResourceId,
    query: &NameQuery,
) -> Result<StatusCode, Refusal> {
    let _turn = core.survey_turn();
    let record = core.ledger().get(&id.uid).cloned().ok_or_else(|| Refusal::no_object(key))?;
    let found = record.kept().find(|(_, _, kept, _)| kept.name == query.name);
    let Some((local, ..)) = found else { return Err(no_kept(key, &record, &query.name)) };
    if record.is_source(&query.name) {
        return Err(Refusal::Conflict(format!(
            "the database of {key} is being cloned from {}; wait until {key} is Ready",
            query.name
        )));
    }
    core.ledger()
        .update(&id.uid, |record| {
            if let Some(kept) = record.resources.get_mut(local).and_then(|it| it.kept.as_mut()) {
                kept.dropped = true;
            }
        })
        .map_err(|error| Refusal::failed(&error))?;
    core.queue.add(Job::Survey, Duration::ZERO);
    Ok(StatusCode::NO_CONTENT)
}

/// An agent that is acted upon, and its database.
fn of_agent(
    control: &Control,
    kind: &str,
    name: &str,
) -> Result<(ObjectKey, ResourceId, database::Place), Refusal> {
    let key = key(kind, name)?;
    if key.kind != ObjectKind::Agent {
        let why = format!("{key} has no database of its own: those are of an Agent");
        return Err(Refusal::NotFound(why));
    }
    let object = live(control, &key)?;
    refuse_if_suspended(&key, &object)?;
    if let Some(why) = &object.no_room {
        return Err(Refusal::Conflict(format!(
            "nothing is done about {key}, for there is no room: {why}"
        )));
    }
    let found = object.resources.iter().find_map(|(id, wanted)| match &wanted.target {
        AnyTarget::Present(Resource::Database(want)) => Some((id.clone(), want.place.clone())),
        _ => None,
    });
    let (id, place) =
        found.ok_or_else(|| Refusal::Conflict(format!("{key} has no database of its own")))?;
    Ok((key, id, place))
}
