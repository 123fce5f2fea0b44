//! What all parts of the engine share: the state folder's files, the queue, and the current view.
//! Nothing here looks at the world or acts upon it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::api::Severity;
use agent_harness_model::audit;
use agent_harness_model::desired::DesiredObject;
use agent_harness_model::drift::Past;
use agent_harness_model::id::{Mark, ObjectKey, ResourceId, Uid};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::drift::Corrections;
use crate::events::Events;
use crate::facts::{self, FactBook};
use crate::intake::sources::Sources;
use crate::intent::Restarted;
use crate::ledger::Ledger;
use crate::lock::Lock;
use crate::pull::{self, Pulls};
use crate::queue::driver::Shared;
use crate::retry::Retries;
use crate::status_files::StatusFiles;
use crate::survey::Basis;
use crate::verify::Verifies;
use crate::view::View;

mod config;

pub use config::{Config, StartError};

/// What the queue holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// Look at the specs.
    Survey,
    /// Bring one object about.
    Object(ObjectKey),
}

/// An object's status changed, or it is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News(pub ObjectKey);

/// What all parts of the engine share.
#[derive(Debug)]
pub struct Core {
    /// How it is set up.
    pub config: Config,
    /// The state folder's own id.
    pub installation: String,
    /// What is known about the host.
    pub facts: FactBook,
    /// What happened.
    pub events: Events,
    /// What is to be done.
    pub queue: Shared<Job>,
    /// Ends the commands of steps under way; the next start runs them anew.
    pub steps: CancellationToken,
    /// Changes of statuses.
    pub news: broadcast::Sender<News>,
    /// What came of restarts.
    pub restarted: broadcast::Sender<Restarted>,
    /// Runs of verify pipelines.
    pub verifies: Verifies,
    /// The repositories that specs come from.
    pub pulls: Pulls,
    sources: Mutex<Sources>,
    ledger: Mutex<Ledger>,
    statuses: Mutex<StatusFiles>,
    retries: Mutex<Retries>,
    corrections: Mutex<Corrections>,
    orders: Mutex<BTreeSet<ResourceId>>,
    looks: Mutex<BTreeSet<Uid>>,
    troubles: Mutex<BTreeMap<Job, String>>,
    looked_at: Mutex<BTreeSet<(ObjectKey, Uid)>>,
    leaks: AtomicUsize,
    view: watch::Sender<Arc<View>>,
    outdated: Mutex<BTreeSet<ObjectKey>>,
    turn: Mutex<()>,
    going_down: tokio::sync::Mutex<()>,
    surveyed: Mutex<Option<Instant>>,
    basis: Mutex<Option<Basis>>,
    /// Each job under way holds a part of it; whoever goes down takes all of it.
    work: Arc<Semaphore>,
    progress: watch::Sender<Progress>,
    _lock: Lock,
}

/// Where the engine is on its way from start to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// The specs were not looked at yet.
    Starting,
    /// It works.
    Working,
    /// It ends everything, and takes no more jobs.
    Draining,
    /// Everything has ended.
    Down,
}

/// More jobs than ever run at a time.
const WORK: u32 = 1 << 20;

impl Core {
    /// Opens the state folder, made if need be, and takes its lock.
    pub fn open(config: Config) -> Result<Self, StartError> {
        agent_harness_providers::fs::create_dir_all(&config.state, 0o700)?;
        let lock = Lock::take(&config.state)?;
        let pulls = Pulls::open(&config.state, &config.sources)?;
        let sources = Sources::new(config.specs.clone(), config.grace)
            .with_folders(config.folders.values().cloned())
            .with_repositories(config.state.join(pull::FOLDER), pulls.all().map(Arc::clone));
        Ok(Self {
            installation: facts::installation(&config.state)?,
            facts: FactBook::open(&config.state, config.bin.clone())?,
            events: Events::open(&config.state)?,
            queue: Shared::new(config.concurrency),
            steps: CancellationToken::new(),
            news: broadcast::channel(1024).0,
            restarted: broadcast::channel(1024).0,
            verifies: Verifies::open(&config.state, config.jobs),
            pulls,
            sources: Mutex::new(sources),
            ledger: Mutex::new(Ledger::open(&config.state)?),
            statuses: Mutex::new(StatusFiles::open(&config.state)?),
            retries: Mutex::default(),
            corrections: Mutex::default(),
            orders: Mutex::default(),
            looks: Mutex::default(),
            troubles: Mutex::default(),
            looked_at: Mutex::default(),
            leaks: AtomicUsize::new(0),
            view: watch::Sender::default(),
            outdated: Mutex::default(),
            turn: Mutex::default(),
            going_down: tokio::sync::Mutex::default(),
            surveyed: Mutex::default(),
            basis: Mutex::default(),
            work: Arc::new(Semaphore::new(WORK as usize)),
            progress: watch::Sender::new(Progress::Starting),
            config,
            _lock: lock,
        })
    }

