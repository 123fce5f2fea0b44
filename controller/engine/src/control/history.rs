//! `history` and `rollback`: the specs that an object had, and an earlier one that is applied again.

use std::sync::Arc;

use agent_harness_model::api::{Applied, ApplyRequest, SpecFile, SpecVersion};
use agent_harness_model::id::ObjectKey;
use axum::Json;
use axum::extract::{Path, Query, State};

use super::Control;
use super::answer::{Refusal, key};
use super::apply::apply_files;
use super::sources::refuse_if_elsewhere;
use crate::core::Core;
use crate::ledger::Version;

/// `GET …/history`
pub async fn list(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<SpecVersion>>, Refusal> {
    let key = key(&kind, &name)?;
    let all = versions(&control.core, &key)?;
    let told = all.into_iter().map(|Version { generation, accepted_at, origin }| SpecVersion {
        generation,
        accepted_at,
        source: format!("{}:{}", origin.file.display(), origin.line),
        commit: origin.commit,
        text: origin.text,
    });
    Ok(Json(told.collect()))
}

#[derive(Debug, serde::Deserialize)]
pub struct RollbackQuery {
    /// The generation; that before the one of now when it is not said.
    to: Option<u64>,
}

/// `POST …/rollback?to=GENERATION`
pub async fn rollback(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
    Query(query): Query<RollbackQuery>,
) -> Result<Json<Vec<Applied>>, Refusal> {
    let key = key(&kind, &name)?;
    let core = Arc::clone(&control.core);
    let work = tokio::task::spawn_blocking(move || roll_back(&core, &key, query.to));
    work.await.map_err(|error| Refusal::failed(&error))?.map(Json)
}

fn roll_back(core: &Core, key: &ObjectKey, to: Option<u64>) -> Result<Vec<Applied>, Refusal> {
    let record = core.ledger().live(key).cloned().ok_or_else(|| Refusal::no_object(key))?;
    refuse_if_elsewhere(core, key, &record.origin)?;
    let mut earlier = versions(core, key)?;
    earlier.retain(|version| version.generation < record.generation);
    let known: Vec<String> = earlier.iter().map(|it| it.generation.to_string()).collect();
    let wanted = match to {
        None => earlier.pop(),
        Some(to) => earlier.into_iter().find(|version| version.generation == to),
    };
    let Some(Version { origin, .. }) = wanted else {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let what =
            to.map_or_else(|| "earlier generation".to_owned(), |to| format!("generation {to}"));
        return Err(Refusal::NotFound(format!(
            "{key} is of generation {}, and no {what} of it is kept; there are: {known}",
            record.generation
        )));
    };
    let file = SpecFile {
        name: origin.file.display().to_string(),
        folder: origin.file.parent().map(std::path::Path::to_path_buf),
        text: origin.text,
    };
    apply_files(core, &ApplyRequest { files: vec![file], dry_run: false })
}

fn versions(core: &Core, key: &ObjectKey) -> Result<Vec<Version>, Refusal> {
    let ledger = core.ledger();
    let record = ledger.live(key).ok_or_else(|| Refusal::no_object(key))?;
    Ok(ledger.history(record))
}
