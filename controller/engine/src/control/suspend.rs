//! `suspend` and `resume`: nothing more is done about an agent, without a word in its spec, which may not be ours to change.

use agent_harness_model::api::Suspended;
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ObjectKind};
use axum::Json;
use axum::extract::{Path, State};
use jiff::Timestamp;

use std::sync::Arc;
use std::time::Duration;

use super::Control;
use super::answer::{Refusal, key};
use crate::core::{Core, Job};
use crate::survey::survey_with;

/// `POST …/suspend`
pub async fn suspend(
    control: State<Control>,
    path: Path<(String, String)>,
) -> Result<Json<Suspended>, Refusal> {
    change(control, path, true).await
}

/// `POST …/resume`
pub async fn resume(
    control: State<Control>,
    path: Path<(String, String)>,
) -> Result<Json<Suspended>, Refusal> {
    change(control, path, false).await
}

async fn change(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    on: bool,
) -> Result<Json<Suspended>, Refusal> {
    let key = key(&kind, &name)?;
    if key.kind != ObjectKind::Agent {
        return Err(Refusal::Conflict(format!("{key} cannot be suspended: that is for Agents")));
    }
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || set(&core, &key, on));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

fn set(core: &Core, key: &ObjectKey, on: bool) -> Result<Suspended, Refusal> {
    let turn = core.survey_turn();
    let (uid, before) = {
        let ledger = core.ledger();
        let record = ledger.live(key).ok_or_else(|| Refusal::no_object(key))?;
        (record.uid.clone(), record.suspended_at)
    };
    let said_in_spec = core.view().object(key, &uid).and_then(|object| object.suspended.clone());
    if let (false, None, Some(_)) = (on, before, said_in_spec) {
        return Err(Refusal::Conflict(format!(
            "{key} is suspended by its spec: take `suspend: true` out of it"
        )));
    }
    if on == before.is_some() {
        return Ok(Suspended { object: key.clone(), changed: false });
    }
    let suspended_at = on.then(Timestamp::now);
    core.ledger()
        .update(&uid, |record| record.suspended_at = suspended_at)
        .map_err(|error| Refusal::failed(&error))?;
    survey_with(core, &turn, Duration::ZERO).map_err(|error| Refusal::failed(&error))?;
    drop(turn);
    core.queue.add(Job::Object(key.clone()), Duration::ZERO);
    Ok(Suspended { object: key.clone(), changed: true })
}

/// Refuses to start anything of a suspended object.
pub(super) fn refuse_if_suspended(key: &ObjectKey, object: &DesiredObject) -> Result<(), Refusal> {
    match &object.suspended {
        None => Ok(()),
        Some(why) => {
            Err(Refusal::Conflict(format!("{key} is suspended ({why}): nothing of it is started")))
        }
    }
}
