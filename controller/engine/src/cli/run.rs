//! `controller run`: works until it is told to stop; shows a live table on a terminal, plain lines elsewhere.

use std::process::ExitCode;
use std::sync::Arc;

use agent_harness_model::api::Object;
use tokio::sync::broadcast::error::RecvError;

use super::args::RunArgs;
use super::told::Told;
use super::{say, table};
use crate::core::{Core, Progress};
use crate::engine::Engine;
use crate::host::Host;
use crate::publish;

/// Runs.
pub async fn run(args: RunArgs) -> Result<(), ExitCode> {
    let config = args.folders.config()?;
    let mut told = Told::listen().map_err(|error| say::failed(&error))?;
    let engine = Engine::start(config, Host::new).map_err(|error| say::failed(&error))?;
    let config = &engine.core().config;
    say::word(&format!("watching {}; state in {}", config.specs.display(), config.state.display()));
    let shown = tokio::spawn(show(Arc::clone(engine.core())));
    tokio::select! {
        () = told.told() => {}
        () = engine.core().until(Progress::Down) => {}
    }
    shown.abort();
    let _ = shown.await;
    tokio::select! {
        ended = end(engine, args.stop_agents_on_exit) => ended,
        // Who says so twice does not want to wait.
        () = told.told_again() => {
            say::problem("ended at once; the next start goes on with what is not finished");
            Err(ExitCode::FAILURE)
        }
    }
}

/// Ends the engine, and with `stop_agents` all processes before that; an error when some of them run on.
async fn end(engine: Engine<Host>, stop_agents: bool) -> Result<(), ExitCode> {
    let mut ended = Ok(());
    if stop_agents {
        say::word("stopping all processes; once more Ctrl-C ends the controller at once");
        ended = engine.down(false).await.map_err(|error| say::failed(&error));
    } else if engine.core().progress() < Progress::Down {
        say::word("stopping; the agents' processes run on (`controller down --yes` stops them)");
    }
    engine.stop().await;
    ended
}

async fn show(core: Arc<Core>) {
    let mut news = core.news.subscribe();
    // What is wrong with a file that holds no object is no news of any.
    let mut views = core.views();
    let mut screen = table::Screen::new();
    loop {
        let objects: Vec<Object> = publish::objects(&core).into_values().collect();
        let view = core.view();
        let mut loose = core.problems();
        loose.extend(view.intake.frozen.clone());
        screen.draw(&objects, &loose);
        tokio::select! {
            told = news.recv() => match told {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            changed = views.changed() => if changed.is_err() {
                return;
            },
        }
        // Changes come in bursts: one drawing shows them all.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        while news.try_recv().is_ok() {}
    }
}
