//! `ctl apply`: hands spec files to the controller, says what that did, and waits if asked to.

use std::path::PathBuf;

use agent_harness_model::api::{Applied, Change};
use agent_harness_model::spec::Duration;

use crate::client::{Client, path};
use crate::error::{Exit, Result};
use crate::specs::Specs;
use crate::ui::{Tone, Ui};
use crate::waiting::{self, Goal, Limit, Target};

/// Create or change objects from spec files
///
/// The files are checked together with everything that is there already; if anything is wrong,
/// nothing is changed. What is right is written into the folder that the controller watches.
#[derive(Debug, clap::Args)]
pub struct ApplyArgs {
    /// A spec file, a folder of them, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Wait until everything that was applied is Ready
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
    /// Only say what would be done
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
}

/// Carries it out.
pub async fn run(args: ApplyArgs, client: &Client, ui: &mut Ui) -> Result {
    let request = Specs::read(&args.files)?.request(ui, args.dry_run)?;
    let applied: Vec<Applied> = client.post("/v1/apply", Some(&request)).await?;
    report(ui, &applied, args.dry_run)?;
    if !args.wait {
        return Ok(Exit::Done);
    }
    for one in applied.iter().filter(|one| one.change == Change::Unchanged) {
        // It may have given up on something that is different now.
        client.order(&path(&one.object, "/reconcile")).await?;
    }
    let targets: Vec<_> = applied
        .into_iter()
        .map(|one| Target { key: one.object, generation: one.generation, uids: Vec::new() })
        .collect();
    waiting::until(client, ui, &Goal::Ready, &targets, Limit::new(args.timeout)).await
}

/// `agent/agent-3 created`, a line for each object.
pub fn report(ui: &mut Ui, applied: &[Applied], dry_run: bool) -> Result<()> {
    for one in applied {
        let tone = match one.change {
            Change::Created | Change::Configured | Change::Restored => Tone::Good,
            Change::Unchanged => Tone::Quiet,
        };
        let change = ui.paint(tone, &one.change.to_string());
        let note = if dry_run { " (dry run)" } else { "" };
        ui.line(&format!("{} {change}{note}", one.object))?;
    }
    Ok(())
}
