//! `ctl restart`: has processes of an agent started anew.

use std::collections::BTreeMap;

use agent_harness_model::api::Object;
use agent_harness_model::id::ObjectKey;
use agent_harness_model::status::{Phase, ResourceStatus};

use crate::client::{Client, encode, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::object;
use crate::ui::{Tone, Ui};

/// Restart an agent's processes
#[derive(Debug, clap::Args)]
pub struct RestartArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// The processes; all of them without
    #[arg(value_name = "PROCESS")]
    processes: Vec<String>,
}

/// Carries it out.
pub async fn run(args: RestartArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = &args.name;
    let object = lookup::object(client, key).await?;
    if let Some(why) = hopeless(key, &object, &args.processes) {
        return Err(why);
    }
    // It is ordered with the answer, and comes after it.
    let restarting = ui.paint(Tone::Good, "restarting");
    if args.processes.is_empty() {
        client.order(&path(key, "/restart")).await?;
        ui.line(&format!("{key} {restarting}"))?;
    }
    for process in &args.processes {
        client.order(&path(key, &format!("/restart?process={}", encode(process)))).await?;
        ui.line(&format!("{key} process/{process} {restarting}"))?;
    }
    Ok(Exit::Done)
}

/// Why nothing would come of it. The controller takes the order in any case; while it has not looked at the spec
/// as it is now, it alone knows.
fn hopeless(key: &ObjectKey, object: &Object, named: &[String]) -> Option<Failure> {
    let status = object.status.as_ref().filter(|_| object::is_current(object))?;
    let describe = |failure: Failure| failure.hint(format!("`ctl describe {key}` says more"));
    let processes: BTreeMap<&str, &ResourceStatus> = status
        .resources
        .iter()
        .filter_map(|(name, resource)| Some((name.strip_prefix("process/")?, resource)))
        .collect();
    let phase = object::phase(object);
    match phase {
        Phase::Suspended => {
            let edit = format!("take `suspend: true` out of its spec: ctl edit {}", key.name);
            return Some(
                Failure::failed(format!("{key} is suspended: nothing of it is started")).hint(edit),
            );
        }
        Phase::Deleting => return Some(describe(Failure::failed(format!("{key} is leaving")))),
        Phase::Ready | Phase::Progressing | Phase::Degraded | Phase::Stalled | Phase::Pending => {}
    }
    let names: Vec<&str> = processes.keys().copied().collect();
    if names.is_empty() {
        return Some(Failure::failed(format!("{key} has no process to restart")));
    }
    if let Some(unknown) = named.iter().find(|name| !processes.contains_key(name.as_str())) {
        return Some(
            Failure::failed(format!("{key} has no process `{unknown}`"))
                .hint(lookup::there_are(&names)),
        );
    }
    // One that ended may be started anew, and that may help. One that never began waits for something else.
    let mut wanted = processes
        .iter()
        .filter(|(name, _)| named.is_empty() || named.iter().any(|one| one.as_str() == **name));
    let none_began = wanted.all(|(_, resource)| resource.state == "Missing");
    (phase == Phase::Stalled && none_began).then(|| {
        let why = object::message(object);
        describe(Failure::failed(format!("{key} is Stalled before its processes start: {why}")))
    })
}
