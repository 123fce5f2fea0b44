//! `ctl status`: how an agent stands, on a short page: what its processes do and where they answer. All there is to
//! know is `describe`'s.

use std::collections::BTreeMap;

use agent_harness_model::api::{Object, ServiceNow};
use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup::{self, Selector};
use crate::object;
use crate::ui::{Cell, Table, Tone, Ui, age};
use crate::whose;

/// Show how an agent stands, on a short page
///
/// Its phase, what stands between it and Ready, and its processes as they are at this moment. `ctl describe` shows all
/// that there is to know.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
}

/// Carries it out.
pub async fn run(args: StatusArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = whose::one(client, args.name).await?;
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} is no agent"))
            .hint(format!("`ctl describe {key}` says how it stands")));
    }
    let (objects, live) = lookup::objects(client, ui, &[Selector::One(key.clone())]).await?;
    let Some(object) = objects.first() else { return Ok(Exit::Done) };
    // What cannot be told of this moment is no reason to hide the rest.
    let now: Vec<ServiceNow> = match client.get(&path(&key, "/processes")).await {
        Ok(now) => now,
        Err(_) if !live => Vec::new(),
        Err(error) => {
            ui.warn(&Failure::from(error).message)?;
            Vec::new()
        }
    };
    head(ui, object)?;
    let processes = table(ui, object, &now);
    if let Some(table) = processes {
        ui.line("")?;
        ui.table(&table)?;
    }
    Ok(Exit::Done)
}

fn head(ui: &mut Ui, object: &Object) -> Result<()> {
    let phase = object::phase(object);
    let name = ui.paint(Tone::Strong, &format!("agent/{}", object.metadata.name));
    let phase_shown = ui.paint(object::phase_tone(phase), &phase.to_string());
    ui.line(&format!("{name}  {phase_shown}  {}", object::ready(object)))?;
    let place = [object::branch(object), object::worktree(object).unwrap_or_default().to_owned()];
    let place: Vec<_> = place.into_iter().filter(|part| !part.is_empty()).collect();
    let mut table = Table::plain(2).prose();
    if !place.is_empty() {
        table.row([Cell::new(Tone::Quiet, place.join(" in "))]);
    }
    let message = object::message(object);
    if !message.is_empty() {
        table.row([Cell::from(message)]);
    }
    Ok(ui.table(&table)?)
}

/// Its processes; `None` where it has none.
fn table(ui: &Ui, object: &Object, now: &[ServiceNow]) -> Option<Table> {
    let status = object.status.as_ref()?;
    let now: BTreeMap<&str, &ServiceNow> = now.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut table = Table::new()
        .column("PROCESS")
        .column("STATE")
        .column("PID")
        .column("UPTIME")
        .column("RESTARTS")
        .optional("URL")
        .sentences("MESSAGE");
    let mut any = false;
    for (resource, seen) in status.resources.iter().filter(|(_, seen)| !seen.leaving) {
        let Some(name) = resource.strip_prefix("process/") else { continue };
        let now = now.get(name);
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let url = status.urls.get(name).filter(|_| object::is_reachable(object));
        any = true;
        table.row([
            Cell::from(name),
            Cell::new(object::state_tone(&seen.state), seen.state.as_str()),
            Cell::from(or_nothing(now.and_then(|it| it.pid).map(|pid| pid.to_string()))),
            Cell::from(or_nothing(now.and_then(|it| it.started).map(|at| age(at, ui.now())))),
            Cell::from(or_nothing(now.and_then(|it| it.restarts).map(|count| count.to_string()))),
            Cell::new(Tone::Info, url.map(String::as_str).unwrap_or_default()),
            Cell::from(seen.message.as_str()),
        ]);
    }
    any.then_some(table)
}
