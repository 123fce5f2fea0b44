//! One reconcile: brings one object nearer to what is wanted of it. It is given a key, never an event.
//! All that it does is named in `incarnation` below, stage by stage; how, in the stages' own modules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::desired::DesiredObject;
use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::{Have, container, process, service};
use agent_harness_model::plan::{Hold, Plan, Step, StepId, plan_object};
use agent_harness_model::status::{Outcome, status};
use agent_harness_model::world::{Fate, Observed, Seen};
use jiff::Timestamp;

use crate::backoff::jitter;
use crate::core::{Core, Job};
use crate::execute::{Lanes, Orders, execute};
use crate::intent::Left;
use crate::ledger::{LedgerError, ObjectRecord};
use crate::observe::Observer;
use crate::publish::{self, Report};
use crate::queue::Done;
use crate::survey;
use crate::view::View;
use crate::world::World;
use crate::{intent, questions};

/// An answer of this age is good enough to begin with: steps check again before they act.
const SEEN_MAX_AGE: Duration = Duration::from_secs(2);

/// The same for an object that waits for something.
const WAITED_MAX_AGE: Duration = Duration::from_millis(200);

/// What comes by itself (a server that starts, a probe) is looked at again after this time, then after longer
/// and longer ones, should there be no hint of it.
const WAITING: Duration = Duration::from_millis(250);

/// The longest of these times.
const WAITING_MAX: Duration = Duration::from_secs(5);

/// The same for something that is in the way and may go by itself.
const CONFLICT_MAX: Duration = Duration::from_secs(10);

/// Why a reconcile could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ConvergeError {
    /// The ledger could not be written: nothing was done.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The survey broke off.
    #[error("the look at the specs broke off; please report this")]
    Survey(#[from] tokio::task::JoinError),
}

/// Works on jobs.
#[derive(Debug)]
pub struct Converger<W> {
    /// What all parts share.
    pub core: Arc<Core>,
    /// The outside.
    pub world: Arc<W>,
    /// Looks at it.
    pub observer: Arc<Observer<W>>,
    /// What its backends can take.
    pub lanes: Lanes,
    /// How often in a row an object could only wait.
    pub waits: Mutex<BTreeMap<Uid, u32>>,
}

impl<W: World> Converger<W> {
    /// Does one job.
    pub async fn run(self: Arc<Self>, job: Job) -> Done {
        let Some(_working) = self.core.begin_work() else { return Done::Settled };
        let result = match &job {
            Job::Survey => self.survey().await.map(|()| Done::Settled),
            Job::Object(key) => self.object(key).await,
        };
        let trouble = result.as_ref().err().map(|error| crate::facts::chain(error));
        if let Some(trouble) = &trouble {
            tracing::error!("{trouble}");
        }
        if let Job::Object(key) = &job {
            tracing::debug!("looked at {key}");
        }
        self.core.note_end(&job, trouble);
        result.unwrap_or(Done::Failed)
    }

    async fn survey(&self) -> Result<(), ConvergeError> {
        let core = Arc::clone(&self.core);
        let view =
            tokio::task::spawn_blocking(move || survey::survey(&core, Duration::MAX)).await??;
        self.observer.retain(|id| view.desired.wanted(id).is_some());
        Ok(())
    }

    /// All incarnations of an object: those that leave first, for they may hold what their successor needs.
    async fn object(&self, key: &ObjectKey) -> Result<Done, ConvergeError> {
        let view = self.core.view();
        let records: Vec<ObjectRecord> = {
            let ledger = self.core.ledger();
            let mut records: Vec<_> =
                ledger.records().filter(|record| record.key == *key).cloned().collect();
            records.sort_by_key(|record| record.deletion.is_none());
            records
        };
        if records.is_empty() {
            return Ok(publish::unaccepted(&self.core, &view, key));
        }
        let mut again = Done::Settled;
        for record in records {
            let how = self.incarnation(&view, key, &record.uid).await?;
            again = sooner(again, how);
            let holds = record.deletion.as_ref().is_some_and(|it| it.trashed_at.is_none());
            if holds && how != Done::Settled {
                break;
            }
        }
        Ok(again)
    }

