//! `ctl describe`: everything about an object, for people.

mod above;
mod generations;
mod services;

use agent_harness_model::api::{Event, Generation, Object};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::source::short;
use agent_harness_model::status::{Phase, Status};

use crate::client::{Client, encode};
use crate::error::{Exit, Result};
use crate::lookup::{self, Selector, Word};
use crate::object;
use crate::ui::{Cell, Table, Tone, Ui, age, seconds};
use crate::verbs::events;
use crate::whose;
use above::Above;
use services::Services;
pub use services::{memory, of_status, state_tone};

/// How many of the last events are shown.
const EVENTS: usize = 10;

/// Show everything about an object
#[derive(Debug, clap::Args)]
pub struct DescribeArgs {
    /// The objects
    #[arg(value_name = "NAME")]
    names: Vec<Word>,
}

impl DescribeArgs {
    /// About one object.
    pub fn of(key: &ObjectKey) -> Self {
        Self { names: vec![Word::of(key)] }
    }
}

/// What is asked for by whoever describes an object, beside its status.
struct Parts {
    services: Services,
    generations: Vec<Generation>,
}

/// Carries it out.
pub async fn run(args: DescribeArgs, client: &Client, ui: &mut Ui) -> Result {
    let named = if args.names.is_empty() {
        vec![Selector::One(whose::one(client, None).await?)]
    } else {
        lookup::selectors(&args.names)
    };
    let (objects, live) = lookup::objects(client, ui, &named).await?;
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            ui.line("")?;
        }
        let happened = match object.key() {
            Some(key) if live => history(client, &key).await?,
            Some(key) => {
                let mut events = client.state().events()?;
                events.retain(|event| event.object == key);
                events
            }
            None => Vec::new(),
        };
        let services = match object.key() {
            Some(key) if key.kind == ObjectKind::Infra => {
                services::look(client, &key, object, live).await
            }
            Some(_) | None => Services::default(),
        };
        let generations = match object.key() {
            Some(key) if key.kind == ObjectKind::Stack && live => {
                generations::look(client, &key).await
            }
            Some(_) | None => Vec::new(),
        };
        let parts = Parts { services, generations };
        describe(ui, object, &parts, &happened)?;
    }
    Ok(Exit::Done)
}

async fn history(client: &Client, key: &ObjectKey) -> Result<Vec<Event>> {
    let path = format!("/v1/events?object={}&follow=false", encode(key));
    Ok(client.list(&path).await?)
}

fn describe(ui: &mut Ui, object: &Object, parts: &Parts, happened: &[Event]) -> Result<()> {
    let name = format!("{}/{}", object.kind.to_lowercase(), object.metadata.name);
    let phase = object::phase(object);
    let phase_shown = ui.paint(object::phase_tone(phase), &phase.to_string());
    ui.line(&format!("{}  {phase_shown}", ui.paint(Tone::Strong, &name)))?;
    let message = object::message(object);
    if !message.is_empty() && phase != Phase::Ready {
        let mut table = Table::plain(2).prose();
        table.row([Cell::from(message)]);
        ui.table(&table)?;
    }
    ui.line("")?;
    ui.table(&facts(ui, object))?;
    let above = Above::of(object);
    if let Some(status) = &object.status {
        verified(ui, status)?;
        addresses(ui, status)?;
        parts.services.show(ui)?;
        generations::show(ui, &parts.generations)?;
        conditions(ui, status, &above)?;
        resources(ui, status, &above)?;
    }
    if !happened.is_empty() {
        section(ui, "Events")?;
        let skipped = happened.len().saturating_sub(EVENTS);
        let mut last = happened[skipped..].to_vec();
        for event in &mut last {
            event.message = above.without(&event.message);
        }
        ui.table(&events::table(ui, &last, false, 2))?;
        if skipped > 0 {
            let all = happened.len();
            let words = format!("the last {EVENTS} of {all} events; `ctl events {name}` shows all");
            ui.line(&format!("  {}", ui.paint(Tone::Quiet, &words)))?;
        }
    }
    Ok(())
}

fn section(ui: &mut Ui, title: &str) -> Result<()> {
    ui.line("")?;
    Ok(ui.line(&ui.paint(Tone::Strong, title))?)
}

