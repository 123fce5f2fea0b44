//! The generations of a Stack's template: which one is current, how large each is, and who came from it.

use agent_harness_model::api::{Generation, GenerationState};
use agent_harness_model::bytes::bytes;
use agent_harness_model::id::ObjectKey;

use super::section;
use crate::client::{Client, path};
use crate::error::Result;
use crate::ui::{Cell, Table, Tone, Ui, age};

/// Those that there are. Where nobody can tell, there is none to show: all else is told still.
pub async fn look(client: &Client, key: &ObjectKey) -> Vec<Generation> {
    client.get(&path(key, "/generations")).await.unwrap_or_default()
}

/// Shows them.
pub fn show(ui: &mut Ui, all: &[Generation]) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    section(ui, "Generations")?;
    let mut table = Table::titled(2)
        .column("DATABASE")
        .column("INPUTS")
        .column("STATE")
        .column("SIZE")
        .column("AGE")
        .column("USERS")
        .sentences("");
    for one in all {
        table.row([
            Cell::from(one.database.as_str()),
            Cell::new(Tone::Quiet, short(&one.hash)),
            Cell::new(tone(one.state), state(one)),
            Cell::from(one.size.map_or_else(|| "-".to_owned(), bytes)),
            Cell::from(one.built_at.map_or_else(|| "-".to_owned(), |at| age(at, ui.now()))),
            Cell::from(users(one)),
            Cell::from(note(ui, one)),
        ]);
    }
    Ok(ui.table(&table)?)
}

/// As much of a hash as tells it from others.
fn short(hash: &str) -> String {
    let digest = hash.split_once('-').map_or(hash, |(_, digest)| digest);
    digest.get(..12).unwrap_or(digest).to_owned()
}

fn state(one: &Generation) -> String {
    if one.current { format!("{}, current", one.state) } else { one.state.to_string() }
}

fn tone(state: GenerationState) -> Tone {
    match state {
        GenerationState::Ready => Tone::Good,
        GenerationState::Building => Tone::Busy,
        GenerationState::Failed => Tone::Bad,
        GenerationState::Leaving => Tone::Quiet,
    }
}

fn users(one: &Generation) -> String {
    let names: Vec<_> = one.users.iter().map(|key| key.name.as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// Why it is not there, or when it goes.
fn note(ui: &Ui, one: &Generation) -> String {
    match one.until {
        _ if !one.message.is_empty() => one.message.lines().next().unwrap_or_default().to_owned(),
        Some(until) if until > ui.now() => {
            format!("nobody uses it: goes in {}", age(ui.now(), until))
        }
        Some(_) => "nobody uses it: goes".to_owned(),
        None => String::new(),
    }
}
