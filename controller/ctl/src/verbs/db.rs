//! `ctl db`: keeps an agent's database under a name, brings it back, and lists what is kept.

use agent_harness_model::api::{KeptDatabase, Replaced};
use agent_harness_model::bytes::bytes;
use agent_harness_model::id::{ObjectKey, ObjectKind};

use super::reset::{Wait, agent, say_kept};
use crate::client::{Client, encode, path};
use crate::confirm;
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Tone, Ui, age};
use crate::whose;

/// Keep an agent's database under a name, and bring it back
///
/// PostgreSQL copies no database while anybody is connected to it: to save and to restore, the agent's processes are
/// stopped for as long as the copy takes, and started again. What is kept is the agent's: it survives `ctl delete`
/// and `ctl undelete`, goes with a purge, and nobody can connect to it.
#[derive(Debug, clap::Args)]
#[command(subcommand_value_name = "VERB")]
pub struct DbArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Keep the database as it is now under a name, until it is deleted
    Save {
        #[command(flatten)]
        of: Named,
        #[command(flatten)]
        wait: Wait,
    },
    /// Bring the database back as it was; what is there now is set aside first
    ///
    /// `afterClone` runs again, for the worktree may have got further meanwhile. What was set aside comes back in
    /// the same way until its retention ends.
    Restore {
        #[command(flatten)]
        of: Named,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// List what is kept of an agent's database
    List {
        /// The agent
        #[arg(value_name = "NAME")]
        name: Option<ObjectKey>,
        /// How to print it
        #[arg(short, long, value_name = "FORMAT")]
        output: Option<Form>,
    },
    /// Destroy what is kept under a name
    Delete {
        #[command(flatten)]
        of: Named,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// An agent, and the name of what is kept of it.
#[derive(Debug, clap::Args)]
struct Named {
    /// The agent
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// The name under which it is kept: a-z, 0-9 and -
    #[arg(value_name = "KEPT")]
    kept: String,
}

impl Named {
    fn query(&self) -> String {
        format!("?name={}", encode(&self.kept))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Json,
}

/// Carries it out.
pub async fn run(args: DbArgs, client: &Client, ui: &mut Ui) -> Result {
    match args.verb {
        Verb::Save { of, wait } => {
            let (key, object) = agent(client, &of.name).await?;
            let order = path(&key, &format!("/database/save{}", of.query()));
            let saved: Replaced = client.post(&order, None::<&()>).await?;
            let word = ui.paint(Tone::Good, "saving");
            ui.line(&format!("{key} database {word} as {}", saved.kept))?;
            wait.until_ready(client, ui, &key, object).await
        }
        Verb::Restore { of, yes, wait } => {
            let (key, object) = agent(client, &of.name).await?;
            let what = format!(
                "This gives {key} its database back as it was kept under {}. What is in it now is set aside, and its \
                 processes are restarted.",
                of.kept
            );
            confirm::ask(ui, yes, &what, "nothing was restored")?;
            let order = path(&key, &format!("/database/restore{}", of.query()));
            let restored: Replaced = client.post(&order, None::<&()>).await?;
            let word = ui.paint(Tone::Good, "restoring");
            ui.line(&format!("{key} database {word} from {}", of.kept))?;
            say_kept(ui, &restored)?;
            wait.until_ready(client, ui, &key, object).await
        }
        Verb::List { name, output } => list(client, ui, name, output).await,
        Verb::Delete { of, yes } => {
            let (key, _) = agent(client, &of.name).await?;
            let what =
                format!("This destroys what is kept of the database of {key} as {}.", of.kept);
            confirm::ask(ui, yes, &what, "nothing was deleted")?;
            client.remove(&path(&key, &format!("/database/kept{}", of.query()))).await?;
            ui.line(&format!("{key} {} {}", of.kept, ui.paint(Tone::Good, "deleted")))?;
            Ok(Exit::Done)
        }
    }
}

async fn list(
    client: &Client,
    ui: &mut Ui,
    name: Option<ObjectKey>,
    output: Option<Form>,
) -> Result {
    let key = whose::one(client, name).await?;
    if key.kind != ObjectKind::Agent {
        return Err(Failure::usage(format!("{key} has no database of its own: name an agent")));
    }
    let all: Vec<KeptDatabase> = lookup::part(client, &key, "/database/kept").await?;
    match output {
        Some(Form::Json) => ui.line(&serde_json::to_string_pretty(&all)?)?,
        None if all.is_empty() => {
            ui.say(&format!("nothing is kept of the database of {key}; `ctl db save` keeps it"))?;
        }
        None => ui.table(&table(ui, &all))?,
    }
    Ok(Exit::Done)
}

fn table(ui: &Ui, all: &[KeptDatabase]) -> Table {
    let mut table = Table::new().column("NAME").column("SIZE").column("AGE").column("LEFT");
    for one in all {
        let left = one.until.map_or_else(|| "until deleted".to_owned(), |it| age(ui.now(), it));
        table.row([
            Cell::from(one.name.as_str()),
            Cell::from(one.size.map_or_else(|| "-".to_owned(), bytes)),
            Cell::new(Tone::Quiet, age(one.at, ui.now())),
            Cell::from(left),
        ]);
    }
    table
}
