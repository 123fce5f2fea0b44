//! How the host stands. Looked at when somebody asks; what it means is in `agent_harness_model::doctor`.

use agent_harness_model::api::Check;
use agent_harness_model::doctor::{self, Host};
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
    let git = tokio::process::Command::new("git").arg("--version").output().await;
    let git = match git {
        Ok(output) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("there is no program `git` on the PATH of the controller".to_owned())
        }
        Err(error) => Err(format!("git cannot be run: {error}")),
    };
    let core = std::sync::Arc::clone(&control.core);
    let look = tokio::task::spawn_blocking(move || look(&core, held_by, git));
    let host = look.await.map_err(|error| Refusal::failed(&error))?;
    Ok(Json(doctor::checks(&host)))
}

fn look(core: &Core, held_by: String, git: Result<String, String>) -> Host {
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
        git,
    }
}
