//! `ctl suspend` and `ctl resume`: lets an agent be as it is, whatever its spec says, and looks after it again.

use agent_harness_model::api::Suspended;
use agent_harness_model::id::ObjectKey;

use crate::client::{Client, path};
use crate::error::{Exit, Result};
use crate::lookup::{self, Word};
use crate::ui::{Tone, Ui};

/// Let agents be as they are
///
/// What runs goes on running, and what is missing stays missing, until `ctl resume`. Specs are taken in all the same,
/// also those from a Git repository, and come about then. Deletions are carried out.
#[derive(Debug, clap::Args)]
pub struct SuspendArgs {
    /// The agents
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
}

/// Look after suspended agents again
#[derive(Debug, clap::Args)]
pub struct ResumeArgs {
    /// The agents
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
}

/// Lets them be.
pub async fn suspend(args: SuspendArgs, client: &Client, ui: &mut Ui) -> Result {
    change(&args.names, "suspend", "suspended", client, ui).await
}

/// Looks after them.
pub async fn resume(args: ResumeArgs, client: &Client, ui: &mut Ui) -> Result {
    change(&args.names, "resume", "resumed", client, ui).await
}

async fn change(names: &[Word], verb: &str, done: &str, client: &Client, ui: &mut Ui) -> Result {
    let names: Vec<ObjectKey> = lookup::keys(names)?;
    for key in &names {
        let told: Suspended = client.post(&path(key, &format!("/{verb}")), None::<&()>).await?;
        let (tone, word) =
            if told.changed { (Tone::Good, done) } else { (Tone::Quiet, "unchanged") };
        ui.line(&format!("{} {}", told.object, ui.paint(tone, word)))?;
    }
    Ok(Exit::Done)
}
