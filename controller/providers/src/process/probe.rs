//! Finds out whether a process does its work: one look, and one task per process that keeps looking.
//!
//! The first looks come fast (5 ms apart, growing to a second), so that a process counts as ready
//! as soon as it is. Once ready it takes three failures in a row to lose that, and connections to all
//! that have one period are made together: to wake up costs more than to look. What follows from
//! readiness is the model's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::Readiness;
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Check, Probe};
use agent_harness_shim::logs;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use super::launch::ProcessId;
use crate::mask::Mask;

mod exec;
pub mod http;

pub use exec::Label;

/// From the first look to the second; each further one waits half as long again, up to `AGAIN`. Short,
/// because whoever waits for an agent waits for the slowest of its processes.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// No period is shorter.
const LEAST_PERIOD: Duration = Duration::from_millis(50);
/// One look may take this long; that of a command twice as long after each that took too long, up to the timeout.
const PATIENCE: Duration = Duration::from_secs(3);
/// Failures in a row until a ready process is not ready any more.
const THRESHOLD: u32 = 3;
/// From a look that failed to the next one, at most: so soon it is known whether it was more than a hiccup.
const AGAIN: Duration = Duration::from_secs(1);
/// How often `first_looks` checks whether all have answered.
const FIRST_LOOK_STEP: Duration = Duration::from_millis(2);

/// Keeps one probe task per running process.
pub struct Prober {
    hints: broadcast::Sender<ProcessId>,
    /// What the periods of all that is ready are counted from.
    epoch: Instant,
    probes: Mutex<BTreeMap<ProcessId, Probed>>,
}

struct Probed {
    run: Run,
    probe: Probe,
    /// `None` until the first look has ended.
    readiness: Answer,
    task: AbortHandle,
}

impl Drop for Probed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The last answer, shared with the task that looks.
type Answer = Arc<Mutex<Option<Readiness>>>;

/// Which run of a process is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub pid: u32,
    pub started_at_ms: u64,
    pub log_path: PathBuf,
    /// As in the environment of its process.
    pub mark: String,
}

impl Prober {
    /// Sends a hint whenever an answer changes.
    pub fn new(hints: broadcast::Sender<ProcessId>) -> Self {
        Self { hints, epoch: Instant::now(), probes: Mutex::default() }
    }

    /// The last answer for this run. Starts to look when nobody does, or when the probe was changed; what the
    /// process prints is quoted without its secrets.
    ///
    /// Must be called within a tokio runtime.
    pub fn readiness(
        &self,
        id: &ProcessId,
        run: &Run,
        probe: &Probe,
        command: &Command,
    ) -> Readiness {
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        let current = probes.get(id).filter(|old| old.run == *run && old.probe == *probe);
        if let Some(current) = current {
            return answered(&current.readiness).unwrap_or_else(not_yet);
        }
        let readiness = Answer::default();
        let task = tokio::spawn(keep_looking(
            id.clone(),
            run.clone(),
            probe.clone(),
            Mask::of(command.env.values()),
            Arc::clone(&readiness),
            (self.hints.clone(), self.epoch),
        ))
        .abort_handle();
        probes
            .insert(id.clone(), Probed { run: run.clone(), probe: probe.clone(), readiness, task });
        not_yet()
    }

    /// Waits until every probe has looked once, or the time is over: a controller that was restarted
    /// must not call a process unready only because it has not looked yet.
    pub async fn first_looks(&self, most: Duration) {
        let deadline = Instant::now() + most;
        while self.is_new() && Instant::now() < deadline {
            tokio::time::sleep(FIRST_LOOK_STEP).await;
        }
    }

    fn is_new(&self) -> bool {
        let probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        probes.values().any(|probed| answered(&probed.readiness).is_none())
    }

