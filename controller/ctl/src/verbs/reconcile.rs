//! `ctl reconcile`: a look at objects now, and another try at what failed or was left because it drifts again and again.

use agent_harness_model::id::ObjectKey;

use crate::client::{Client, path};
use crate::error::{Exit, Result};
use crate::lookup::{self, Word};
use crate::ui::{Tone, Ui};

/// Look at objects now, and try again what failed
///
/// What failed is tried again by itself, after longer and longer pauses, and what somebody changes again and again is
/// left for a while. With this neither is waited for.
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    /// The objects
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
}

/// Asks for it; `ctl wait` waits for what comes of it.
pub async fn run(args: ReconcileArgs, client: &Client, ui: &mut Ui) -> Result {
    let names: Vec<ObjectKey> = lookup::keys(&args.names)?;
    for key in &names {
        client.order(&path(key, "/reconcile")).await?;
        ui.line(&format!("{key} {}", ui.paint(Tone::Quiet, "is looked at")))?;
    }
    Ok(Exit::Done)
}
