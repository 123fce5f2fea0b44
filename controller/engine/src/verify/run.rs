//! One run: stage after stage, the commands of a stage at the same time, until one fails or somebody stops it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agent_harness_model::api::{VerifyEvent, VerifyRequest};
use agent_harness_model::verify::{
    Matchers, Pipeline, Receipt, Report, Stage, StageReport, Verdict, Work,
};
use agent_harness_providers::git::receipt::{self, Content};
use agent_harness_providers::verify::{Places, Verifier, Whose};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Verifies;
use super::command::{Surroundings, Time, Told, millis, not_begun};
use crate::facts::chain;
use crate::ledger::ObjectRecord;

/// What is to be run, for whom, and with what.
pub struct Orders {
    /// What was asked for.
    pub request: VerifyRequest,
    /// The agent.
    pub record: ObjectRecord,
    /// What its work is verified with.
    pub pipeline: Arc<Pipeline>,
    /// The generation of the template that its database came from.
    pub database_generation: Option<String>,
    /// Runs the commands.
    pub verifier: Verifier,
}

/// Stops a run, and knows why.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    why: Arc<Mutex<Option<String>>>,
}

impl Stop {
    /// Stops it, unless it was stopped before.
    pub fn because(&self, why: impl Into<String>) {
        super::lock(&self.why).get_or_insert_with(|| why.into());
        self.token.cancel();
    }

    /// What stops it when it is cancelled.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    fn why(&self) -> Option<String> {
        self.token.is_cancelled().then(|| {
            super::lock(&self.why).clone().unwrap_or_else(|| "somebody stopped it".to_owned())
        })
    }
}

/// Carries a run out, whatever comes of it.
pub async fn run(
    verifies: &Verifies,
    orders: &Orders,
    events: &mpsc::Sender<VerifyEvent>,
    stop: &Stop,
) -> Report {
    let agent = &orders.record.key.name;
    let asked = Timestamp::now();
    let full = orders.request.selection.full;
    let not_run = |why: String| Report::not_run(agent, full, asked, why);
    let stages = match orders.pipeline.select(&orders.request.selection) {
        Ok(stages) => stages,
        Err(error) => return not_run(error.to_string()),
    };
    let matchers = match Matchers::new(&orders.pipeline.matchers) {
        Ok(matchers) => matchers,
        Err(error) => return not_run(chain(&error)),
    };
    let waited = Instant::now();
    let turn = tokio::select! {
        turn = verifies.turn(&orders.record.uid) => turn,
        () = stop.token().cancelled() => {
            let why = stop.why();
            return Report { status: Verdict::Cancelled, error: why, ..not_run(String::new()) };
        }
    };
    let (mut queued, begun) = (waited.elapsed(), Instant::now());
    let content = orders.pipeline.worktree.clone().map(look);
    let around = Surroundings {
        verifier: &orders.verifier,
        whose: Whose { agent: &orders.record.key, uid: &orders.record.uid },
        matchers: &matchers,
        places: Arc::new(Mutex::new(Places::new(
            orders.pipeline.worktree.clone().unwrap_or_default(),
        ))),
        budget: orders.pipeline.budget,
    };
    let mut report = Report { status: Verdict::Pass, error: None, ..not_run(String::new()) };
    let mut waiting = Duration::ZERO;
    let mut rest = stages.iter();
    for stage in rest.by_ref() {
        let one = OneStage { orders, around: &around, stage, events, stop: stop.token() };
        let Some((told, waited)) = one.run(verifies).await else {
            report.skipped.push(stage.name.clone());
            break;
        };
        waiting += waited;
        let failed = told.status != Verdict::Pass;
        report.stages.push(told);
        if stop.token().is_cancelled() || (failed && !orders.request.keep_going) {
            break;
        }
    }
    report.skipped.extend(rest.map(|stage| stage.name.clone()));
    report.status = Verdict::of(report.stages.iter().map(|stage| stage.status));
    if let Some(why) = stop.why() {
        report.status = Verdict::Cancelled;
        report.error = Some(why);
    }
    report.receipt = Some(receipt(orders, content).await);
    queued += waiting;
    report.total_duration_ms = millis(begun.elapsed().saturating_sub(waiting));
    report.queued_ms = millis(queued);
    drop(turn);
    report
}

/// A look at a worktree that goes on beside the first stage.
struct Look {
    worktree: PathBuf,
    before: tokio::task::JoinHandle<Result<Content, String>>,
}

fn look(worktree: PathBuf) -> Look {
    let path = worktree.clone();
    let work = move || receipt::content(&path).map_err(|error| chain(&error));
    Look { worktree, before: tokio::task::spawn_blocking(work) }
}

