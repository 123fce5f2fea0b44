//! `ctl restart`: has processes of an agent, or services of an Infra, started anew.

use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::Duration;

use crate::client::{Client, encode, path};
use crate::error::{Exit, Result};
use crate::lookup;
use crate::ui::{Tone, Ui};
use crate::waiting::{self, Goal, Limit, Target};
use crate::whose;

/// Restart an agent's processes, or services of an Infra
#[derive(Debug, clap::Args)]
pub struct RestartArgs {
    /// The agent, or infra/NAME
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// The processes or services; all of them without
    #[arg(value_name = "PROCESS")]
    processes: Vec<String>,
    /// Wait until all of it is ready again
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

impl RestartArgs {
    /// One part of an object or all of it, and nobody waits.
    pub fn of(key: &ObjectKey, part: Option<&str>) -> Self {
        Self {
            name: Some(key.to_string()),
            processes: part.into_iter().map(str::to_owned).collect(),
            wait: false,
            timeout: Duration(std::time::Duration::ZERO),
        }
    }
}

/// Carries it out.
pub async fn run(args: RestartArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.processes).collect();
    let (key, processes) = &whose::about(client, words, usize::MAX).await?;
    let object = lookup::object(client, key).await?;
    let limit = Limit::new(args.timeout);
    let is_infra = key.kind == ObjectKind::Infra;
    // An agent's processes come after the answer, unless somebody waits for them. Of what all use it is said only
    // when it was done, or why not.
    let done = is_infra || args.wait;
    let mut words = Vec::new();
    if !processes.is_empty() {
        words.push(format!("process={}", encode(processes.join(","))));
    }
    if done {
        words.push("wait=true".to_owned());
    }
    let query = if words.is_empty() { String::new() } else { format!("?{}", words.join("&")) };
    // Whether anything comes of it, the controller knows.
    client.order(&path(key, &format!("/restart{query}"))).await?;
    let word = ui.paint(Tone::Good, if done { "restarted" } else { "restarting" });
    if processes.is_empty() {
        ui.line(&format!("{key} {word}"))?;
    }
    for process in processes {
        let kind = if is_infra { "" } else { "process/" };
        ui.line(&format!("{key} {kind}{process} {word}"))?;
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    let (generation, uids) = (object.metadata.generation, vec![object.metadata.uid]);
    let target = Target { key: key.clone(), generation, uids };
    waiting::until(client, ui, &Goal::Ready, &[target], limit).await
}
