//! `ctl delete`: has objects leave, into the trash or for good.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};

use agent_harness_model::api::{Deleted, Trashed};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::Duration;

use crate::client::{Client, encode, path};
use crate::error::{Exit, Failure, Result};
use crate::lookup::{self, Word};
use crate::ui::{Tone, Ui};
use crate::waiting::{self, Goal, Limit, Target};

/// Stop an agent and move what it made to the trash
///
/// Its worktree, database and bucket come back with `ctl undelete` until the time that is printed.
/// With --purge they are destroyed at once, with everything in them that was not pushed; also what is in
/// the trash already. Where there is more than one of a name, live or in the trash, --uid says which of
/// them is meant (`ctl trash` lists them), and --all means every one; without either nothing is purged.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// The objects
    #[arg(value_name = "NAME", required = true)]
    names: Vec<Word>,
    /// Destroy what the agent made: nothing comes back
    #[arg(long)]
    purge: bool,
    /// The one with this uid, or as much of its beginning as tells it from the others
    #[arg(long, value_name = "UID")]
    uid: Option<String>,
    /// With --purge: every one of that name, also all those in the trash
    #[arg(long, requires = "purge", conflicts_with = "uid")]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Wait until everything is gone or in the trash
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

impl DeleteArgs {
    /// What of it the controller is told beside the name.
    fn query(&self) -> String {
        let uid = self.uid.as_ref().map(|uid| format!("uid={}", encode(uid)));
        let words = [
            self.purge.then(|| "purge=true".to_owned()),
            self.all.then(|| "all=true".to_owned()),
            uid,
        ];
        let words: Vec<_> = words.into_iter().flatten().collect();
        if words.is_empty() { String::new() } else { format!("?{}", words.join("&")) }
    }
}

/// Carries it out.
pub async fn run(args: DeleteArgs, client: &Client, ui: &mut Ui) -> Result {
    let names = in_order(lookup::keys(&args.names)?);
    lookup::one_name_for(args.uid.as_deref(), &names)?;
    for name in &names {
        is_there(client, name, args.purge).await?;
    }
    if args.purge && !args.yes {
        confirm(&args, client, ui, &names).await?;
    }
    let goal = if args.purge { Goal::Purged } else { Goal::Deleted };
    let mut targets = Vec::new();
    for key in &names {
        let deleted: Deleted = match client.delete(&path(key, &args.query())).await {
            Ok(deleted) => deleted,
            Err(error) => return Err(refused(error.into(), &targets)),
        };
        // Who waits is told at the end.
        if !args.wait {
            ui.line(&format!("{key} {}", ui.paint(Tone::Good, &goal.to_string())))?;
        }
        if let Some(until) = deleted.until {
            if key.kind == ObjectKind::Agent {
                let until = until.strftime("%Y-%m-%d %H:%M UTC");
                ui.say(&format!("`ctl undelete {}` brings it back until {until}", key.name))?;
            }
        }
        targets.push(Target { key: key.clone(), generation: 0, uids: deleted.uids });
    }
    if !args.wait {
        return Ok(Exit::Done);
    }
    waiting::until(client, ui, &goal, &targets, Limit::new(args.timeout)).await
}

/// Users before what they use, which the controller does not let go while it is used; each once.
fn in_order(mut names: Vec<ObjectKey>) -> Vec<ObjectKey> {
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names.sort_by_key(|name| std::cmp::Reverse(name.kind));
    names
}

/// A refusal after others were let go already: they may be why, as long as they are not gone.
fn refused(failure: Failure, leaving: &[Target]) -> Failure {
    if failure.exit != Exit::Blocked || leaving.is_empty() {
        return failure;
    }
    let names: Vec<_> = leaving.iter().map(|target| target.key.to_string()).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    failure.hint(format!(
        "{} {are} leaving by now: `ctl wait --for deleted {}`, then delete the rest",
        names.join(", "),
        names.join(" ")
    ))
}

/// Whether there is anything to delete. What is in the trash can only be destroyed.
async fn is_there(client: &Client, key: &ObjectKey, purge: bool) -> Result<()> {
    match client.object(key).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_absent() => {}
        Err(error) => return Err(error.into()),
    }
    let trash: Vec<Trashed> = client.get("/v1/trash").await?;
    match trash.iter().any(|one| one.object == *key && !one.live) {
        true if purge => Ok(()),
        true => Err(Failure::failed(format!("{key} is in the trash already"))
            .hint(format!("`ctl delete {} --purge` destroys it", key.name))
            .hint(format!("`ctl undelete {}` brings it back", key.name))),
        false => Err(lookup::absent(key, &client.objects().await?)),
    }
}

/// Asks on a terminal, once all that would go was named; elsewhere nobody could answer, so `--yes` has to be there.
async fn confirm(
    args: &DeleteArgs,
    client: &Client,
    ui: &mut Ui,
    names: &[ObjectKey],
) -> Result<()> {
    let list = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("--purge destroys all that {list} made"))
            .hint("add --yes if that is what you want"));
    }
    let mut destroyed = Vec::new();
    for key in names {
        let query = format!("{}&dryRun=true", args.query());
        let would: Deleted = client.delete(&path(key, &query)).await?;
        destroyed.extend(would.destroyed);
    }
    let agents = names.iter().any(|key| key.kind == ObjectKind::Agent);
    let what = match (agents, destroyed.is_empty()) {
        (true, _) => ": work that is not pushed, database, bucket.",
        (false, true) => "; it holds no data.",
        (false, false) => ", for good:",
    };
    ui.say(&format!("This destroys all that {list} made{what}"))?;
    for data in destroyed {
        ui.say(&format!("  {data}"))?;
    }
    ui.say("Type `yes` to go on:")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Failure::failed("nothing was deleted")) }
}
