//! `ctl stats`: what the services of an Infra use at this moment.

use agent_harness_model::api::ServiceNow;
use agent_harness_model::id::ObjectKey;

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Ui, bytes};
use crate::verbs::describe::memory;

/// Show what services of an Infra use
///
/// CPU is in percent of one processor. Network and disk are what a container moved since its start: in / out,
/// read / written.
#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    /// The Infra: infra/NAME
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// Which services; all of them without
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Json,
}

/// Carries it out.
pub async fn run(args: StatsArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = &args.name;
    let mut all: Vec<ServiceNow> = match client.get(&path(key, "/services?cpu=true")).await {
        Ok(all) => all,
        Err(error) if error.is_absent() => {
            lookup::object(client, key).await?;
            return Err(error.into());
        }
        Err(error) => return Err(error.into()),
    };
    choose(&args, &mut all)?;
    let mut why: Vec<&str> = all.iter().filter_map(|it| it.unknown.as_deref()).collect();
    why.dedup();
    for why in why {
        ui.warn(why)?;
    }
    match args.output {
        Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&all)?)?,
        None => ui.table(&table(&all))?,
    }
    // Where nothing at all was learned, a script should not go on.
    let nothing = !all.is_empty() && all.iter().all(|it| it.unknown.is_some());
    Ok(if nothing { Exit::Failed } else { Exit::Done })
}

fn choose(args: &StatsArgs, all: &mut Vec<ServiceNow>) -> Result<()> {
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    if let Some(name) = args.services.iter().find(|name| !names.contains(&name.as_str())) {
        let failure = Failure::failed(format!("{} has no service `{name}`", args.name));
        return Err(if names.is_empty() {
            failure
        } else {
            failure.hint(lookup::there_are(&names))
        });
    }
    all.retain(|it| args.services.is_empty() || args.services.contains(&it.name));
    Ok(())
}

fn table(all: &[ServiceNow]) -> Table {
    let mut table = Table::new()
        .column("NAME")
        .column("CPU")
        .column("MEMORY")
        .column("PIDS")
        .column("NETWORK")
        .column("DISK");
    let none = || "-".to_owned();
    let pair = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => none(),
        (one, other) => {
            let shown = |count: Option<u64>| count.map_or_else(none, bytes);
            format!("{} / {}", shown(one), shown(other))
        }
    };
    for it in all {
        table.row([
            Cell::from(it.name.as_str()),
            Cell::from(it.cpu_percent.map_or_else(none, |percent| format!("{percent:.1}%"))),
            Cell::from(memory(it)),
            Cell::from(it.pids.map_or_else(none, |pids| pids.to_string())),
            Cell::from(pair(it.network_in, it.network_out)),
            Cell::from(pair(it.disk_read, it.disk_written)),
        ]);
    }
    table
}
