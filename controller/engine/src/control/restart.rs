//! `restart`: has processes and services started anew, or says why nothing would come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_harness_model::api::Object;
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceId, ResourceKind};
use agent_harness_model::status::{ConditionType, Phase};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use super::services;
use super::suspend::refuse_if_suspended;
use crate::core::Job;
use crate::intent::Restarted;
use crate::publish;

/// How long an answer waits until it was done: what stops slowly is killed before. Less than a client waits.
const PATIENCE: Duration = Duration::from_secs(50);

#[derive(Debug, serde::Deserialize)]
pub struct RestartQuery {
    /// Names of processes, or of services of an Infra.
    process: Option<String>,
    /// Answer when it was done, and with what came of it.
    #[serde(default)]
    wait: bool,
}

/// `POST …/restart?process=NAME,NAME&wait=true`
pub async fn restart(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<RestartQuery>,
) -> Result<StatusCode, Refusal> {
    let key = key(&kind, &name)?;
    let object = live(&control, &key)?;
    refuse_if_suspended(&key, &object)?;
    if let Some(why) = &object.no_room {
        return Err(Refusal::Conflict(format!(
            "{key} is not started anew, for there is no room: {why}"
        )));
    }
    if key.kind == ObjectKind::Infra {
        let ids = of_services(&key, &object, query.process.as_deref())?;
        return order(&control, &key, ids, query.wait).await;
    }
    let mut wanted: Vec<_> = object
        .resources
        .iter()
        .filter(|(id, wanted)| id.kind == ResourceKind::Process && !wanted.target.leaves())
        .map(|(id, _)| id.clone())
        .collect();
    if wanted.is_empty() {
        return Err(Refusal::Conflict(format!("{key} has no process to restart")));
    }
    if let Some(named) = &query.process {
        let named: Vec<&str> = named.split(',').collect();
        let known: Vec<_> = wanted.iter().map(|id| id.name.clone()).collect();
        if let Some(unknown) = named.iter().find(|name| known.iter().all(|known| known != *name)) {
            return Err(Refusal::NotFound(format!(
                "{key} has no process `{unknown}`; it has {}",
                known.join(", ")
            )));
        }
        wanted.retain(|id| named.contains(&id.name.as_str()));
    }
    let told = publish::one(&control.core, &key);
    if let Some(why) = told.and_then(|told| stuck_before(&told, &wanted)) {
        return Err(Refusal::Conflict(format!(
            "{key} is Stalled before its processes start: {why}"
        )));
    }
    order(&control, &key, wanted, query.wait).await
}

/// The services that were named; all that we run, without names.
fn of_services(
    key: &ObjectKey,
    object: &DesiredObject,
    named: Option<&str>,
) -> Result<Vec<ResourceId>, Refusal> {
    let Some(named) = named else {
        let ours = services::of(object).into_iter().filter(|service| !service.is_external());
        let ids: Vec<_> = ours.map(|service| service.id).collect();
        if ids.is_empty() {
            return Err(Refusal::Conflict(format!("{key} has no service to restart")));
        }
        return Ok(ids);
    };
    let one = |name: &str| {
        let service = services::named(key, object, name)?;
        if service.is_external() {
            return Err(Refusal::Conflict(format!(
                "{name} of {key} is run by somebody else, who alone can restart it"
            )));
        }
        Ok(service.id)
    };
    named.split(',').map(one).collect()
}

/// Orders it, and with `wait` answers when it was done.
async fn order(
    control: &Control,
    key: &ObjectKey,
    ids: Vec<ResourceId>,
    wait: bool,
) -> Result<StatusCode, Refusal> {
    let core = &control.core;
    // Subscribed before the order, so nothing falls in between.
    let news = core.restarted.subscribe();
    core.order_restart(ids.clone());
    core.try_anew(key);
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    if !wait {
        return Ok(StatusCode::NO_CONTENT);
    }
    let mut open: BTreeSet<ResourceId> = ids.into_iter().collect();
    match tokio::time::timeout(PATIENCE, outcome(news, &mut open)).await {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(why)) => Err(Refusal::Failed(format!("{key}: {why}"))),
        Err(_) => {
            let names: Vec<_> = open.iter().map(ResourceId::local).collect();
            Err(Refusal::NotYet(format!(
                "{} of {key} is still being restarted; `ctl events {key}` tells what comes of it",
                names.join(", ")
            )))
        }
    }
}

/// Waits for what comes of each order, and takes it out. The first that fails ends it.
async fn outcome(
    mut news: Receiver<Restarted>,
    open: &mut BTreeSet<ResourceId>,
) -> Result<(), String> {
    while !open.is_empty() {
        match news.recv().await {
            Ok(Restarted { id, how }) => {
                if open.remove(&id) {
                    how.map_err(|why| format!("{} was not restarted: {why}", id.local()))?;
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err("the controller is ending".to_owned()),
        }
    }
    Ok(())
}

/// Why none of these processes could begin so far, where that does not change by itself. One that has ended may be
/// started anew, and that may help; where something else is wanted by now, nobody knows yet.
fn stuck_before(object: &Object, processes: &[ResourceId]) -> Option<String> {
    let status = object.status.as_ref().filter(|status| {
        let current = status.observed_generation >= object.metadata.generation;
        current && !object.outdated && status.phase == Phase::Stalled
    })?;
    let state = |id: &ResourceId| Some(status.resources.get(&id.local())?.state.as_str());
    if processes.iter().any(|id| state(id) != Some("Missing")) {
        return None;
    }
    let why = &status.condition(ConditionType::Stalled)?.message;
    Some(why.lines().next().unwrap_or_default().to_owned())
}
