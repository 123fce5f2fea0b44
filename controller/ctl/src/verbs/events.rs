//! `ctl events`: what happened, oldest first.

use agent_harness_model::api::{Event, Severity};
use agent_harness_model::id::ObjectKey;

use crate::client::{Client, encode};
use crate::error::{Exit, Failure, Result};
use crate::lookup;
use crate::ui::{Cell, Table, Tone, Ui, age};

/// Show what happened
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// The object; all of them without
    #[arg(value_name = "NAME")]
    name: Option<ObjectKey>,
    /// Go on and print what happens
    #[arg(short, long)]
    follow: bool,
    /// How to print it
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    /// The same as -o json
    #[arg(long)]
    json: bool,
}

/// How events are printed, where not for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// One JSON object a line
    Json,
}

impl EventsArgs {
    fn as_json(&self) -> bool {
        self.json || self.output == Some(Form::Json)
    }
}

/// Carries it out.
pub async fn run(args: EventsArgs, client: &Client, ui: &mut Ui) -> Result {
    let mut path = format!("/v1/events?follow={}", args.follow);
    if let Some(name) = &args.name {
        path.extend(["&object=", &encode(name)]);
    }
    let past: Vec<Event> = if args.follow {
        let mut news = client.follow(&path).await?;
        while let Some(event) = news.next::<Event>().await? {
            let line = if args.as_json() {
                serde_json::to_string(&event)?
            } else {
                line(ui, &event, args.name.is_none())
            };
            ui.line(&line)?;
        }
        return Err(Failure::failed("the controller ended"));
    } else {
        match client.list(&path).await {
            Ok(past) => past,
            Err(error) if error.is_down() => return offline(&args, client, ui),
            Err(error) => return Err(error.into()),
        }
    };
    if past.is_empty() && !args.as_json() {
        if let Some(name) = &args.name {
            lookup::object(client, name).await?;
        }
        ui.say("nothing happened yet")?;
    }
    print(&args, &past, ui)
}

/// What was last written, after words about who is missing.
fn offline(args: &EventsArgs, client: &Client, ui: &mut Ui) -> Result {
    let mut past = client.state().events()?;
    past.retain(|event| args.name.as_ref().is_none_or(|name| event.object == *name));
    ui.warn("the controller does not run; this is what happened before")?;
    print(args, &past, ui)
}

fn print(args: &EventsArgs, past: &[Event], ui: &mut Ui) -> Result {
    if args.as_json() {
        for event in past {
            ui.line(&serde_json::to_string(event)?)?;
        }
        return Ok(Exit::Done);
    }
    let table = table(ui, past, args.name.is_none(), 0);
    ui.table(&table)?;
    Ok(Exit::Done)
}

/// Events in columns, with their ages.
pub fn table(ui: &Ui, events: &[Event], objects: bool, indent: usize) -> Table {
    let mut table = Table::plain(indent).column("").column("").column("").prose();
    for event in events {
        let object = if objects { event.object.to_string() } else { String::new() };
        table.row([
            Cell::new(Tone::Quiet, age(event.time, ui.now())),
            Cell::from(object),
            Cell::new(tone(event.severity), event.reason.as_str()),
            Cell::from(text(event)),
        ]);
    }
    table
}

/// One event as it happens, with its time of day.
fn line(ui: &Ui, event: &Event, objects: bool) -> String {
    let time = ui.paint(Tone::Quiet, &event.time.strftime("%H:%M:%S").to_string());
    let object = if objects { format!("{:18}  ", event.object.to_string()) } else { String::new() };
    let reason = ui.paint(tone(event.severity), &format!("{:16}", event.reason));
    format!("{time}  {object}{reason}  {}", text(event))
}

fn text(event: &Event) -> String {
    match event.count {
        0 | 1 => event.message.clone(),
        count => format!("{} (×{count})", event.message),
    }
}

fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Normal => Tone::Plain,
        Severity::Warning => Tone::Busy,
    }
}