    /// Brings one incarnation nearer to what is wanted of it.
    pub async fn incarnation(
        &self,
        view: &View,
        key: &ObjectKey,
        uid: &Uid,
    ) -> Result<Done, ConvergeError> {
        let Self { core, world, observer, lanes, .. } = self;
        // Dereferenced and resolved by the survey                                       (I/O, pure)
        let Some(object) = view.object(key, uid) else {
            return Ok(publish::unresolved(core, view, key, uid));
        };
        let to = &view.connections;
        let ask = || questions::about(view, core, key, uid); //                                (pure)
        let age = match self.waits().contains_key(uid) {
            _ if core.take_look(uid) => Duration::ZERO,
            true => WAITED_MAX_AGE,
            false => SEEN_MAX_AGE,
        };
        let mut have = observer.look(to, ask(), age).await; //                                  (I/O)
        if intent::note_seen(&mut core.ledger(), object, uid, &have)? {
            core.queue.add(Job::Survey, Duration::ZERO);
        }
        let past = core.past(object, uid); //                                          (ledger, pure)
        let mut plan = plan_object(&view.desired, &have, &past, key, uid); //                  (pure)
        let ordered = core.take_orders(key, uid);
        intent::add_orders(&mut plan, object, &have, &ordered); //                             (pure)
        let withheld = core.retries().withhold(&plan, Instant::now()); //                      (pure)
        let mut fates = BTreeMap::new();
        let mut done = Vec::new();
        if plan.steps.len() > withheld.len() {
            intent::write(&mut core.ledger(), &view.desired, uid, &plan)?; //                   (I/O)
            publish::drift(core, &plan, &withheld); //                                          (I/O)
            let left = if object.deleting { Left::Leaving } else { Left::Wanted };
            let before = by_resource(&plan, &withheld);
            let look = Look { have: &have, plan: &plan, fates: &before };
            let report = |step: &_, fate: &_| publish::step(core, step, fate);
            let orders = Orders { planned: view, news: core.views() };
            let (tried, ()) = tokio::join!(
                execute(world, to, &plan, withheld.clone(), lanes, orders, report), //          (I/O)
                async { self.tell(view, object, (key, uid), &look, left) }, //            (pure, I/O)
            );
            core.retries().note(&plan, &tried, &withheld, Instant::now(), jitter());
            core.corrections().note(&plan, &tried, Instant::now());
            fates = by_resource(&plan, &tried);
            plan.steps.iter().for_each(|step| observer.invalidate(&step.resource));
            for id in &intent::kept_by(&plan) {
                observer.invalidate(id);
            }
            let (seen, applied) = tokio::join!(
                observer.look(to, ask(), SEEN_MAX_AGE), //                                      (I/O)
                async { intent::applied(&mut core.ledger(), &view.desired, uid, &plan, &tried) }, // (I/O)
            );
            applied?;
            have = seen;
            done = plan
                .steps
                .extract_if(.., |step| tried.get(&step.id) == Some(&Fate::Done))
                .collect();
            plan = plan_object(&view.desired, &have, &core.past(object, uid), key, uid); //    (pure)
        } else if !withheld.is_empty() {
            fates = by_resource(&plan, &withheld);
        }
        publish::warnings(core, key, world.warnings(key)); //                                   (I/O)
        publish::notices(core, key, world.notices(key)); //                                     (I/O)
        core.retries().forget_settled(key, uid, &plan);
        let futile = core.retries().futile(&done, &fates, &plan, Instant::now(), jitter());
        fates.extend(futile);
        let left = intent::leave(core, object, uid, &plan, &have)?; //                          (I/O)
        let look = Look { have: &have, plan: &plan, fates: &fates };
        self.tell(view, object, (key, uid), &look, left); //                              (pure, I/O)
        for restarted in intent::restarted(ordered, look.have, look.fates) {
            // Nobody listening is fine.
            let _ = core.restarted.send(restarted);
        }
        if left == Left::Trashed {
            self.waits().remove(uid);
            return Ok(Done::Settled);
        }
        Ok(self.next(uid, &look, !done.is_empty()))
    }

    /// Makes a status of what was seen and done, and tells everybody whom it concerns.
    fn tell(
        &self,
        view: &View,
        object: &DesiredObject,
        (key, uid): (&ObjectKey, &Uid),
        look: &Look<'_>,
        left: Left,
    ) {
        let core = &self.core;
        let record = core.ledger().get(uid).cloned();
        let problems = view.problems_of(key).join("\n");
        let unfinished: Vec<_> = look.plan.steps.iter().map(|step| step.resource.clone()).collect();
        let outcome = Outcome {
            object,
            have: look.have,
            fates: look.fates,
            held: &look.plan.held,
            unfinished: &unfinished,
            generation: record.as_ref().map_or(0, |record| record.generation),
            source_error: (!problems.is_empty()).then_some(problems.as_str()),
            deletion_blocked: view.intake.blocked.get(key),
            others: &publish::holders(core, &look.plan.held),
        };
        let previous = core.statuses().get(key).and_then(|object| object.status.clone());
        let status = status(&outcome, previous.as_ref(), Timestamp::now());
        publish::write(core, view, Report { key, uid, record, left, status });
    }

