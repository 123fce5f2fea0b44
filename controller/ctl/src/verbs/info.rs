//! `ctl info`: which controller runs here, and on what.

use agent_harness_model::api::Info;

use crate::client::Client;
use crate::error::{Exit, Result};
use crate::ui::{Cell, Table, Tone, Ui};

/// Show which controller runs here
#[derive(Debug, clap::Args)]
pub struct InfoArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Carries it out.
pub async fn run(args: InfoArgs, client: &Client, ui: &mut Ui) -> Result {
    let info: Option<Info> = match client.get("/v1/info").await {
        Ok(info) => Some(info),
        Err(error) if error.is_down() => None,
        Err(error) => return Err(error.into()),
    };
    if args.json {
        let both = serde_json::json!({ "ctl": env!("CARGO_PKG_VERSION"), "controller": info });
        ui.line(&serde_json::to_string_pretty(&both)?)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::plain(0).column("").column("");
    let mut fact = |name: &str, tone, value: String| {
        table.row([Cell::new(Tone::Quiet, name), Cell::new(tone, value)]);
    };
    fact("ctl", Tone::Plain, env!("CARGO_PKG_VERSION").to_owned());
    match &info {
        Some(info) => {
            fact("controller", Tone::Plain, format!("{} (pid {})", info.version, info.pid));
            fact("state", Tone::Plain, info.state.display().to_string());
            fact("specs", Tone::Plain, info.specs.display().to_string());
            match &info.frozen {
                Some(why) => fact("deletions", Tone::Busy, format!("held back: {why}")),
                None => fact("deletions", Tone::Plain, "let through".to_owned()),
            }
            if let Some(held_by) = &info.held_by {
                fact("processes", Tone::Plain, format!("held by {held_by}"));
            }
            for problem in &info.problems {
                fact("problem", Tone::Busy, problem.clone());
            }
        }
        None => {
            fact("controller", Tone::Busy, "does not run".to_owned());
            fact("state", Tone::Plain, client.state().folder().display().to_string());
        }
    }
    ui.table(&table)?;
    Ok(Exit::Done)
}
