//! Which logs there are of an object. Reading them is the client's affair: it has the same rights.

use std::path::Path as FilePath;

use agent_harness_model::api::LogFile;
use agent_harness_model::id::ResourceKind;
use agent_harness_providers::fs;
use axum::Json;
use axum::extract::{Path, State};

use super::Control;
use super::answer::{Refusal, key};
use crate::leftovers;

/// `GET …/logs`: `STATE/logs/agent-agent-3/process/api.log` is `api`, `…/setup/install.log` is `setup/install`.
pub async fn list(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<LogFile>>, Refusal> {
    let key = key(&kind, &name)?;
    let core = &control.core;
    let root = leftovers::logs_of(&core.config.state, &core.ledger(), &key);
    let mut logs = Vec::new();
    for kind in fs::list_dir(&root).map_err(|error| Refusal::failed(&error))? {
        let Some(folder) = kind.file_name().and_then(|name| name.to_str()) else { continue };
        for path in fs::list_dir(&kind).map_err(|error| Refusal::failed(&error))? {
            if let Some(name) = log_name(folder, &path) {
                logs.push(LogFile { name, path });
            }
        }
    }
    if logs.is_empty() && !control.core.keys().contains(&key) {
        return Err(Refusal::no_object(&key));
    }
    Ok(Json(logs))
}

fn log_name(kind: &str, path: &FilePath) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    Some(if kind == ResourceKind::Process.as_str() {
        name.to_owned()
    } else {
        format!("{kind}/{name}")
    })
}
