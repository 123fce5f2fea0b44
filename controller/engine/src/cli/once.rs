//! `controller once`: brings everything about and ends, for CI.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use agent_harness_model::status::Phase;

use super::args::OnceArgs;
use super::missing::{Missing, missing};
use super::say;
use super::told::Told;
use crate::core::{Core, Progress};
use crate::engine::Engine;
use crate::host::Host;

/// At the latest after this time is looked again, whether or not anything changed.
const TICK: Duration = Duration::from_millis(500);

/// What is missing and does not change for this long, and does not come by itself, does not come.
const QUIET: Duration = Duration::from_secs(3);

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Everything is as the specs say.
    Ready,
    /// Time was up.
    Late(BTreeMap<String, Missing>),
    /// What is missing does not get there by itself.
    Stuck(BTreeMap<String, Missing>),
    /// Somebody else ended everything meanwhile.
    Down,
}

/// Brings everything about, or says for each object why not.
pub async fn once(args: OnceArgs) -> Result<(), ExitCode> {
    let config = args.folders.config()?;
    let mut told = Told::listen().map_err(|error| say::failed(&error))?;
    let engine = Engine::start(config, Host::new).map_err(|error| say::failed(&error))?;
    let end = tokio::select! {
        end = bring_about(engine.core(), args.timeout.0) => Some(end),
        () = told.told() => None,
    };
    let code = report(engine.core(), end, &args.timeout.to_string());
    engine.stop().await;
    code
}

/// Waits until everything is as the specs say, or nothing is to be expected any more.
async fn bring_about(core: &Core, timeout: Duration) -> End {
    let mut news = core.news.subscribe();
    let deadline = Instant::now() + timeout;
    let mut stuck: Option<(Instant, BTreeMap<String, Missing>)> = None;
    loop {
        if core.progress() >= Progress::Draining {
            // Whoever asked for it reads until its end.
            core.until(Progress::Down).await;
            return End::Down;
        }
        let missing = missing(core);
        let now = Instant::now();
        if missing.is_empty() {
            return End::Ready;
        }
        if now >= deadline {
            return End::Late(missing);
        }
        stuck = match stuck {
            _ if missing.values().any(|it| !it.stuck) => None,
            Some((since, before)) if before == missing => {
                if now.duration_since(since) >= QUIET {
                    return End::Stuck(missing);
                }
                Some((since, before))
            }
            _ => Some((now, missing)),
        };
        let _ = tokio::time::timeout(TICK.min(deadline - now), news.recv()).await;
    }
}

/// Says how it ended; the error is the exit code.
fn report(core: &Core, end: Option<End>, timeout: &str) -> Result<(), ExitCode> {
    let missing = |missing: BTreeMap<String, Missing>, code: u8| {
        for (what, Missing { whys, .. }) in missing {
            for why in &whys {
                say::word(&format!("{what}: {why}"));
            }
        }
        Err(ExitCode::from(code))
    };
    match end {
        Some(End::Ready) => {
            let statuses = core.statuses();
            if statuses.all().next().is_none() {
                let specs = core.config.specs.display();
                say::word(&format!("there was nothing to do: {specs} holds no spec"));
            }
            for (key, object) in statuses.all() {
                let Some(status) = &object.status else { continue };
                let urls = status.urls.values().map(String::as_str).collect::<Vec<_>>().join(" ");
                let urls = if status.phase == Phase::Ready { urls } else { String::new() };
                say::data(format!("{key} {} {urls}", status.phase).trim_end());
            }
            Ok(())
        }
        Some(End::Late(what)) => {
            say::problem(&format!("not everything is Ready after {timeout}"));
            missing(what, 3)
        }
        Some(End::Stuck(what)) => {
            say::problem("not everything gets Ready by itself");
            missing(what, 4)
        }
        Some(End::Down) => {
            say::problem("`controller down` ended everything meanwhile");
            Err(ExitCode::FAILURE)
        }
        None => {
            say::problem("told to end before everything was Ready; what runs by now runs on");
            Err(ExitCode::FAILURE)
        }
    }
}

#[cfg(test)]
mod tests;
