//! Processes of an agent as they are at this moment, what their checks say, and what its database server has counted of
//! its queries. Asked for by people alone, and never remembered.

use std::sync::Arc;

use agent_harness_model::api::{HealthNow, ServiceNow, SlowQuery};
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceId};
use agent_harness_model::kinds::process::Desired;
use agent_harness_model::kinds::{AnyTarget, Resource};
use axum::Json;
use axum::extract::{Path, Query, State};

use super::Control;
use super::answer::{Refusal, key};
use super::figures::{FiguresQuery, outside};
use super::objects::live;

/// How many queries are told of where nobody says.
const QUERIES: u32 = 10;

/// `GET …/processes?cpu=true`
pub async fn processes(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<FiguresQuery>,
) -> Result<Json<Vec<ServiceNow>>, Refusal> {
    let key = agent(&kind, &name)?;
    let wanted = of(&live(&control, &key)?).into_iter();
    let wanted: Vec<_> = wanted.map(|(id, want)| (id, Resource::Process(want))).collect();
    Ok(Json(outside(&control)?.now(&wanted, query.cpu).await))
}

/// `GET …/health`
pub async fn health(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<HealthNow>>, Refusal> {
    let key = agent(&kind, &name)?;
    let wanted = of(&live(&control, &key)?);
    let wanted: Vec<_> = wanted.iter().map(|(id, want)| (id.clone(), want.as_ref())).collect();
    Ok(Json(outside(&control)?.health(&wanted).await))
}

#[derive(Debug, serde::Deserialize)]
pub struct QueriesQuery {
    limit: Option<u32>,
}

/// `GET …/queries?limit=N`
pub async fn queries(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<QueriesQuery>,
) -> Result<Json<Vec<SlowQuery>>, Refusal> {
    let key = agent(&kind, &name)?;
    let object = live(&control, &key)?;
    let database = object.resources.iter().find_map(|(id, wanted)| match &wanted.target {
        AnyTarget::Present(Resource::Database(want)) => Some((id, &want.place)),
        _ => None,
    });
    let (id, place) =
        database.ok_or_else(|| Refusal::Failed(format!("{key} has no database of its own")))?;
    let connections = &control.core.view().desired.connections;
    let limit = query.limit.unwrap_or(QUERIES);
    let slowest = outside(&control)?.slowest(connections, id, place, limit).await;
    slowest.map(Json).map_err(|error| Refusal::failed(&error))
}

fn agent(kind: &str, name: &str) -> Result<ObjectKey, Refusal> {
    let key = key(kind, name)?;
    if key.kind != ObjectKind::Agent {
        return Err(Refusal::NotFound(format!("{key} has no processes: those are of an Agent")));
    }
    Ok(key)
}

/// The processes that are wanted, by their names; those that are not enabled are not.
fn of(object: &DesiredObject) -> Vec<(ResourceId, Arc<Desired>)> {
    let wanted = object.resources.iter().filter_map(|(id, wanted)| match &wanted.target {
        AnyTarget::Present(Resource::Process(want)) => Some((id.clone(), Arc::clone(want))),
        _ => None,
    });
    wanted.collect()
}
