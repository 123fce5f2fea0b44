//! `ctl undelete`: brings a deleted agent back with what it made.

use agent_harness_model::api::{Applied, Trashed};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::Duration;

use crate::client::{Client, encode, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup::{self, Word};
use crate::ui::Ui;
use crate::verbs::apply;
use crate::waiting::{self, Goal, Limit, Target};

/// Bring a deleted agent back
///
/// Of several with one name the one that was deleted last, unless --uid names another; `ctl trash` lists them.
#[derive(Debug, clap::Args)]
pub struct UndeleteArgs {
    /// The agents
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
    /// The one with this uid, or as much of its beginning as tells it from the others
    #[arg(long, value_name = "UID")]
    uid: Option<String>,
    /// Wait until they are Ready
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

/// Carries it out.
pub async fn run(args: UndeleteArgs, client: &Client, ui: &mut Ui) -> Result {
    let mut targets = Vec::new();
    let names = lookup::keys(&args.names)?;
    lookup::one_name_for(args.uid.as_deref(), &names)?;
    let query = args.uid.as_ref().map(|uid| format!("?uid={}", encode(uid))).unwrap_or_default();
    for key in &names {
        let path = path(key, &format!("/undelete{query}"));
        let restored: Applied = match client.post(&path, None::<&()>).await {
            Ok(restored) => restored,
            // Which uids there are, the controller says itself.
            Err(error) if error.is_absent() && args.uid.is_none() => {
                return Err(absent(client, key).await?);
            }
            Err(error) => return Err(error.into()),
        };
        apply::report(ui, std::slice::from_ref(&restored), false)?;
        let (key, generation) = (restored.object, restored.generation);
        targets.push(Target { key, generation, uids: Vec::new() });
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    waiting::until(client, ui, &Goal::Ready, &targets, Limit::new(args.timeout)).await
}

async fn absent(client: &Client, key: &ObjectKey) -> Result<Failure> {
    let trash: Vec<Trashed> = client.get("/v1/trash").await?;
    let names: Vec<_> =
        trash.iter().filter(|one| !one.live).map(|one| one.object.name.as_str()).collect();
    let failure = Failure::failed(format!("{key} is not in the trash"));
    Ok(if names.is_empty() {
        failure.hint("the trash is empty")
    } else {
        failure.hint(lookup::there_are(&names))
    })
}
