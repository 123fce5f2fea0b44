//! `ctl stats`: what the processes of an agent, or the services of an Infra, use at this moment.

use std::time::Duration;

use agent_harness_model::api::ServiceNow;
use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Tone, Ui, age, bytes};
use crate::verbs::describe::{memory, state_tone};
use crate::whose;

/// Between two looks of a watch.
const INTERVAL: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 2 });
/// What does not apply, or is not known.
const NOTHING: &str = "-";

/// Show what an agent's processes use, or services of an Infra
///
/// A process stands for all that it has started. CPU is in percent of one processor, over half a second; FILES are
/// open files, sockets and pipes among them. Network and disk are what a container moved since its start: in / out,
/// read / written.
#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    /// The agent, or infra/NAME
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Which processes or services; all of them without
    #[arg(value_name = "PROCESS")]
    parts: Vec<String>,
    /// Go on and show how it changes
    #[arg(short, long)]
    watch: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// An array; with --watch one on each line
    Json,
}

/// Carries it out.
pub async fn run(args: StatsArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.parts).collect();
    let (key, parts) = whose::about(client, words, usize::MAX).await?;
    let mut all = look(&key, &parts, client).await?;
    if !args.watch {
        warn(ui, &all)?;
        match args.output {
            Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&all)?)?,
            None => ui.table(&table(ui, &key, &all))?,
        }
        // Where nothing at all was learned, a script should not go on.
        let nothing = !all.is_empty() && all.iter().all(|it| it.unknown.is_some());
        return Ok(if nothing { Exit::Failed } else { Exit::Done });
    }
    for turn in 0_u64.. {
        if turn > 0 {
            tokio::time::sleep(INTERVAL).await;
            all = look(&key, &parts, client).await?;
        }
        match args.output {
            Some(Form::Json) => ui.line(&serde_json::to_string(&all)?)?,
            None if ui.is_terminal() => ui.screen(&table(ui, &key, &all), turn == 0)?,
            None => {
                if turn > 0 {
                    ui.line("")?;
                }
                warn(ui, &all)?;
                ui.table(&table(ui, &key, &all))?;
            }
        }
    }
    Ok(Exit::Done)
}

/// One look at those that were named, or at all.
async fn look(key: &ObjectKey, parts: &[String], client: &Client) -> Result<Vec<ServiceNow>> {
    let (what, rest) = match key.kind {
        ObjectKind::Agent => ("process", "/processes?cpu=true"),
        ObjectKind::Infra => ("service", "/services?cpu=true"),
        ObjectKind::Stack => {
            return Err(Failure::usage(format!("{key} runs nothing: its agents do"))
                .hint("name one of them; `ctl get agents` lists them"));
        }
    };
    let mut all: Vec<ServiceNow> = lookup::part(client, key, rest).await?;
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    if let Some(name) = parts.iter().find(|name| !names.contains(&name.as_str())) {
        let failure = Failure::failed(format!("{key} has no {what} `{name}`"));
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(lookup::there_are(&names))
        });
    }
    all.retain(|it| parts.is_empty() || parts.contains(&it.name));
    Ok(all)
}

fn warn(ui: &mut Ui, all: &[ServiceNow]) -> Result<()> {
    let mut why: Vec<&str> = all.iter().filter_map(|it| it.unknown.as_deref()).collect();
    why.dedup();
    for why in why {
        ui.warn(why)?;
    }
    Ok(())
}

fn table(ui: &Ui, key: &ObjectKey, all: &[ServiceNow]) -> Table {
    let is_infra = key.kind == ObjectKind::Infra;
    let mut table = Table::new()
        .column("NAME")
        .column("STATE")
        .column("CPU")
        .column("MEMORY")
        .column("PIDS")
        .column("FILES")
        .column("UPTIME")
        .column("RESTARTS");
    if is_infra {
        // Of processes nobody counts it.
        table = table.column("NETWORK").column("DISK");
    }
    let row = |it: &ServiceNow, tone: Tone| {
        let state = it.state.as_deref().unwrap_or(NOTHING);
        let uptime = it.started.map(|at| age(at, ui.now()));
        let mut cells = vec![
            Cell::new(tone, it.name.as_str()),
            Cell::new(if it.state.is_some() { state_tone(state) } else { Tone::Quiet }, state),
            Cell::new(tone, shown(it.cpu_percent.map(|percent| format!("{percent:.1}%")))),
            Cell::new(tone, memory(it)),
            Cell::new(tone, number(it.pids)),
            Cell::new(tone, number(it.open_files)),
            Cell::new(tone, shown(uptime)),
            Cell::new(tone, number(it.restarts)),
        ];
        if is_infra {
            cells.push(Cell::new(tone, pair(it.network_in, it.network_out)));
            cells.push(Cell::new(tone, pair(it.disk_read, it.disk_written)));
        }
        cells
    };
    for it in all {
        table.row(row(it, Tone::Plain));
    }
    if all.len() > 1 {
        table.row(row(&total(all), Tone::Strong));
    }
    table
}

/// All of them together, as far as it is known.
fn total(all: &[ServiceNow]) -> ServiceNow {
    let sum = |of: fn(&ServiceNow) -> Option<u64>| all.iter().filter_map(of).reduce(|a, b| a + b);
    ServiceNow {
        name: "total".to_owned(),
        cpu_percent: all.iter().filter_map(|it| it.cpu_percent).reduce(|a, b| a + b),
        memory: sum(|it| it.memory),
        pids: sum(|it| it.pids),
        open_files: sum(|it| it.open_files),
        restarts: sum(|it| it.restarts),
        network_in: sum(|it| it.network_in),
        network_out: sum(|it| it.network_out),
        disk_read: sum(|it| it.disk_read),
        disk_written: sum(|it| it.disk_written),
        ..ServiceNow::default()
    }
}

fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

fn number(count: Option<u64>) -> String {
    shown(count.map(|count| count.to_string()))
}

fn pair(one: Option<u64>, other: Option<u64>) -> String {
    match (one, other) {
        (None, None) => NOTHING.to_owned(),
        (one, other) => format!("{} / {}", shown(one.map(bytes)), shown(other.map(bytes))),
    }
}
