//! `ctl restart`: has processes of an agent started anew.

use agent_harness_model::id::ObjectKey;

use crate::client::{Client, encode, path};
use crate::error::{Exit, Result};
use crate::lookup;
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
    lookup::object(client, key).await?;
    let named = args.processes.join(",");
    let query = if named.is_empty() { named } else { format!("?process={}", encode(named)) };
    // Whether anything comes of it, the controller knows. It is ordered with the answer, and comes after it.
    client.order(&path(key, &format!("/restart{query}"))).await?;
    let restarting = ui.paint(Tone::Good, "restarting");
    if args.processes.is_empty() {
        ui.line(&format!("{key} {restarting}"))?;
    }
    for process in &args.processes {
        ui.line(&format!("{key} process/{process} {restarting}"))?;
    }
    Ok(Exit::Done)
}
