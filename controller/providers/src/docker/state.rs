//! How a container is, from the listing; only where that does not say enough is the container itself asked.

use std::time::Duration;

use agent_harness_model::kinds::container::{Desired, State};
use agent_harness_model::kinds::{End, Exit, Readiness};
use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum as Summary,
};
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;

use super::engine::Engine;
use super::error::DockerError;
use super::probe;
use crate::mask::Mask;
use crate::process::backoff;

/// How many of a container's last words a message repeats.
const LAST_LINES: &str = "5";
const WORDS: Duration = Duration::from_secs(2);

/// What the engine's own check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has none.
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// What the listing says of a health check: in its status, as older engines have no field for it.
pub fn health(summary: &ContainerSummary) -> Health {
    let status = summary.status.as_deref().unwrap_or_default();
    match status.rsplit_once('(').map(|(_, rest)| rest.trim_end_matches(')')) {
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some("health: starting") => Health::Starting,
        _ => Health::None,
    }
}

/// What is known of a container besides the listing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known {
    /// How often it was started in a row by us.
    pub restarts: u32,
    /// It was seen to answer, and nothing was heard of it since.
    pub answered: bool,
    /// Something was just heard of it. An engine says that a container ended before its listings do.
    pub heard: bool,
}

/// How a container is.
pub async fn see(
    engine: &Engine,
    summary: &ContainerSummary,
    want: Option<&Desired>,
    known: Known,
) -> Result<State, DockerError> {
    let id = summary.id.as_deref().unwrap_or_default();
    let Known { restarts, answered, heard } = known;
    let state = match summary.state.unwrap_or(Summary::EMPTY) {
        Summary::RUNNING if heard => by_itself(&inspect(engine, id).await?),
        listed => listed,
    };
    Ok(match state {
        Summary::CREATED => State::Created,
        Summary::PAUSED => State::Paused,
        Summary::REMOVING => State::Removing,
        Summary::RUNNING | Summary::STOPPING => {
            State::Running(ready(engine, id, summary, want, answered).await?)
        }
        Summary::RESTARTING => {
            let inspected = inspect(engine, id).await?;
            State::Restarting(ended(engine, id, &inspected, want, restarts).await.how)
        }
        Summary::EXITED | Summary::DEAD | Summary::EMPTY => {
            let inspected = inspect(engine, id).await?;
            State::Exited(ended(engine, id, &inspected, want, restarts).await)
        }
    })
}

/// What the container itself says of its state.
fn by_itself(inspected: &ContainerInspectResponse) -> Summary {
    let state = inspected.state.clone().unwrap_or_default();
    let is = |flag: Option<bool>| flag == Some(true);
    if is(state.restarting) {
        Summary::RESTARTING
    } else if is(state.paused) {
        Summary::PAUSED
    } else if is(state.running) {
        Summary::RUNNING
    } else {
        Summary::EXITED
    }
}

pub async fn inspect(engine: &Engine, id: &str) -> Result<ContainerInspectResponse, DockerError> {
    let client = engine.client().await?;
    let look = client.inspect_container(id, None::<InspectContainerOptions>);
    engine.call(&format!("look at container {id:.12}"), look).await
}

async fn ready(
    engine: &Engine,
    id: &str,
    summary: &ContainerSummary,
    want: Option<&Desired>,
    passed: bool,
) -> Result<Readiness, DockerError> {
    Ok(match health(summary) {
        Health::Healthy => Readiness::Ready,
        Health::Starting => {
            Readiness::NotReady("its health check has not passed since it started".into())
        }
        Health::Unhealthy => {
            let inspected = inspect(engine, id).await?;
            let said = mask(want).apply(&last_check(&inspected).unwrap_or_default());
            Readiness::NotReady(format!(
                "its health check fails{said}; `ctl logs` shows what the service itself says"
            ))
        }
        // Of one that is to change or to go nobody asks whether it answers.
        Health::None if passed => Readiness::Ready,
        Health::None => {
            let checks = want.map(|want| want.ready.as_slice()).unwrap_or_default();
            let answers = join_all(checks.iter().map(probe::check)).await;
            match answers.into_iter().find_map(Result::err) {
                Some(why) => Readiness::NotReady(why),
                None => Readiness::Ready,
            }
        }
    })
}

