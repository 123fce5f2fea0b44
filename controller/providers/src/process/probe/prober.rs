//! Keeps looking at processes that run: one task each, which its checks share.
//!
//! `startup` comes first, and alone. The looks of `startup` and `ready` come fast (5 ms apart, then a share of what was
//! waited, up to a second), so that a process counts as ready as soon as it is; those of `live`, which end it, never do. Connections to all that
//! have one period are made together: to wake up costs more than to look. What follows is the model's affair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::Readiness;
use agent_harness_model::kinds::process::{Check, Desired, Probe};
use agent_harness_shim::logs;
use tokio::sync::{broadcast, watch};
use tokio_util::task::AbortOnDropHandle;

use super::super::launch::ProcessId;
use super::{Looker, PATIENCE, Run};
use crate::mask::Mask;

/// From the first look to the second. Short, because whoever waits for an agent waits for the slowest of its processes.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// No period is shorter.
const LEAST_PERIOD: Duration = Duration::from_millis(50);
/// From a look that failed to the next one, at most: so soon it is known whether it was more than a hiccup.
const AGAIN: Duration = Duration::from_secs(1);
/// How often `first_looks` checks whether all have answered.
const FIRST_LOOK_STEP: Duration = Duration::from_millis(2);

/// Keeps one task per running process that has checks.
pub struct Prober {
    hints: broadcast::Sender<ProcessId>,
    /// What the periods of all that is ready are counted from.
    epoch: Instant,
    probes: Mutex<BTreeMap<ProcessId, Probed>>,
}

struct Probed {
    run: Run,
    checks: Checks,
    answer: Answer,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone, PartialEq, Eq)]
struct Checks {
    startup: Option<Probe>,
    ready: Option<Probe>,
    live: Option<Probe>,
}

/// How a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub ready: Readiness,
    /// It is to be ended: why.
    pub hopeless: Option<String>,
}

/// Of one without checks.
impl Default for Health {
    fn default() -> Self {
        Self { ready: Readiness::Ready, hopeless: None }
    }
}

/// The last answers, shared with the task that looks; `None` until the first look has ended.
#[derive(Clone, Default)]
struct Answer(Arc<Mutex<Option<Health>>>);

