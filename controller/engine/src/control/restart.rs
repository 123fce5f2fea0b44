//! `restart`: has processes started anew, or says why nothing would come of it.

use std::time::Duration;

use agent_harness_model::api::Object;
use agent_harness_model::id::{ResourceId, ResourceKind};
use agent_harness_model::status::{ConditionType, Phase};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use crate::core::Job;
use crate::publish;

#[derive(Debug, serde::Deserialize)]
pub struct RestartQuery {
    process: Option<String>,
}

/// `POST …/restart?process=NAME,NAME`
pub async fn restart(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<RestartQuery>,
) -> Result<StatusCode, Refusal> {
    let key = key(&kind, &name)?;
    let object = live(&control, &key)?;
    if object.suspended.is_some() {
        return Err(Refusal::Conflict(format!(
            "{key} is suspended: nothing of it is started; take `suspend: true` out of its spec with `ctl edit {key}`"
        )));
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
    control.core.order_restart(wanted);
    control.core.retries().forget(&key);
    control.core.queue.add(Job::Object(key), Duration::ZERO);
    Ok(StatusCode::NO_CONTENT)
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