fn facts(ui: &Ui, object: &Object) -> Table {
    let mut table = Table::plain(2).column("").prose();
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            table.row([Cell::new(Tone::Quiet, name), Cell::from(value)]);
        }
    };
    let meta = &object.metadata;
    let stack = object.spec.pointer("/stack").and_then(|stack| stack.as_str());
    fact("Stack", stack.unwrap_or_default().to_owned());
    fact("Branch", object::branch(object));
    fact("Worktree", object::worktree(object).unwrap_or_default().to_owned());
    let commit =
        meta.commit.as_deref().map_or_else(String::new, |id| format!(" (commit {})", short(id)));
    fact("Source", format!("{}{commit}", meta.source));
    let labels = meta.labels.iter().map(|(name, value)| format!("{name}={value}"));
    fact("Labels", labels.collect::<Vec<_>>().join(", "));
    let created = age(meta.creation_timestamp, ui.now());
    fact("Age", format!("{created} (since {})", minute(meta.creation_timestamp)));
    if let Some(leaving) = meta.deletion_timestamp {
        fact("Leaving", format!("since {}", age(leaving, ui.now())));
    }
    let seen = object.status.as_ref().map_or(0, |status| status.observed_generation);
    let behind =
        if seen < meta.generation { format!(" (acted upon: {seen})") } else { String::new() };
    fact("Generation", format!("{}{behind}", meta.generation));
    fact("UID", meta.uid.to_string());
    table
}

/// `2026-11-24 02:07 UTC`
fn minute(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What the last `ctl verify` came to.
fn verified(ui: &mut Ui, status: &Status) -> Result<()> {
    let Some(last) = &status.verify else { return Ok(()) };
    section(ui, "Verified")?;
    let mut table = Table::plain(2).column("").prose();
    let mut fact = |name: &str, tone, value: String| {
        if !value.is_empty() {
            table.row([Cell::new(Tone::Quiet, name), Cell::new(tone, value)]);
        }
    };
    let what = if last.full { ", everything" } else { "" };
    let took = seconds(std::time::Duration::from_millis(last.duration_ms));
    let when = age(last.started_at, ui.now());
    let words = format!("{} in {took}, {when} ago{what}", last.status);
    fact("Result", object::verdict_tone(last.status), words);
    let why = [last.stage.as_deref(), last.first_error.as_deref()];
    fact("Failed", Tone::Plain, why.into_iter().flatten().collect::<Vec<_>>().join(": "));
    if let Some(receipt) = &last.receipt {
        let short = |id: &Option<String>| {
            id.as_deref().map_or_else(String::new, |id| id.get(..12).unwrap_or(id).to_owned())
        };
        let dirty = if receipt.dirty { ", with changes that are not committed" } else { "" };
        fact("Commit", Tone::Plain, format!("{}{dirty}", short(&receipt.commit)));
        fact("Tree", Tone::Plain, short(&receipt.tree));
    }
    Ok(ui.table(&table)?)
}

/// URLs, and ports that have none.
fn addresses(ui: &mut Ui, status: &Status) -> Result<()> {
    if status.urls.is_empty() && status.ports.is_empty() {
        return Ok(());
    }
    section(ui, "Addresses")?;
    let mut table = Table::plain(2).column("").column("");
    for (name, url) in &status.urls {
        table.row([Cell::from(name.as_str()), Cell::new(Tone::Info, url.as_str())]);
    }
    for (name, port) in status.ports.iter().filter(|(name, _)| !status.urls.contains_key(*name)) {
        table.row([Cell::from(name.as_str()), Cell::from(format!("port {port}"))]);
    }
    Ok(ui.table(&table)?)
}

fn conditions(ui: &mut Ui, status: &Status, above: &Above) -> Result<()> {
    section(ui, "Conditions")?;
    let mut table = Table::plain(2).column("").column("").column("").column("").prose();
    for condition in &status.conditions {
        let stale = condition.observed_generation < status.observed_generation;
        let tone = if stale { Tone::Quiet } else { object::condition_tone(condition) };
        let message = match above.owner {
            Some(owner) if owner == condition.kind => condition.message.clone(),
            _ => above.without(&condition.message),
        };
        table.row([
            Cell::from(format!("{:?}", condition.kind)),
            Cell::new(tone, format!("{:?}", condition.status)),
            Cell::from(condition.reason.as_str()),
            Cell::new(Tone::Quiet, age(condition.last_transition_time, ui.now())),
            Cell::from(message),
        ]);
    }
    Ok(ui.table(&table)?)
}

fn resources(ui: &mut Ui, status: &Status, above: &Above) -> Result<()> {
    if status.resources.is_empty() {
        return Ok(());
    }
    section(ui, "Resources")?;
    let mut table = Table::plain(2).column("").column("").prose();
    for (name, resource) in &status.resources {
        table.row([
            Cell::from(name.as_str()),
            Cell::new(object::state_tone(&resource.state), resource.state.as_str()),
            Cell::from(above.without(&resource.message)),
        ]);
    }
    Ok(ui.table(&table)?)
}
