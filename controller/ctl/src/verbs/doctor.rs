//! `ctl doctor`: how the host stands, and what to do about what is not as it should be.

use agent_harness_model::api::{Check, Verdict};
use agent_harness_model::id::{ObjectKey, ObjectKind};

use crate::client::{Client, encode};
use crate::error::{Exit, Failure, Result};
use crate::ui::{Cell, Table, Tone, Ui};

/// Look at what everything rests on
///
/// The controller, and what its host has to offer: how processes are held to their limits, memory, disk, how many files
/// can be watched. Exit code 0 when nothing is wrong, warnings or not; 1 otherwise.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Also whether it has what agents of a Stack need: stack/NAME
    #[arg(long = "for", value_name = "STACK")]
    stack: Option<ObjectKey>,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Json,
}

/// Carries it out.
pub async fn run(args: DoctorArgs, client: &Client, ui: &mut Ui) -> Result {
    let path = match &args.stack {
        None => "/v1/doctor".to_owned(),
        Some(key) if key.kind == ObjectKind::Stack => {
            format!("/v1/doctor?stack={}", encode(&key.name))
        }
        Some(key) => {
            return Err(
                Failure::usage(format!("{key} is no Stack")).hint("name one as `--for stack/NAME`")
            );
        }
    };
    let checks = match client.get::<Vec<Check>>(&path).await {
        Ok(mut checks) => {
            checks.insert(0, Check::ok("controller", "runs"));
            checks
        }
        Err(error) if error.is_down() => vec![Check::problem(
            "controller",
            "does not run, so nothing else can be said",
            "start it with `controller run`",
        )],
        Err(error) => return Err(error.into()),
    };
    match args.output {
        Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&checks)?)?,
        None => {
            ui.table(&table(&checks))?;
            for check in &checks {
                if let Some(fix) = &check.fix {
                    ui.say(&format!("{}: {fix}", check.name))?;
                }
            }
        }
    }
    let wrong = checks.iter().any(|check| check.verdict == Verdict::Problem);
    Ok(if wrong { Exit::Failed } else { Exit::Done })
}

fn table(checks: &[Check]) -> Table {
    let mut table = Table::new().column("CHECK").column("RESULT").sentences("MESSAGE");
    for check in checks {
        let (tone, result) = match check.verdict {
            Verdict::Ok => (Tone::Good, "ok"),
            Verdict::Warning => (Tone::Busy, "warning"),
            Verdict::Problem => (Tone::Bad, "problem"),
        };
        table.row([
            Cell::from(check.name.as_str()),
            Cell::new(tone, result),
            Cell::from(check.message.as_str()),
        ]);
    }
    table
}