/// What a container says may hold what it was told.
fn mask(want: Option<&Desired>) -> Mask {
    want.map(|want| Mask::of(want.config.env.values())).unwrap_or_default()
}

/// What the last run of a health check printed.
fn last_check(inspected: &ContainerInspectResponse) -> Option<String> {
    let last = inspected.state.as_ref()?.health.as_ref()?.log.as_ref()?.last()?.clone();
    let code = last.exit_code.unwrap_or_default();
    let output = last.output.unwrap_or_default();
    let line = output.lines().rev().map(str::trim).find(|line| !line.is_empty());
    Some(line.map_or_else(|| format!(": exit code {code}"), |line| format!(": {line}")))
}

async fn ended(
    engine: &Engine,
    id: &str,
    inspected: &ContainerInspectResponse,
    want: Option<&Desired>,
    restarts: u32,
) -> Exit {
    let state = inspected.state.clone().unwrap_or_default();
    let code = state.exit_code.unwrap_or_default();
    let mut how = match state.error.as_deref().filter(|error| !error.is_empty()) {
        _ if state.oom_killed == Some(true) => {
            let memory = want.and_then(|want| want.config.memory);
            let limit = memory.map(|bytes| agent_harness_model::spec::Size(bytes).to_string());
            let limit = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
            format!("killed for lack of memory, its limit{limit} is too small: raise `memory`")
        }
        Some(error) => format!("no start: {error}"),
        None => format!("exit code {code}"),
    };
    let last_lines = match code {
        0 => Vec::new(),
        _ => tokio::time::timeout(WORDS, last_lines(engine, id, want)).await.unwrap_or_default(),
    };
    if !last_lines.is_empty() {
        how = format!("{how} (its last words: {})", last_lines.join("; "));
    }
    let at = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
    let finished = at(&state.finished_at).unwrap_or(Timestamp::UNIX_EPOCH);
    let ran = at(&state.started_at).map(|started| finished.duration_since(started));
    let healthy = ran.and_then(|it| Duration::try_from(it).ok());
    let failures = if healthy.is_some_and(|it| it >= backoff::HEALTHY) { 0 } else { restarts };
    let ms = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or_default();
    Exit {
        how,
        end: if code == 0 { End::Success } else { End::Failure },
        restarts,
        restart_due: backoff::is_due(failures, ms(finished), ms(Timestamp::now())),
        backoff_ms: u64::try_from(backoff::delay(failures).as_millis()).unwrap_or(u64::MAX),
        last_lines,
    }
}

async fn last_lines(engine: &Engine, id: &str, want: Option<&Desired>) -> Vec<String> {
    let Ok(client) = engine.client().await else { return Vec::new() };
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_LINES).build();
    let mut output = client.logs(id, Some(options));
    let mut text = Vec::new();
    while let Some(Ok(piece)) = output.next().await {
        text.extend_from_slice(&piece.into_bytes());
    }
    let mask = mask(want);
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| mask.apply(line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_is_in_the_status_of_a_listing() {
        for (status, want) in [
            ("Up 5 minutes (healthy)", Health::Healthy),
            ("Up 5 minutes (unhealthy)", Health::Unhealthy),
            ("Up 2 seconds (health: starting)", Health::Starting),
            ("Up 2 seconds", Health::None),
            ("Exited (137) 3 seconds ago", Health::None),
        ] {
            let summary =
                ContainerSummary { status: Some(status.into()), ..ContainerSummary::default() };
            assert_eq!(health(&summary), want, "{status}");
        }
    }
}
