//! `ctl approve`: lets deletions through that the guard holds back.

use agent_harness_model::api::Approved;

use crate::client::Client;
use crate::error::{Exit, Result};
use crate::ui::{Tone, Ui};

/// Let deletions through that the guard holds back
///
/// The guard holds deletions back when many agents vanish at once, or the folder of specs looks
/// wrong. `ctl info` says why.
#[derive(Debug, clap::Args)]
pub struct ApproveArgs {}

/// Carries it out.
pub async fn run(_: ApproveArgs, client: &Client, ui: &mut Ui) -> Result {
    let approved: Approved = client.post("/v1/approve", None::<&()>).await?;
    if approved.objects.is_empty() {
        ui.say("no deletion is held back")?;
    }
    for object in approved.objects {
        ui.line(&format!("{object} {}", ui.paint(Tone::Good, "approved")))?;
    }
    Ok(Exit::Done)
}