/// What exactly was verified.
async fn receipt(orders: &Orders, look_before: Option<Look>) -> Receipt {
    let mut receipt = Receipt {
        database_generation: orders.database_generation.clone(),
        spec_generation: orders.record.generation,
        ..Receipt::default()
    };
    let Some(Look { worktree, before }) = look_before else { return receipt };
    let (before, after) = (before.await, look(worktree).before.await);
    match (before, after) {
        (Ok(Ok(before)), after) => {
            let same = matches!(&after, Ok(Ok(after)) if *after == before);
            let Content { commit, branch, tree, dirty } = before;
            receipt = Receipt { commit, branch, tree: Some(tree), dirty, ..receipt };
            receipt.changed_meanwhile = !same;
        }
        (Ok(Err(why)), _) => receipt.unknown = Some(why),
        (Err(error), _) => receipt.unknown = Some(error.to_string()),
    }
    receipt
}

/// One stage of a run.
struct OneStage<'a> {
    orders: &'a Orders,
    around: &'a Surroundings<'a>,
    stage: &'a Stage,
    events: &'a mpsc::Sender<VerifyEvent>,
    stop: &'a CancellationToken,
}

impl OneStage<'_> {
    /// Runs it once there is room, and tells how long it waited for that. `None`: it was stopped before.
    async fn run(&self, verifies: &Verifies) -> Option<(StageReport, Duration)> {
        let name = &self.stage.name;
        let most = self.orders.request.jobs.unwrap_or(usize::MAX).max(1);
        let width = self.stage.work.width().min(most);
        let waited = Instant::now();
        let _room = match verifies.room_at_once(width) {
            Some(room) => room,
            None => {
                self.tell(VerifyEvent::Waiting { stage: name.clone() }).await;
                tokio::select! {
                    room = verifies.room(width) => room?,
                    () = self.stop.cancelled() => return None,
                }
            }
        };
        if self.stop.is_cancelled() {
            return None;
        }
        let (waited, begun) = (waited.elapsed(), Instant::now());
        let commands = match &self.stage.work {
            Work::Commands(all) => all.iter().map(|(name, _)| name.clone()).collect(),
            Work::Probes(all) => all.iter().map(|(name, _)| name.clone()).collect(),
        };
        self.tell(VerifyEvent::Stage { name: name.clone(), commands }).await;
        let told = self.commands(width, begun).await;
        let status = Verdict::of(told.iter().map(|told| told.report.status));
        // Of several that failed, the one that was over first: the others it may have stopped.
        let failed = told.iter().filter(|told| told.first_error.is_some());
        let first = failed.min_by_key(|told| (told.report.duration_ms, told.report.name.clone()));
        let report = StageReport {
            name: name.clone(),
            status,
            duration_ms: millis(begun.elapsed()),
            first_error: first.and_then(|told| told.first_error.clone()),
            commands: told.into_iter().map(|told| told.report).collect(),
        };
        self.tell(VerifyEvent::StageEnded {
            name: name.clone(),
            status,
            duration_ms: report.duration_ms,
            first_error: report.first_error.clone(),
        })
        .await;
        Some((report, waited))
    }

    /// All at the same time, but no more than `width`. Whoever fails stops the others, unless they are to go on.
    async fn commands(&self, width: usize, begun: Instant) -> Vec<Told> {
        let slots = Semaphore::new(width);
        let stop = self.stop.child_token();
        let timeout = Duration::from_millis(self.stage.timeout_ms);
        let one = async |name: &str, job: Job<'_>| {
            let _slot = slots.acquire().await;
            let time = Time { left: timeout.saturating_sub(begun.elapsed()), of_stage: timeout };
            let told = if stop.is_cancelled() {
                not_begun(name, job.line())
            } else {
                match job {
                    Job::Command(command) => {
                        let log = self.log_name(name);
                        self.around.command((name, &log), command, time, &stop).await
                    }
                    Job::Check(probe) => self.around.check(name, probe, &stop).await,
                }
            };
            if told.report.status != Verdict::Pass && !self.orders.request.keep_going {
                stop.cancel();
            }
            self.tell(VerifyEvent::Command {
                stage: self.stage.name.clone(),
                name: name.to_owned(),
                status: told.report.status,
                duration_ms: told.report.duration_ms,
            })
            .await;
            told
        };
        match &self.stage.work {
            Work::Commands(all) => {
                join_all(all.iter().map(|(name, it)| one(name, Job::Command(it)))).await
            }
            Work::Probes(all) => {
                join_all(all.iter().map(|(name, it)| one(name, Job::Check(it)))).await
            }
        }
    }

    /// `typecheck.backend`; that of the one command of a stage is called as the stage is.
    fn log_name(&self, name: &str) -> String {
        let stage = &self.stage.name;
        if name == stage { stage.clone() } else { format!("{stage}.{name}") }
    }

    async fn tell(&self, event: VerifyEvent) {
        // Whoever does not listen any more has stopped it.
        let _ = self.events.send(event).await;
    }
}

#[derive(Clone, Copy)]
enum Job<'a> {
    Command(&'a agent_harness_model::kinds::command::Command),
    Check(&'a agent_harness_model::kinds::process::Probe),
}

impl Job<'_> {
    fn line(self) -> String {
        match self {
            Self::Command(command) => command.line(),
            Self::Check(probe) => agent_harness_providers::process::probe::describe(&probe.check),
        }
    }
}
