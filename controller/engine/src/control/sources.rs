//! `sources` and `sync`: how the repositories stand that specs come from, and that they are asked for news now. And whose
//! specs are changed there, not here.

use std::sync::Arc;
use std::time::Instant;

use agent_harness_model::id::ObjectKey;
use agent_harness_model::source::SourceStatus;
use axum::Json;
use axum::extract::{Query, State};
use futures_util::future::join_all;

use super::Control;
use super::answer::Refusal;
use super::objects::as_of_now;
use crate::core::Core;
use crate::ledger::Origin;

/// `GET /v1/sources`
pub async fn list(State(control): State<Control>) -> Json<Vec<SourceStatus>> {
    Json(control.core.pulls.all().map(|puller| puller.status()).collect())
}

#[derive(Debug, serde::Deserialize)]
pub struct SyncQuery {
    /// This one alone.
    source: Option<String>,
}

/// `POST /v1/sync?source=NAME`
pub async fn sync(
    State(control): State<Control>,
    Query(query): Query<SyncQuery>,
) -> Result<Json<Vec<SourceStatus>>, Refusal> {
    let core = &control.core;
    let asked = Instant::now();
    let wanted: Vec<_> = match &query.source {
        None => core.pulls.all().map(Arc::clone).collect(),
        Some(name) => vec![core.pulls.get(name).map(Arc::clone).ok_or_else(|| {
            let known: Vec<&str> = core.pulls.all().map(|puller| puller.name()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Refusal::NotFound(format!("there is no source `{name}`; there are: {known}"))
        })?],
    };
    join_all(wanted.iter().map(|puller| puller.ask(core, asked))).await;
    // Whoever is answered sees what came of it.
    as_of_now(core).await?;
    Ok(Json(wanted.iter().map(|puller| puller.status()).collect()))
}

/// Refuses to change an object here that comes from a repository.
pub(super) fn refuse_if_elsewhere(
    core: &Core,
    key: &ObjectKey,
    origin: &Origin,
) -> Result<(), Refusal> {
    let folders = &core.config.folders;
    if let Some((name, _)) = folders.iter().find(|(_, it)| origin.file.parent() == Some(&***it)) {
        return Err(Refusal::Conflict(format!(
            "{key} comes from the source {name} and is changed there: edit {}",
            origin.file.display()
        )));
    }
    let Some(puller) = core.pulls.holding(&origin.file) else { return Ok(()) };
    let file = puller.in_repository(&origin.file).unwrap_or(&origin.file);
    Err(Refusal::Conflict(format!(
        "{key} comes from the source {} and is changed there: commit to {} on {}, and `ctl sync {}` takes it in at once",
        puller.name(),
        file.display(),
        puller.whereabouts(),
        puller.name()
    )))
}
