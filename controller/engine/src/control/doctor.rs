//! How the host stands. Looked at when somebody asks; what it means is in `agent_harness_model::doctor`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::api::Check;
use agent_harness_model::audit;
use agent_harness_model::doctor::{self, Host};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::resolve::requests;
use agent_harness_model::spec::parse::Body;
use agent_harness_model::spec::{Command, StackSpec, Tool};
use agent_harness_model::words::{self, Line};
use agent_harness_providers::git::facts as git;
use agent_harness_providers::{fs, machine};
use axum::Json;
use axum::extract::{Query, State};
use futures_util::future::join_all;

use super::Control;
use super::answer::Refusal;
use crate::core::Core;
use crate::facts::chain;
use crate::leaks;

/// A program that is there tells its version within this, also a cold one.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, serde::Deserialize)]
pub struct DoctorQuery {
    /// The Stack that it is to be fit for, by its name.
    stack: Option<String>,
}

/// `GET /v1/doctor?stack=NAME`
pub async fn checks(
    State(control): State<Control>,
    Query(query): Query<DoctorQuery>,
) -> Result<Json<Vec<Check>>, Refusal> {
    let stack = query.stack.map(|name| stack(&control, &name)).transpose()?;
    let outside = super::figures::outside(&control)?;
    let held_by = outside.held_by();
    let core = Arc::clone(&control.core);
    let look = tokio::task::spawn_blocking(move || look(&core, held_by));
    let host = look.await.map_err(|error| Refusal::failed(&error))?;
    let mut checks = doctor::checks(&host);
    let audit = leaks::audit(&control.core, &outside, true).await;
    checks.push(audit::check(&audit.leaks, &audit.unknown));
    if let Some(stack) = stack {
        checks.extend(doctor::room(&host, requests::of_agent(&stack)));
        let environment = control.core.facts.facts().environment.clone();
        let looks = stack.tools.iter().map(async |(name, tool)| {
            let found = ask(name, tool, environment.clone()).await;
            doctor::tool(name, tool, &found)
        });
        checks.extend(join_all(looks).await);
    }
    Ok(Json(checks))
}

/// A Stack as it is written, right or wrong in what it refers to.
fn stack(control: &Control, name: &str) -> Result<StackSpec, Refusal> {
    let key = ObjectKey::new(ObjectKind::Stack, name);
    let view = control.core.view();
    match view.intake.documents.get(&key).map(|document| &document.body) {
        Some(Body::Stack(spec)) => Ok(StackSpec::clone(spec)),
        _ => Err(Refusal::no_object(&key)),
    }
}

/// What a program prints when it is asked for its version, with the environment that all agents get.
async fn ask(
    name: &str,
    tool: &Tool,
    environment: BTreeMap<String, String>,
) -> Result<String, String> {
    let words = match &tool.run {
        None => vec![name.to_owned(), "--version".to_owned()],
        Some(Command::Words(words)) => words.clone(),
        Some(Command::Line(line)) => match words::split(line) {
            Ok(Line::Words(words)) => words,
            _ => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        },
    };
    let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
    let asked = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    match answer.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))? {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("there is no program `{program}` on the PATH of agents"))
        }
        Err(error) => Err(error.to_string()),
        Ok(output) if output.status.success() => {
            let text = [output.stdout, output.stderr].concat();
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or_default();
            Err(format!("`{}` ends with {}: {first}", words.join(" "), output.status))
        }
    }
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