    /// When to look again, without an event.
    fn next(&self, uid: &Uid, Look { have, plan, fates }: &Look<'_>, progress: bool) -> Done {
        let has_failed = |step: &Step| matches!(fates.get(&step.resource), Some(Fate::Failed(_)));
        // What failed may have come about all the same, its answer lost: then it holds nobody up any more.
        let any_failed = plan.steps.iter().any(has_failed);
        let is_blocked = |step: &Step| {
            any_failed && matches!(fates.get(&step.resource), Some(Fate::Blocked { .. }))
        };
        let in_the_way = |step: &Step| has_failed(step) || is_blocked(step);
        if plan.steps.iter().any(|step| !in_the_way(step)) {
            return Done::Again(Duration::ZERO);
        }
        let now = Instant::now();
        let retry = self.core.retries().next_due(plan);
        let retry = retry.map(|due| due.saturating_duration_since(now));
        let retry = retry.into_iter().chain(self.core.corrections().next_due(plan, now)).min();
        let mut all = self.waits();
        let Some(longest) = plan.held.values().filter_map(patience).min() else {
            all.remove(uid);
            return retry.map_or(Done::Settled, Done::Again);
        };
        let times = all.entry(uid.clone()).or_default();
        *times = if progress { 0 } else { times.saturating_add(1) };
        let usual = WAITING.saturating_mul(2_u32.saturating_pow(*times));
        let restart = plan.held.keys().filter_map(|id| backoff(&have.get(id))).min();
        let delay = restart.unwrap_or(usual).min(longest);
        Done::Again(retry.map_or(delay, |retry| retry.min(delay)))
    }

    fn waits(&self) -> MutexGuard<'_, BTreeMap<Uid, u32>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest time between two looks at something that is held; `None` when only an event or a resync can
/// tell more.
fn patience(hold: &Hold) -> Option<Duration> {
    match hold {
        Hold::Wait(_) | Hold::Unknown(_) => Some(WAITING_MAX),
        // Such as a port that somebody else has, and may leave.
        Hold::Conflict(_) => Some(CONFLICT_MAX),
        // Whatever it waits for is looked at itself, and wakes it.
        // The survey tells when there is room.
        Hold::Blocked { .. } | Hold::Drift(_) | Hold::Stalled(_) | Hold::NoRoom(_) => None,
    }
}

/// How long something that ended waits until it may be started again. Counted from this look: the end itself
/// gave the hint for it, as a rule.
fn backoff(seen: &Seen<Option<&Have>>) -> Option<Duration> {
    match seen {
        Seen::Known(Some(
            Have::Process(process::Observed::Exited { exit, .. })
            | Have::Service(service::Observed::Exited { exit, .. })
            | Have::Container(container::Observed::There {
                state: container::State::Exited(exit),
                ..
            }),
        )) if !exit.restart_due => Some(Duration::from_millis(exit.backoff_ms.saturating_add(5))),
        _ => None,
    }
}

/// What was seen, what is to be done about it, and what became of what was done.
struct Look<'a> {
    have: &'a Observed,
    plan: &'a Plan,
    fates: &'a BTreeMap<ResourceId, Fate>,
}

/// The fate of each resource: the worst of its steps'.
fn by_resource(plan: &Plan, fates: &BTreeMap<StepId, Fate>) -> BTreeMap<ResourceId, Fate> {
    let mut worst: BTreeMap<_, Fate> = BTreeMap::new();
    let rank = |fate: &Fate| match fate {
        Fate::Done => 0,
        Fate::Blocked { .. } => 1,
        Fate::Failed(_) => 2,
    };
    for step in &plan.steps {
        let Some(fate) = fates.get(&step.id) else { continue };
        let entry = worst.entry(step.resource.clone()).or_insert(Fate::Done);
        if rank(fate) > rank(entry) {
            *entry = fate.clone();
        }
    }
    worst
}

fn sooner(a: Done, b: Done) -> Done {
    match (a, b) {
        (Done::Failed, _) | (_, Done::Failed) => Done::Failed,
        (Done::Again(a), Done::Again(b)) => Done::Again(a.min(b)),
        (Done::Again(a), Done::Settled) | (Done::Settled, Done::Again(a)) => Done::Again(a),
        (Done::Settled, Done::Settled) => Done::Settled,
    }
}
