//! `ctl health`: each check of an agent's processes, carried out now.

use agent_harness_model::api::HealthNow;
use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Tone, Ui};
use crate::whose;

/// Look at an agent's processes now
///
/// Each check (`ready` of a process) is carried out once, whatever came of it before. A process without one is asked
/// whether it runs; one that is not enabled is left out. Exit code 0 when all is well, 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Json,
}

/// Carries it out.
pub async fn run(args: HealthArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = whose::one(client, args.name).await?;
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} has no processes to look at: name an agent"))
            .hint(format!("`ctl describe {key}` says how it stands")));
    }
    let all: Vec<HealthNow> = lookup::part(client, &key, "/health").await?;
    match args.output {
        Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&all)?)?,
        None if all.is_empty() => ui.say(&format!("{key} has no processes"))?,
        None => ui.table(&table(&all))?,
    }
    Ok(if all.iter().all(|it| it.passed) { Exit::Done } else { Exit::Failed })
}

fn table(all: &[HealthNow]) -> Table {
    let mut table = Table::new()
        .column("PROCESS")
        .flexible("CHECK", 16)
        .column("RESULT")
        .column("LATENCY")
        .sentences("MESSAGE");
    for it in all {
        let (tone, result) = if it.passed { (Tone::Good, "pass") } else { (Tone::Bad, "fail") };
        table.row([
            Cell::from(it.process.as_str()),
            Cell::from(it.check.as_deref().unwrap_or("-")),
            Cell::new(tone, result),
            Cell::from(it.latency_ms.map_or_else(|| "-".to_owned(), latency)),
            Cell::from(it.message.as_str()),
        ]);
    }
    table
}

/// `0.4ms`, `12ms`, `1.3s`
fn latency(milliseconds: f64) -> String {
    match milliseconds {
        ..10.0 => format!("{milliseconds:.1}ms"),
        ..1000.0 => format!("{milliseconds:.0}ms"),
        _ => format!("{:.1}s", milliseconds / 1000.0),
    }
}
