//! `ctl rebuild`: has a Stack's template built anew.

use agent_harness_model::api::Rebuilt;
use agent_harness_model::id::{ObjectKey, ObjectKind};

use super::reset::Wait;
use crate::client::{Client, path};
use crate::error::{Failure, Result};
use crate::lookup;
use crate::ui::{Tone, Ui};

/// Build a Stack's template anew, though nothing has changed
///
/// For what its inputs do not tell: a seed that reads from elsewhere, or data that depend on the day. Agents keep the
/// database that they have; new ones, and those that are reset, come from the new generation.
#[derive(Debug, clap::Args)]
pub struct RebuildArgs {
    /// The Stack: stack/NAME
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    #[command(flatten)]
    wait: Wait,
}

/// Carries it out.
pub async fn run(args: RebuildArgs, client: &Client, ui: &mut Ui) -> Result {
    let key = args.name;
    if key.kind != ObjectKind::Stack {
        let failure = Failure::usage(format!("{key} has no template: name a Stack"));
        return Err(failure.hint("write stack/NAME"));
    }
    let object = lookup::object(client, &key).await?;
    let rebuilt: Rebuilt = client.post(&path(&key, "/rebuild"), None::<&()>).await?;
    let word = ui.paint(Tone::Good, "rebuilding");
    ui.line(&format!("{key} {word} its template as {}", rebuilt.database))?;
    args.wait.until_ready(client, ui, &key, object).await
}