impl Answer {
    fn get(&self) -> Option<Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Prober {
    /// Sends a hint whenever an answer changes.
    pub fn new(hints: broadcast::Sender<ProcessId>) -> Self {
        Self { hints, epoch: Instant::now(), probes: Mutex::default() }
    }

    /// The last answer for this run. Starts to look when nobody does, or when the checks were changed; what the
    /// process prints is quoted without its secrets.
    ///
    /// Must be called within a tokio runtime.
    pub fn health(&self, id: &ProcessId, run: &Run, want: &Desired) -> Health {
        let Desired { startup, ready, live, .. } = want;
        let checks = Checks { startup: startup.clone(), ready: ready.clone(), live: live.clone() };
        let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
        if checks == (Checks { startup: None, ready: None, live: None }) {
            probes.remove(id);
            return Health::default();
        }
        let current = probes.get(id).filter(|old| old.run == *run && old.checks == checks);
        if let Some(current) = current {
            return current.answer.get().unwrap_or_else(not_yet);
        }
        let answer = Answer::default();
        let watch = Watch {
            id: id.clone(),
            run: run.clone(),
            mask: Mask::of(want.command.env.values()),
            answer: answer.clone(),
            hints: self.hints.clone(),
            epoch: self.epoch,
        };
        let task = AbortOnDropHandle::new(tokio::spawn(watch.keep_looking(checks.clone())));
        probes.insert(id.clone(), Probed { run: run.clone(), checks, answer, _task: task });
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
        probes.values().any(|probed| probed.answer.get().is_none())
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

/// One run that is looked at.
struct Watch {
    id: ProcessId,
    run: Run,
    mask: Mask,
    answer: Answer,
    hints: broadcast::Sender<ProcessId>,
    epoch: Instant,
}

impl Watch {
    async fn keep_looking(self, checks: Checks) {
        if let Some(startup) = &checks.startup
            && !self.starts_up(startup).await
        {
            return;
        }
        // A process without `startup` may take its time to come up: it is not held to live before it was ready.
        let (was_ready, wait) = watch::channel(checks.startup.is_some() || checks.ready.is_none());
        tokio::join!(
            self.watch_readiness(checks.ready.as_ref(), &was_ready),
            self.watch_life(checks.live.as_ref(), wait),
        );
    }

    /// Whether it passed in time; otherwise it was said that it did not.
    async fn starts_up(&self, probe: &Probe) -> bool {
        let mut looks = Looks::new(self, probe);
        self.wait_for_first(&looks).await;
        loop {
            let why = match looks.look().await {
                Ok(()) => return true,
                Err(why) => why,
            };
            if looks.is_late() {
                let seconds = looks.timeout.as_secs_f32();
                let end = self.log_end();
                self.tell(|health| {
                    let why =
                        format!("its `startup` check did not pass within {seconds} s: {why}{end}");
                    health.ready = Readiness::NotReady(why.clone());
                    health.hopeless = Some(why);
                });
                return false;
            }
            self.tell(|health| health.ready = Readiness::NotReady(format!("starts up: {why}")));
            looks.wait_a_little().await;
        }
    }

    /// Says that it waits: whoever asks for the first answer is not to wait as well.
    async fn wait_for_first(&self, looks: &Looks<'_>) {
        if looks.delay.is_zero() {
            return;
        }
        self.tell(|health| {
            health.ready = Readiness::NotReady("its first check is to come".to_owned());
        });
        tokio::time::sleep(looks.delay).await;
    }

    async fn watch_readiness(&self, probe: Option<&Probe>, was_ready: &watch::Sender<bool>) {
        let Some(probe) = probe else {
            return self.tell(|health| health.ready = Readiness::Ready);
        };
        let mut looks = Looks::new(self, probe);
        let (mut failures, mut passes, mut late) = (0_u32, 0_u32, None);
        let (mut passed, mut ever) = (false, false);
        self.wait_for_first(&looks).await;
        loop {
            let answer = match looks.look().await {
                Ok(()) => {
                    (failures, late) = (0, None);
                    passes = passes.saturating_add(1);
                    passed |= passes >= probe.successes;
                    ever |= passed;
                    if passed {
                        Readiness::Ready
                    } else {
                        Readiness::NotReady(format!(
                            "{passes} of {} checks in a row have passed",
                            probe.successes
                        ))
                    }
                }
                Err(why) => {
                    failures = failures.saturating_add(1);
                    passes = 0;
                    if passed && failures < probe.failures {
                        Readiness::Ready
                    } else if !ever && looks.is_late() {
                        // Read once: a log that goes on must not make a new status each second.
                        let end = late.get_or_insert_with(|| self.log_end());
                        let seconds = looks.timeout.as_secs_f32();
                        Readiness::NotReady(format!("not within {seconds} s: {why}{end}"))
                    } else {
                        Readiness::NotReady(why)
                    }
                }
            };
            // Lost: it has to pass as often again.
            passed &= failures < probe.failures;
            if answer == Readiness::Ready {
                was_ready.send_replace(true);
            }
            self.tell(|health| health.ready = answer);
            if !ever {
                looks.wait_a_little().await;
            } else if failures > 0 || !passed {
                tokio::time::sleep(looks.period.min(AGAIN)).await;
            } else {
                looks.wait_for_period().await;
            }
        }
    }

    async fn watch_life(&self, probe: Option<&Probe>, mut was_ready: watch::Receiver<bool>) {
        let Some(probe) = probe else { return };
        if was_ready.wait_for(|was| *was).await.is_err() {
            return;
        }
        let mut looks = Looks::new(self, probe);
        tokio::time::sleep(looks.delay).await;
        let mut failures = 0_u32;
        loop {
            match looks.look().await {
                Ok(()) => failures = 0,
                Err(why) => {
                    failures = failures.saturating_add(1);
                    if failures >= probe.failures {
                        let times = if failures == 1 { "" } else { " times in a row" };
                        let count =
                            if failures == 1 { String::new() } else { format!(" {failures}") };
                        let why = format!("its `live` check failed{count}{times}: {why}");
                        return self.tell(|health| health.hopeless = Some(why));
                    }
                }
            }
            looks.wait_for_period().await;
        }
    }

    /// Changes the answer; a hint goes out when it is another one.
    fn tell(&self, change: impl FnOnce(&mut Health)) {
        let (before, now) = {
            let mut answer = self.answer.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = answer.clone();
            let mut now = before.clone().unwrap_or_else(not_yet);
            change(&mut now);
            *answer = Some(now.clone());
            (before, now)
        };
        if before.as_ref() == Some(&now) {
            return;
        }
        match (&now.hopeless, &now.ready) {
            (Some(why), _) => tracing::warn!(process = %self.id, why, "is to be ended"),
            (None, Readiness::Ready) => tracing::info!(process = %self.id, "is ready"),
            (None, Readiness::NotReady(why)) => {
                tracing::info!(process = %self.id, why, "is not ready");
            }
        }
        let _ = self.hints.send(self.id.clone());
    }

    fn log_end(&self) -> String {
        match logs::last_lines(&self.run.log_path, 1).unwrap_or_default().pop() {
            Some(line) => format!("; its log ends with: {}", self.mask.apply(&line)),
            None => "; its log is empty".to_owned(),
        }
    }
}

/// The looks of one probe, and the time between them.
struct Looks<'a> {
    probe: &'a Probe,
    looker: Looker,
    since: Instant,
    epoch: Instant,
    delay: Duration,
    period: Duration,
    timeout: Duration,
    patience: Duration,
}

impl<'a> Looks<'a> {
    fn new(watch: &Watch, probe: &'a Probe) -> Self {
        // A controller that comes later does not wait anew.
        let now = agent_harness_shim::timestamp::now_ms();
        let age = now.saturating_sub(watch.run.started_at_ms);
        Self {
            probe,
            looker: Looker::new(&watch.id, &watch.run, watch.mask.clone()),
            since: Instant::now(),
            epoch: watch.epoch,
            delay: Duration::from_millis(probe.delay_ms.saturating_sub(age)),
            period: Duration::from_millis(probe.period_ms).max(LEAST_PERIOD),
            timeout: Duration::from_millis(probe.timeout_ms),
            patience: probe.attempt_ms.map_or(PATIENCE, Duration::from_millis),
        }
    }

    async fn look(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let seen = self.looker.look(&self.probe.check, self.patience).await;
        if seen.is_err() && began.elapsed() >= self.patience && self.probe.attempt_ms.is_none() {
            self.patience = longer(&self.probe.check, self.patience, self.timeout);
        }
        seen
    }

    fn is_late(&self) -> bool {
        self.since.elapsed() >= self.timeout
    }

    async fn wait_a_little(&self) {
        let wait = pause(&self.probe.check, self.since.elapsed());
        tokio::time::sleep(wait.min(self.period).min(AGAIN)).await;
    }

    async fn wait_for_period(&self) {
        tokio::time::sleep(match &self.probe.check {
            Check::Http(_) | Check::Tcp { .. } | Check::Log { .. } => {
                until_next(self.epoch.elapsed(), self.period)
            }
            // Commands that all begin at once would be in each other's way.
            Check::Exec(_) => self.period,
        })
        .await;
    }
}

/// Between two looks at what was waited for so long: what is ready is known within that share of its boot. A command costs
/// more than a connection, and takes from what it waits for.
fn pause(check: &Check, waited: Duration) -> Duration {
    let share = if matches!(check, Check::Exec(_)) { 4 } else { 16 };
    (waited / share).max(FIRST_WAIT)
}

/// From a moment to the next multiple of the period that is a quarter of it away at least.
fn until_next(moment: Duration, period: Duration) -> Duration {
    let into = moment.as_nanos() % period.as_nanos().max(1);
    let left = period.saturating_sub(Duration::from_nanos(u64::try_from(into).unwrap_or_default()));
    if left < period / 4 { left + period } else { left }
}

fn not_yet() -> Health {
    let ready = Readiness::NotReady("was not looked at yet".to_owned());
    Health { ready, hopeless: None }
}

/// How long a look may take after one that took too long: a command that is cold may need more than one that hangs
/// should be given.
fn longer(check: &Check, patience: Duration, timeout: Duration) -> Duration {
    match check {
        Check::Exec(_) => (patience * 2).min(timeout).max(patience),
        Check::Http(_) | Check::Tcp { .. } | Check::Log { .. } => patience,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use agent_harness_model::kinds::command::Command;

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
    fn what_is_ready_is_known_within_a_share_of_its_boot() {
        let exec =
            Check::Exec(Command { argv: Vec::new(), cwd: PathBuf::new(), env: BTreeMap::new() });
        let ms = Duration::from_millis;
        let looks = |check: &Check, boot: Duration| {
            let (mut count, mut waited) = (0, Duration::ZERO);
            while waited < boot {
                waited += pause(check, waited);
                count += 1;
            }
            (count, waited.saturating_sub(boot).as_millis() * 100 / boot.as_millis())
        };
        for boot in [ms(50), ms(900), ms(10_000)] {
            let ((of_tcp, late), (of_exec, later)) =
                (looks(&Check::Tcp { port: 1 }, boot), looks(&exec, boot));
            assert!(late <= 7 && later <= 25, "{boot:?}: {late} and {later} % late");
            assert!(of_exec < of_tcp && of_tcp < 100, "{boot:?}: {of_exec} and {of_tcp} looks");
        }
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
