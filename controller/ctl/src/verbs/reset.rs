//! `ctl reset`: gives an agent a new database, as the first one was.

use agent_harness_model::api::{Object, Replaced};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::Duration;

use crate::client::{Client, path};
use crate::confirm;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Tone, Ui};
use crate::waiting::{self, Goal, Limit, Target};

/// Give an agent a new database, cloned from the template
///
/// Its processes are stopped, the database is set aside, a new one is cloned from the current generation of the
/// template, `afterClone` runs again, and the processes start. What was set aside comes back with `ctl db restore`
/// under the name that is printed, until its retention ends; `ctl trash` lists it.
#[derive(Debug, clap::Args)]
pub struct ResetArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// What is reset
    #[arg(value_name = "WHAT")]
    what: What,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    wait: Wait,
}

/// What of an agent can be reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Its database
    Database,
}

/// Whether somebody waits until it was done.
#[derive(Debug, clap::Args)]
pub struct Wait {
    /// Wait until the agent is ready again
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

/// Carries it out.
pub async fn run(args: ResetArgs, client: &Client, ui: &mut Ui) -> Result {
    let What::Database = args.what;
    let (key, object) = agent(client, &args.name).await?;
    let what = format!(
        "This gives {key} a new database. What is in it now is set aside, and its processes are restarted."
    );
    confirm::ask(ui, args.yes, &what, "nothing was reset")?;
    let replaced: Replaced = client.post(&path(&key, "/database/reset"), None::<&()>).await?;
    ui.line(&format!("{key} database {}", ui.paint(Tone::Good, "resetting")))?;
    say_kept(ui, &replaced)?;
    args.wait.until_ready(client, ui, &key, object).await
}

/// How what was replaced comes back.
pub fn say_kept(ui: &mut Ui, replaced: &Replaced) -> Result<()> {
    let Some(until) = replaced.until else { return Ok(()) };
    let until = until.strftime("%Y-%m-%d %H:%M UTC");
    let (name, kept) = (&replaced.object.name, &replaced.kept);
    Ok(ui.say(&format!("`ctl db restore {name} {kept}` brings it back until {until}"))?)
}

/// An agent that is there.
pub async fn agent(client: &Client, key: &ObjectKey) -> Result<(ObjectKey, Object)> {
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} has no database of its own: name an agent")));
    }
    Ok((key.clone(), lookup::object(client, key).await?))
}

impl Wait {
    /// Waits, if that was asked for.
    pub async fn until_ready(
        self,
        client: &Client,
        ui: &mut Ui,
        key: &ObjectKey,
        object: Object,
    ) -> Result {
        if !self.wait {
            return Ok(Exit::Done);
        }
        let (generation, uids) = (object.metadata.generation, vec![object.metadata.uid]);
        let target = Target { key: key.clone(), generation, uids };
        waiting::until(client, ui, &Goal::Ready, &[target], Limit::new(self.timeout)).await
    }
}
