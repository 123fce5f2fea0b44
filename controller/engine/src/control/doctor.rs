//! How the host stands. Looked at when somebody asks; what it means is in `agent_harness_model::doctor`.

use std::sync::Arc;

use agent_harness_model::api::Check;
use agent_harness_model::doctor::{self, Host};
use agent_harness_providers::git::facts as git;
use agent_harness_providers::{fs, machine};
use axum::Json;
use axum::extract::State;

use super::Control;
use super::answer::Refusal;
use crate::core::Core;
use crate::facts::chain;

/// `GET /v1/doctor`
pub async fn checks(State(control): State<Control>) -> Result<Json<Vec<Check>>, Refusal> {
    let held_by = super::figures::outside(&control)?.held_by();
    let core = Arc::clone(&control.core);
    let look = tokio::task::spawn_blocking(move || look(&core, held_by));
    let host = look.await.map_err(|error| Refusal::failed(&error))?;
    Ok(Json(doctor::checks(&host)))
}

/// Blocks on files and on git.
fn look(core: &Core, held_by: String) -> Host {
    let given = core.ledger().records().filter_map(|record| record.given).map(|it| it.memory).sum();
    let number = |path: &str| -> Result<u64, String> {
        let text = fs::read_to_string(path).map_err(|error| chain(&error))?;
        text.trim().parse().map_err(|_| format!("{path} holds no number"))
    };
    Host {
        held_by,
        memory: machine::memory().map(|all| (all, given)).map_err(|error| chain(&error)),
        disk: machine::disk(&core.config.state)
            .map(|disk| (disk.size, disk.free))
            .map_err(|error| chain(&error)),
        watches: number("/proc/sys/fs/inotify/max_user_watches"),
        instances: number("/proc/sys/fs/inotify/max_user_instances"),
        open_files: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        git: git::version().map_err(|error| chain(&error)),
    }
}
