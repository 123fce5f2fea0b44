//! `ctl trash`: what can be brought back, and until when.

use agent_harness_model::api::Trashed;
use agent_harness_model::bytes::bytes;

use crate::client::Client;
use crate::error::{Exit, Result};
use crate::ui::{Cell, Table, Tone, Ui, age};

/// List what can be brought back
///
/// Deleted objects come back with `ctl undelete`. What a live one put aside, such as a database that was
/// renamed in its spec, comes back when the spec wants it again; a database that was reset or restored over, with
/// `ctl db restore`.
#[derive(Debug, clap::Args)]
pub struct TrashArgs {
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
}

/// How the trash is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Everything that is known of each
    Yaml,
    /// Everything that is known of each
    Json,
    /// KIND/NAME, one a line
    Name,
}

/// Carries it out.
pub async fn run(args: TrashArgs, client: &Client, ui: &mut Ui) -> Result {
    let trash: Vec<Trashed> = client.get("/v1/trash?sizes=true").await?;
    match args.output {
        None => {}
        Some(Form::Json) => {
            ui.line(&serde_json::to_string_pretty(&trash)?)?;
            return Ok(Exit::Done);
        }
        Some(Form::Yaml) => {
            ui.data(&agent_harness_model::yaml::to_yaml(&trash)?)?;
            return Ok(Exit::Done);
        }
        Some(Form::Name) => {
            // They are names for `undelete`: what is live does not come back with it.
            let mut left = trash.iter().filter(|one| !one.live);
            left.try_for_each(|one| ui.line(&one.object.to_string()))?;
            return Ok(Exit::Done);
        }
    }
    if trash.is_empty() {
        ui.say("the trash is empty")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new().column("NAME").column("UID").column("DELETED").column("LEFT");
    table = table.column("SIZE").column("KEPT");
    for one in &trash {
        table.row([
            Cell::from(one.object.to_string()),
            Cell::from(one.uid.short()),
            Cell::new(Tone::Quiet, age(one.since, ui.now())),
            Cell::from(age(ui.now(), one.until)),
            Cell::from(size(one)),
            Cell::from(kept(one)),
        ]);
    }
    ui.table(&table)?;
    Ok(Exit::Done)
}

/// How large it is; what cannot be measured now is more than that.
fn size(one: &Trashed) -> String {
    let is_data = |name: &&String| {
        ["database/", "bucket/", "worktree/"].iter().any(|kind| name.starts_with(kind))
    };
    let unknown = one.resources.iter().filter(is_data).any(|name| !one.sizes.contains_key(name));
    match (one.sizes.is_empty(), unknown) {
        (true, true) => "?".to_owned(),
        (_, false) => bytes(one.sizes.values().sum()),
        (false, true) => format!(">{}", bytes(one.sizes.values().sum())),
    }
}

/// What is kept, and of a live object why.
fn kept(one: &Trashed) -> String {
    let resources = one.resources.join(", ");
    // `database/agent_3:reset-20261130-182000`
    let kept = one.resources.iter().map(|it| it.strip_prefix("database/")?.split_once(':'));
    let kept: Option<Vec<_>> = kept.collect();
    if let Some([(_, name)]) = kept.as_deref().filter(|_| one.live) {
        format!("{resources} (`ctl db restore {} {name}` brings it back)", one.object.name)
    } else if one.live {
        format!("{resources} (it is live, and its spec wants others)")
    } else {
        resources
    }
}
