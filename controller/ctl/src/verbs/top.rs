//! `ctl top`: a live view of all agents and services, with keys for what one does about them.
//!
//! State (`model`) and picture (`draw`) are pure; what is here carries events to the one and shows the other. What it
//! shows and does are other verbs' answers, so that there is one way to everything.

mod ansi;
mod ask;
mod draw;
mod model;
mod page;
mod rows;
mod screen;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

use crate::client::Client;
use crate::error::{Exit, Failure, Result};
use crate::ui::Ui;
use ask::Asker;
use model::{Ask, Event, Model};
use screen::Screen;

/// How often ages are counted anew.
const TICK: Duration = Duration::from_secs(1);

/// Watch all agents, their processes and what they use, and act on them
///
/// It asks the controller every two seconds. Keys: arrows or j and k choose a line, Enter or d describes it, l shows
/// its logs, r restarts it, Space folds it and a all of them, / filters by name, s sorts by name, cpu or memory, and
/// q leaves.
#[derive(Debug, clap::Args)]
pub struct TopArgs {}

/// Carries it out.
pub async fn run(TopArgs {}: TopArgs, client: &Client, ui: &mut Ui) -> Result {
    if !ui.is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("`ctl top` needs a terminal that can move its cursor")
            .hint("`ctl stats -w` prints what an agent uses, again and again")
            .hint("`ctl get -w` prints each change of an object"));
    }
    let (client, colour) = (client.clone(), ui.is_coloured());
    LocalSet::new().run_until(live(client, colour)).await
}

/// Shows it until somebody leaves.
async fn live(client: Client, colour: bool) -> Result {
    let mut ends = Ends::new()?;
    let (sender, mut events) = unbounded_channel();
    let mut screen = Screen::begin(sender.clone())?;
    let size = screen.terminal.size()?;
    let mut model = Model::new(Timestamp::now(), (size.width, size.height), colour);
    let mut asker = Asker::new(client, sender, colour);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        screen.terminal.draw(|frame| draw::draw(&model, frame))?;
        let event = tokio::select! {
            event = events.recv() => event.unwrap_or(Event::Closed),
            _ = ticks.tick() => Event::Tick(Timestamp::now()),
            code = ends.next() => return Ok(Exit::Command(code)),
            () = asker.fault() => Event::Closed,
        };
        for event in [event].into_iter().chain(waiting(&mut events)) {
            for ask in model.update(event) {
                match ask {
                    Ask::Page(number, kind, id, width) => asker.page(number, kind, id, width),
                    Ask::NoPage => asker.no_page(),
                    Ask::Restart(id) => asker.restart(id),
                    Ask::Leave => return Ok(Exit::Done),
                }
            }
        }
    }
}

/// What happened in the meantime: it is drawn once for all of it.
fn waiting(events: &mut UnboundedReceiver<Event>) -> impl Iterator<Item = Event> {
    std::iter::from_fn(|| events.try_recv().ok())
}

/// Signals that end it: the terminal is given back first.
struct Ends {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next one, as shells count them.
    async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.hangup.recv() => 129,
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}
