//! `ctl leaks`: what carries the controller's mark and is of no object that is known, and its removal.

use std::io::{BufRead as _, IsTerminal as _};

use agent_harness_model::api::{Audit, Leak, RemoveLeaks, Removed};

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::ui::{Cell, Table, Tone, Ui};

/// List what is of no object that is known
///
/// Databases, roles, buckets, worktrees, containers, volumes, processes and files that carry this controller's mark, and
/// of which its ledger knows nothing: after a ledger was lost or put back from a backup, or a server crashed in the
/// middle of a clone. Each with the command that removes it; nothing is removed by itself.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LeaksArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Destroy some of them, with all that is in them
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// As `ctl leaks` names them
    #[arg(value_name = "LEAK", required_unless_present = "all")]
    names: Vec<String>,
    /// Every one that the controller can remove
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// How they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Everything that is known of each
    Yaml,
    /// Everything that is known of each
    Json,
    /// Their names, one a line
    Name,
}

/// Carries it out.
pub async fn run(args: LeaksArgs, client: &Client, ui: &mut Ui) -> Result {
    let audit: Audit = client.get("/v1/leaks").await?;
    match (args.verb, args.output) {
        (Some(Verb::Remove(args)), _) => remove(args, &audit, client, ui).await,
        (None, Some(Form::Json)) => {
            ui.line(&serde_json::to_string_pretty(&audit)?)?;
            Ok(Exit::Done)
        }
        (None, Some(Form::Yaml)) => {
            ui.data(&agent_harness_model::yaml::to_yaml(&audit)?)?;
            Ok(Exit::Done)
        }
        (None, Some(Form::Name)) => {
            audit.leaks.iter().try_for_each(|leak| ui.line(&leak.name))?;
            Ok(Exit::Done)
        }
        (None, None) => {
            print(&audit, ui)?;
            Ok(Exit::Done)
        }
    }
}

fn print(audit: &Audit, ui: &mut Ui) -> Result<()> {
    for why in &audit.unknown {
        ui.warn(&format!("could not look at {why}"))?;
    }
    if audit.leaks.is_empty() {
        ui.say("all that was found is of an object that is known")?;
        return Ok(());
    }
    let mut table = Table::new().column("LEAK").column("OF").sentences("WHAT IT IS");
    for Leak { name, about, uid, .. } in &audit.leaks {
        let of = uid.as_ref().map_or("-", |uid| uid.short());
        table.row([
            Cell::from(name.as_str()),
            Cell::new(Tone::Quiet, of),
            Cell::from(about.as_str()),
        ]);
    }
    ui.table(&table)?;
    for leak in &audit.leaks {
        ui.say(&leak.fix)?;
    }
    Ok(())
}

async fn remove(args: RemoveArgs, audit: &Audit, client: &Client, ui: &mut Ui) -> Result {
    let names = if args.all {
        let removable = audit.leaks.iter().filter(|leak| leak.removable);
        removable.map(|leak| leak.name.clone()).collect()
    } else {
        args.names
    };
    if names.is_empty() {
        ui.say("nothing is to be removed")?;
        return Ok(Exit::Done);
    }
    let known = |name: &&String| audit.leaks.iter().any(|leak| leak.name == **name);
    if let Some(name) = names.iter().find(|name| !known(name)) {
        let failure = Failure::failed(format!("{name} is no leak"));
        return Err(failure.hint("`ctl leaks` lists them"));
    }
    if !args.yes {
        confirm(&names, ui)?;
    }
    let request = RemoveLeaks { names };
    let removed: Vec<Removed> = client.post("/v1/leaks/remove", Some(&request)).await?;
    let mut exit = Exit::Done;
    for Removed { name, error } in removed {
        match error {
            None => ui.line(&format!("{name} {}", ui.paint(Tone::Good, "removed")))?,
            Some(why) => {
                exit = Exit::Failed;
                ui.warn(&format!("{name}: {why}"))?;
            }
        }
    }
    Ok(exit)
}

/// Asks on a terminal; elsewhere nobody could answer, so `--yes` has to be there.
fn confirm(names: &[String], ui: &mut Ui) -> Result<()> {
    if !std::io::stdin().is_terminal() {
        let list = names.join(", ");
        return Err(Failure::usage(format!("this destroys {list}, with all that is in them"))
            .hint("add --yes if that is what you want"));
    }
    ui.say("This destroys, with all that is in them:")?;
    for name in names {
        ui.say(&format!("  {name}"))?;
    }
    ui.say("Type `yes` to go on:")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::failed("nothing was removed")) }
}