    /// Stops to look at all processes but these.
    pub fn keep_only(&self, running: &BTreeSet<ProcessId>) {
        self.probes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| running.contains(id));
    }

    /// Stops to look at this one.
    pub fn forget(&self, id: &ProcessId) {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

async fn keep_looking(
    id: ProcessId,
    run: Run,
    probe: Probe,
    mask: Mask,
    readiness: Answer,
    (hints, epoch): (broadcast::Sender<ProcessId>, Instant),
) {
    let since = Instant::now();
    let timeout = Duration::from_millis(probe.timeout_ms);
    let period = Duration::from_millis(probe.period_ms).max(LEAST_PERIOD);
    let label = Label { mark: run.mark.clone(), step: format!("probe {id}") };
    let mut wait = FIRST_WAIT;
    let mut patience = PATIENCE;
    let mut failures = 0_u32;
    let mut was_ready = false;
    let mut late = None;
    loop {
        let began = Instant::now();
        let seen = look(&probe.check, &label, patience).await;
        let was_late = began.elapsed() >= patience;
        let answer = match seen {
            Ok(()) => {
                (failures, was_ready, late) = (0, true, None);
                Readiness::Ready
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                if was_ready && failures < THRESHOLD {
                    Readiness::Ready
                } else if !was_ready && since.elapsed() >= timeout {
                    // Read once: a log that goes on must not make a new status each second.
                    let end = late.get_or_insert_with(|| log_end(&run, &mask));
                    let seconds = timeout.as_secs_f32();
                    Readiness::NotReady(format!("not within {seconds} s: {why}{end}"))
                } else {
                    Readiness::NotReady(why)
                }
            }
        };
        if was_late && answer != Readiness::Ready {
            patience = longer(&probe.check, patience, timeout);
        }
        let changed = {
            let mut current = readiness.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = current.as_ref() != Some(&answer);
            *current = Some(answer.clone());
            changed
        };
        if changed {
            match &answer {
                Readiness::Ready => tracing::info!(process = %id, "is ready"),
                Readiness::NotReady(why) => tracing::info!(process = %id, why, "is not ready"),
            }
            let _ = hints.send(id.clone());
        }
        tokio::time::sleep(match &probe.check {
            _ if !was_ready => wait,
            _ if failures > 0 => period.min(AGAIN),
            Check::Http { .. } | Check::Tcp { .. } => until_next(epoch.elapsed(), period),
            // Commands that all begin at once would be in each other's way.
            Check::Exec(_) => period,
        })
        .await;
        wait = (wait * 3 / 2).min(period).min(AGAIN);
    }
}

/// From a moment to the next multiple of the period that is a quarter of it away at least.
fn until_next(moment: Duration, period: Duration) -> Duration {
    let into = moment.as_nanos() % period.as_nanos().max(1);
    let left = period.saturating_sub(Duration::from_nanos(u64::try_from(into).unwrap_or_default()));
    if left < period / 4 { left + period } else { left }
}

fn answered(readiness: &Answer) -> Option<Readiness> {
    readiness.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn not_yet() -> Readiness {
    Readiness::NotReady("was not looked at yet".to_owned())
}

fn log_end(run: &Run, mask: &Mask) -> String {
    match logs::last_lines(&run.log_path, 1).unwrap_or_default().pop() {
        Some(line) => format!("; its log ends with: {}", mask.apply(&line)),
        None => "; its log is empty".to_owned(),
    }
}

/// How long a look may take after one that took too long: a command that is cold may need more than one that hangs
/// should be given.
fn longer(check: &Check, patience: Duration, timeout: Duration) -> Duration {
    match check {
        Check::Exec(_) => (patience * 2).min(timeout).max(patience),
        Check::Http { .. } | Check::Tcp { .. } => patience,
    }
}

/// One look, which may take as long as `patience`. An error says in words what was found instead; nothing of a
/// command is left, also when nobody waits for its end any more.
pub async fn look(check: &Check, label: &Label, patience: Duration) -> Result<(), String> {
    let (result, what) = match check {
        Check::Http { port, path } => (
            tokio::time::timeout(patience, http::get(*port, path)).await.ok(),
            format!("GET http://127.0.0.1:{port}{path}"),
        ),
        Check::Tcp { port } => (
            tokio::time::timeout(patience, http::connect(*port))
                .await
                .map(|done| done.map(drop))
                .ok(),
            format!("connecting to 127.0.0.1:{port}"),
        ),
        Check::Exec(command) => {
            (exec::run(command, label, patience).await, format!("`{}`", command.line()))
        }
    };
    match result {
        Some(Ok(())) => Ok(()),
        Some(Err(why)) => Err(format!("{what}: {why}")),
        None => Err(format!("{what}: no answer within {} s", patience.as_secs_f32())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_took_too_long_gets_more_time_up_to_the_timeout() {
        let exec =
            Check::Exec(Command { argv: Vec::new(), cwd: PathBuf::new(), env: BTreeMap::new() });
        let seconds = Duration::from_secs;
        let mut patience = PATIENCE;
        let mut given = Vec::new();
        for _ in 0..5 {
            patience = longer(&exec, patience, seconds(20));
            given.push(patience.as_secs());
        }
        assert_eq!(given, [6, 12, 20, 20, 20]);
        assert_eq!(longer(&exec, PATIENCE, seconds(1)), PATIENCE, "it is never less");
        assert_eq!(longer(&Check::Tcp { port: 1 }, PATIENCE, seconds(20)), PATIENCE);
    }

    #[test]
    fn what_has_one_period_is_looked_at_in_one_moment() {
        let ms = Duration::from_millis;
        for moment in [0, 1, 700, 999, 1000, 1001, 1500, 1999, 60_001, 60_999] {
            let wait = until_next(ms(moment), ms(2000));
            assert_eq!((moment + u64::try_from(wait.as_millis()).unwrap()) % 2000, 0, "{moment}");
            assert!(wait >= ms(500) && wait < ms(2500), "{moment}: {wait:?}");
        }
    }
}
