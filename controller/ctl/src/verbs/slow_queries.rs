//! `ctl slow-queries`: what an agent's database spent its time on, as its server has counted.

use agent_harness_model::api::SlowQuery;
use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Ui};
use crate::whose;

/// Show which queries of an agent took longest
///
/// Those of its own database alone, by the time that all their calls took, as the server's pg_stat_statements has
/// counted since its counters began. Times are in milliseconds. On a terminal a query is cut where the line ends.
#[derive(Debug, clap::Args)]
pub struct SlowQueriesArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    number: u32,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Json,
}

/// Carries it out.
pub async fn run(args: SlowQueriesArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = whose::one(client, args.name).await?;
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} has no database of its own: name an agent")));
    }
    let all: Vec<SlowQuery> =
        lookup::part(client, &key, &format!("/queries?limit={}", args.number)).await?;
    match args.output {
        Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&all)?)?,
        None if all.is_empty() => ui.say(&format!("no query of {key} was counted yet"))?,
        None => ui.table(&table(&all))?,
    }
    Ok(Exit::Done)
}

fn table(all: &[SlowQuery]) -> Table {
    let mut table = Table::new()
        .column("CALLS")
        .column("TOTAL MS")
        .column("MEAN MS")
        .column("ROWS")
        .flexible("QUERY", 20);
    for it in all {
        table.row([
            Cell::from(it.calls.to_string()),
            Cell::from(format!("{:.1}", it.total_ms)),
            Cell::from(format!("{:.3}", it.mean_ms)),
            Cell::from(it.rows.to_string()),
            // As it was written it may have many lines.
            Cell::from(it.query.split_whitespace().collect::<Vec<_>>().join(" ")),
        ]);
    }
    table
}
