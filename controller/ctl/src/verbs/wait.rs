//! `ctl wait`: until objects are ready, deleted, or in a condition.

use agent_harness_model::spec::Duration;

use crate::client::Client;
use crate::error::Result;
use crate::lookup::{self, Word};
use crate::ui::Ui;
use crate::waiting::{self, Goal, Limit, Target};

/// Wait until objects are ready, deleted, or in a condition
///
/// A status about an older spec never counts. It ends early, with exit code 4, where an object does
/// not get there by itself.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {
    /// ready, deleted, or condition=TYPE[=true|false|unknown]
    #[arg(long = "for", value_name = "GOAL", default_value = "ready")]
    goal: Goal,
    /// The objects
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

/// Carries it out.
pub async fn run(args: WaitArgs, client: &Client, ui: &mut Ui) -> Result {
    let limit = Limit::new(args.timeout);
    let names = lookup::keys(&args.names)?;
    let all = loop {
        match limit.look(client.objects_of_now()).await {
            Some(Ok(all)) => break all,
            // It runs, and is not so far yet.
            Some(Err(error)) if error.is_interruption() && !error.is_absence() => {
                tokio::time::sleep(waiting::TICK).await;
            }
            // What it last wrote says nothing of now.
            Some(Err(error)) => return Err(error.into()),
            None => return Err(limit.nothing_seen()),
        }
    };
    let mut targets = Vec::new();
    for key in names {
        let now = all.iter().find(|object| object.key().as_ref() == Some(&key));
        if now.is_none() && args.goal != Goal::Deleted {
            return Err(lookup::absent(&key, &all));
        }
        // Whatever generation there is when it is looked at: the newest one counts.
        let uids = now.iter().map(|object| object.metadata.uid.clone()).collect();
        targets.push(Target { key, generation: 0, uids });
    }
    waiting::until(client, ui, &args.goal, &targets, limit).await
}
