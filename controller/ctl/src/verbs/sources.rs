//! `ctl sources` and `ctl sync`: the repositories that specs come from, how they stand, and that they are asked for news
//! now.

use agent_harness_model::source::SourceStatus;

use crate::client::{Client, encode};
use crate::error::{Exit, Result};
use crate::ui::{Cell, Table, Tone, Ui, age};

/// Show the Git repositories that specs come from
///
/// Each with the commit in force, and why the last fetch brought none, where it did not. Which repositories these are is
/// told the controller when it is started: `controller run --source git:URL#BRANCH:PATH`.
#[derive(Debug, clap::Args)]
pub struct SourcesArgs {
    /// How to print them
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

/// Fetch specs from their Git repositories now
///
/// Comes back once what is there is in force, or not: then the exit code is 1, and what was in force stays so.
#[derive(Debug, clap::Args)]
pub struct SyncArgs {
    /// The source; all of them when none is named
    #[arg(value_name = "SOURCE")]
    name: Option<String>,
    /// How to print what came of it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

/// How they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Everything that is known of each
    Yaml,
    /// Everything that is known of each
    Json,
    /// Their names, one a line
    Name,
}

/// Shows them.
pub async fn list(args: SourcesArgs, client: &Client, ui: &mut Ui) -> Result {
    let all: Vec<SourceStatus> = client.get("/v1/sources").await?;
    show(&all, args.output, ui)?;
    Ok(Exit::Done)
}

/// Asks for news, and shows what came of it.
pub async fn sync(args: SyncArgs, client: &Client, ui: &mut Ui) -> Result {
    let path = match &args.name {
        Some(name) => format!("/v1/sync?source={}", encode(name)),
        None => "/v1/sync".to_owned(),
    };
    let all: Vec<SourceStatus> = client.post(&path, None::<&()>).await?;
    show(&all, args.output, ui)?;
    Ok(if all.iter().any(|source| source.error.is_some()) { Exit::Failed } else { Exit::Done })
}

fn show(all: &[SourceStatus], form: Option<Form>, ui: &mut Ui) -> Result<()> {
    match form {
        None => {}
        Some(Form::Json) => return Ok(ui.line(&serde_json::to_string_pretty(&all)?)?),
        Some(Form::Yaml) => return Ok(ui.data(&agent_harness_model::yaml::to_yaml(&all)?)?),
        Some(Form::Name) => return Ok(all.iter().try_for_each(|one| ui.line(&one.name))?),
    }
    if all.is_empty() {
        ui.say("specs come from no repository; `controller run --source git:URL#BRANCH:PATH` tells of one")?;
        return Ok(());
    }
    let mut table = Table::new()
        .column("NAME")
        .column("FROM")
        .column("STATE")
        .column("COMMIT")
        .column("FETCHED")
        .column("SUBJECT");
    for one in all {
        let (state, tone) = match (&one.error, &one.commit) {
            (Some(_), _) => ("Failing", Tone::Bad),
            (None, Some(_)) => ("InForce", Tone::Good),
            (None, None) => ("Fetching", Tone::Busy),
        };
        let commit = one.commit.as_ref();
        let subject = commit.map(|it| {
            format!("{} ({}, {})", it.subject, it.author, age(it.committed_at, ui.now()))
        });
        table.row([
            Cell::from(one.name.as_str()),
            Cell::from(from(one)),
            Cell::new(tone, state),
            Cell::from(commit.map_or("-", |it| it.short())),
            Cell::new(
                Tone::Quiet,
                one.fetched_at.map_or_else(|| "never".to_owned(), |at| age(at, ui.now())),
            ),
            Cell::from(subject.unwrap_or_default()),
        ]);
    }
    ui.table(&table)?;
    for one in all {
        let Some(why) = &one.error else { continue };
        let since =
            one.failing_since.map_or_else(String::new, |at| format!(" for {}", age(at, ui.now())));
        ui.say(&format!("{}{since}: {why}", one.name))?;
        if let Some(refused) = &one.refused {
            ui.say(&format!(
                "{}: commit {} ({}, {}) is not in force",
                one.name,
                refused.short(),
                refused.subject,
                refused.author
            ))?;
        }
    }
    Ok(())
}

/// As `--source` takes it.
fn from(source: &SourceStatus) -> String {
    let branch = source.branch.as_deref().unwrap_or_default();
    let path = source.path.display().to_string();
    match (branch, path.as_str()) {
        ("", "") => source.url.clone(),
        (branch, "") => format!("{}#{branch}", source.url),
        (branch, path) => format!("{}#{branch}:{path}", source.url),
    }
}
