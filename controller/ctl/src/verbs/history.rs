//! `ctl history` and `ctl rollback`: the specs that an object had, and an earlier one again.

use agent_harness_model::api::{Applied, SpecVersion};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::source::short;
use agent_harness_model::spec::Duration;
use similar::{ChangeTag, TextDiff};

use crate::client::{Client, path};
use crate::error::{Exit, Failure, Result};
use crate::ui::{Cell, Table, Tone, Ui, age};
use crate::verbs::apply;
use crate::waiting::{self, Goal, Limit, Target};

/// Show the specs that an object had
///
/// The last twenty of them: each change of its meaning is a generation.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// The object
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// Print the spec of this generation
    #[arg(long, value_name = "N")]
    generation: Option<u64>,
    /// How to print all of them
    #[arg(short, long, value_name = "FORM", conflicts_with = "generation")]
    output: Option<Form>,
}

/// Apply an earlier spec of an object again
///
/// It is written into the object's file as a new generation. What comes from a Git repository is rolled back there, with
/// `git revert`.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The object
    #[arg(value_name = "NAME")]
    name: ObjectKey,
    /// The generation, as `ctl history` shows it [default: the one before]
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Wait until it is Ready
    #[arg(long)]
    wait: bool,
    /// How long to wait
    #[arg(long, value_name = "TIME", default_value = "120s")]
    timeout: Duration,
}

/// How they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Everything that is known of each
    Yaml,
    /// Everything that is known of each
    Json,
}

/// Shows them.
pub async fn history(args: HistoryArgs, client: &Client, ui: &mut Ui) -> Result {
    let all: Vec<SpecVersion> = client.get(&path(&args.name, "/history")).await?;
    if let Some(wanted) = args.generation {
        let Some(one) = all.iter().find(|version| version.generation == wanted) else {
            let known: Vec<_> = all.iter().map(|version| version.generation.to_string()).collect();
            let what = format!("generation {wanted} of {} is not kept", args.name);
            return Err(
                Failure::new(Exit::Failed, what).hint(format!("there are: {}", known.join(", ")))
            );
        };
        ui.data(&one.text)?;
        return Ok(Exit::Done);
    }
    match args.output {
        None => {}
        Some(Form::Json) => {
            ui.line(&serde_json::to_string_pretty(&all)?)?;
            return Ok(Exit::Done);
        }
        Some(Form::Yaml) => {
            ui.data(&agent_harness_model::yaml::to_yaml(&all)?)?;
            return Ok(Exit::Done);
        }
    }
    let mut table = Table::new()
        .column("GENERATION")
        .column("AGE")
        .column("LINES")
        .column("COMMIT")
        .column("SOURCE");
    for (index, one) in all.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| all.get(index));
        table.row([
            Cell::from(one.generation.to_string()),
            Cell::new(Tone::Quiet, age(one.accepted_at, ui.now())),
            Cell::from(
                before.map_or_else(|| "-".to_owned(), |before| lines(&before.text, &one.text)),
            ),
            Cell::from(one.commit.as_deref().map_or("-", short)),
            Cell::from(one.source.as_str()),
        ]);
    }
    ui.table(&table)?;
    Ok(Exit::Done)
}

/// How many lines came and went: `+2 -1`.
fn lines(before: &str, after: &str) -> String {
    let diff = TextDiff::from_lines(before, after);
    let count =
        |tag: ChangeTag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    format!("+{} -{}", count(ChangeTag::Insert), count(ChangeTag::Delete))
}

/// Rolls back.
pub async fn rollback(args: RollbackArgs, client: &Client, ui: &mut Ui) -> Result {
    let query = args.to.map_or_else(String::new, |to| format!("?to={to}"));
    let path = path(&args.name, &format!("/rollback{query}"));
    let applied: Vec<Applied> = client.post(&path, None::<&()>).await?;
    apply::report(ui, &applied, false)?;
    if !args.wait {
        return Ok(Exit::Done);
    }
    let target =
        |it: Applied| Target { key: it.object, generation: it.generation, uids: Vec::new() };
    let targets: Vec<Target> = applied.into_iter().map(target).collect();
    waiting::until(client, ui, &Goal::Ready, &targets, Limit::new(args.timeout)).await
}