    /// The places of specs. Taken before the ledger where both are needed.
    pub fn sources(&self) -> MutexGuard<'_, Sources> {
        lock(&self.sources)
    }

    /// The ledger.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// The statuses.
    pub fn statuses(&self) -> MutexGuard<'_, StatusFiles> {
        lock(&self.statuses)
    }

    /// The steps that failed.
    pub fn retries(&self) -> MutexGuard<'_, Retries> {
        lock(&self.retries)
    }

    /// What was put right lately. Taken after the ledger where both are needed.
    pub fn corrections(&self) -> MutexGuard<'_, Corrections> {
        lock(&self.corrections)
    }

    /// What the planner is to know of an incarnation's past.
    pub fn past(&self, object: &DesiredObject, uid: &Uid) -> Past {
        let ledger = self.ledger();
        self.corrections().past(&ledger, object, uid, Instant::now())
    }

    /// Forgets what failed of an object, and what was corrected too often: all of it may be tried again now.
    pub fn try_anew(&self, key: &ObjectKey) {
        self.retries().forget(key);
        self.corrections().forget(key);
    }

    /// Held by whoever changes specs and ledger together. Taken before all others.
    pub fn survey_turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// Held by whoever ends everything: another one waits, and finds nothing left.
    pub async fn down_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.going_down.lock().await
    }

    /// When the last survey that came to an end had begun: its view shows the folder as of then or later.
    pub fn last_survey(&self) -> Option<Instant> {
        *lock(&self.surveyed)
    }

    /// Notes that a survey came to an end.
    pub fn note_survey(&self, begun: Instant) {
        *lock(&self.surveyed) = Some(begun);
    }

    /// What the last survey went by, where nothing of it passes with time.
    pub fn basis(&self) -> Option<Basis> {
        lock(&self.basis).clone()
    }

    /// Notes what a survey went by.
    pub fn note_basis(&self, basis: Option<Basis>) {
        *lock(&self.basis) = basis;
    }

    /// What is wanted now.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// Hears of every change of what is wanted.
    pub fn views(&self) -> watch::Receiver<Arc<View>> {
        self.view.subscribe()
    }

    /// Changes what is wanted; gives back what was wanted before, and the objects of which something else is said
    /// now. Until they are told of, their statuses are outdated.
    pub fn replace_view(&self, view: Arc<View>) -> (Arc<View>, BTreeSet<ObjectKey>) {
        let mut outdated = lock(&self.outdated);
        let changed = view.changed_since(&self.view());
        outdated.extend(changed.iter().cloned());
        (self.view.send_replace(view), changed)
    }

    /// Whether an object's status is about what was wanted of it before.
    pub fn is_outdated(&self, key: &ObjectKey) -> bool {
        lock(&self.outdated).contains(key)
    }

    /// All objects of which that is so.
    pub fn outdated(&self) -> BTreeSet<ObjectKey> {
        lock(&self.outdated).clone()
    }

    /// Notes that a status of the object was made as this view wants it; says whether there was none before.
    pub fn note_told(&self, key: &ObjectKey, view: &View) -> bool {
        let mut outdated = lock(&self.outdated);
        if !outdated.contains(key) {
            return false;
        }
        let now = self.view();
        let same = std::ptr::eq(&raw const *now, view) || !now.changed_since(view).contains(key);
        same && outdated.remove(key)
    }

    /// Takes note of how a job ended: why it could not do its work, where it could not.
    pub fn note_end(&self, job: &Job, trouble: Option<String>) {
        let mut troubles = lock(&self.troubles);
        match trouble {
            Some(why) => troubles.insert(job.clone(), why),
            None => troubles.remove(job),
        };
    }

    /// What is wrong and in no object's status, a line each: with files that hold no object, and with what the
    /// controller itself cannot do, such as to write its ledger.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.view().loose_problems();
        for puller in self.pulls.all() {
            let trouble = puller.trouble();
            problems.extend(trouble.map(|why| format!("the source {}: {why}", puller.name())));
        }
        for (job, why) in lock(&self.troubles).iter() {
            problems.push(match job {
                Job::Survey => format!("the specs cannot be taken in: {why}"),
                Job::Object(key) => format!("{key}: {why}"),
            });
        }
        let leaks = self.leaks.load(Ordering::Relaxed);
        problems.extend((leaks > 0).then(|| audit::summary(leaks)));
        problems
    }

    /// Notes how many things carry our mark and are of nobody known.
    pub fn note_leaks(&self, count: usize) {
        let before = self.leaks.swap(count, Ordering::Relaxed);
        if count > before {
            tracing::warn!("{}", audit::summary(count));
        }
    }

    /// Begins a job; `None` when no more are taken.
    pub fn begin_work(&self) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.work).try_acquire_owned().ok()?;
        (*self.progress.borrow() < Progress::Draining).then_some(permit)
    }

    /// Takes no more jobs, and waits for those under way; not for ever, for some only wait themselves.
    pub async fn drain(&self) {
        self.advance(Progress::Draining);
        self.steps.cancel();
        let all = Arc::clone(&self.work).acquire_many_owned(WORK);
        if tokio::time::timeout(Duration::from_secs(10), all).await.is_err() {
            tracing::warn!("going down while some steps are still under way");
        }
    }

    /// Notes how far it has come.
    pub fn advance(&self, to: Progress) {
        self.progress.send_if_modified(|now| {
            let further = to > *now;
            if further {
                *now = to;
            }
            further
        });
    }

    /// How far it has come.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Waits until it has come so far.
    pub async fn until(&self, wanted: Progress) {
        // The sender is ours: it cannot go away.
        let _ = self.progress.subscribe().wait_for(|now| *now >= wanted).await;
    }

    /// Asks for what runs to be started anew.
    pub fn order_restart(&self, resources: impl IntoIterator<Item = ResourceId>) {
        lock(&self.orders).extend(resources);
    }

    /// Takes the orders about an incarnation.
    pub fn take_orders(&self, key: &ObjectKey, uid: &Uid) -> BTreeSet<ResourceId> {
        let mut orders = lock(&self.orders);
        let (taken, left) = std::mem::take(&mut *orders)
            .into_iter()
            .partition(|id| id.owner == *key && id.uid == *uid);
        *orders = left;
        taken
    }

    /// Asks for an incarnation to be looked at anew, however young what was seen of it is.
    pub fn order_look(&self, uid: &Uid) {
        lock(&self.looks).insert(uid.clone());
    }

    /// Whether that was asked for since the last time.
    pub fn take_look(&self, uid: &Uid) -> bool {
        lock(&self.looks).remove(uid)
    }

    /// Notes that an incarnation was looked at; says whether that was its first look since the start.
    pub fn note_look(&self, key: &ObjectKey, uid: &Uid) -> bool {
        lock(&self.looked_at).insert((key.clone(), uid.clone()))
    }

    /// Whether an incarnation was looked at since the start. What is on disk about one that was not is what an
    /// earlier controller saw.
    pub fn was_looked_at(&self, key: &ObjectKey, uid: &Uid) -> bool {
        lock(&self.looked_at).contains(&(key.clone(), uid.clone()))
    }

    /// Forgets an incarnation of which nothing is left.
    pub fn forget_look(&self, key: &ObjectKey, uid: &Uid) {
        lock(&self.looked_at).remove(&(key.clone(), uid.clone()));
    }

    /// What the resources of an incarnation carry.
    pub fn mark(&self, uid: &Uid) -> Mark {
        Mark { installation: self.installation.clone(), uid: uid.clone() }
    }

    /// Notes that something happened.
    pub fn event(
        &self,
        key: &ObjectKey,
        severity: Severity,
        reason: &str,
        message: impl Into<String>,
    ) {
        self.events.record(key, severity, reason, message, Timestamp::now());
    }

    /// Objects that there are in any form: in the ledger, or only in a file that is wrong.
    pub fn keys(&self) -> BTreeSet<ObjectKey> {
        let mut keys: BTreeSet<_> =
            self.ledger().records().map(|record| record.key.clone()).collect();
        keys.extend(self.view().problems.iter().filter_map(|problem| problem.object.clone()));
        keys.extend(self.statuses().all().map(|(key, _)| key.clone()));
        keys
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
