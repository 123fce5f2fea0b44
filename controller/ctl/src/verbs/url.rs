//! `ctl url`: where an agent's servers answer.

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::lookup::{self, Selector};
use crate::object;
use crate::ui::{Cell, Table, Tone, Ui};
use crate::whose;

/// Print an agent's URLs
#[derive(Debug, clap::Args)]
pub struct UrlArgs {
    /// The agent
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Which URL; without, the frontend's where there is one
    #[arg(value_name = "SERVER", conflicts_with = "all")]
    server: Option<String>,
    /// All of them, with their names
    #[arg(short, long)]
    all: bool,
}

/// Carries it out.
pub async fn run(args: UrlArgs, client: &Client, ui: &mut Ui) -> Result {
    let words = args.name.into_iter().chain(args.server).collect();
    let (name, server) = whose::about(client, words, usize::from(!args.all)).await?;
    let named = [Selector::One(name.clone())];
    let (objects, _) = lookup::objects(client, ui, &named).await?;
    let none = || {
        Failure::failed(format!("{name} has no URL"))
            .hint(format!("`ctl describe {name}` says how it stands"))
    };
    let object = objects.first().ok_or_else(none)?;
    let urls = object.status.as_ref().map(|status| &status.urls).ok_or_else(none)?;
    // Whoever asks for it by name gets it, for a script may be told of it long before.
    if !urls.is_empty() && !object::is_reachable(object) {
        let phase = object::phase(object);
        ui.warn(&format!("{name} is {phase}: nothing may answer there"))?;
    }
    if args.all {
        let mut table = Table::plain(0).column("").column("");
        for (name, url) in urls {
            table.row([Cell::from(name.as_str()), Cell::new(Tone::Info, url.as_str())]);
        }
        ui.table(&table)?;
        return Ok(Exit::Done);
    }
    let url = match server.first() {
        Some(server) => urls.get(server).ok_or_else(|| {
            let names: Vec<_> = urls.keys().map(String::as_str).collect();
            Failure::failed(format!("{name} has no URL of `{server}`"))
                .hint(format!("there are {}", names.join(", ")))
        })?,
        None => object::url(object).map(|(_, url)| url).ok_or_else(none)?,
    };
    ui.line(url)?;
    Ok(Exit::Done)
}
