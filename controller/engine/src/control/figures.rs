//! Services of an Infra as they are at this moment. Asked for by people alone, and never remembered.

use agent_harness_model::api::ServiceNow;
use agent_harness_model::id::ObjectKind;
use agent_harness_providers::live::Live;
use axum::Json;
use axum::extract::{Path, Query, State};

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use super::services;

#[derive(Debug, serde::Deserialize)]
pub struct FiguresQuery {
    /// Also the share of the processors, which takes a moment.
    #[serde(default)]
    pub(super) cpu: bool,
}

/// `GET …/services?cpu=true`
pub async fn services(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<FiguresQuery>,
) -> Result<Json<Vec<ServiceNow>>, Refusal> {
    let key = key(&kind, &name)?;
    if key.kind != ObjectKind::Infra {
        return Err(Refusal::NotFound(format!("{key} has no services: those are of an Infra")));
    }
    let outside = outside(&control)?;
    let (external, ours): (Vec<_>, Vec<_>) =
        services::of(&live(&control, &key)?).into_iter().partition(services::Service::is_external);
    let wanted: Vec<_> = ours.iter().map(|it| (it.id.clone(), it.want.clone())).collect();
    let mut all = outside.now(&wanted, query.cpu).await;
    for (now, service) in all.iter_mut().zip(&ours) {
        now.ports = service.ports();
    }
    all.extend(external.iter().map(|service| ServiceNow {
        name: service.id.name.clone(),
        resource: service.id.local(),
        state: Some("external".to_owned()),
        ports: service.ports(),
        ..ServiceNow::default()
    }));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(all))
}

/// What runs, of a world that can tell.
pub fn outside(control: &Control) -> Result<Live, Refusal> {
    let live = control.outside.live();
    live.ok_or_else(|| Refusal::Conflict("nothing is known here of what runs".to_owned()))
}
