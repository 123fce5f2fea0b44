//! Runs of the verify pipelines of all agents: who runs when, how each can be stopped, and what the last of each came to.
//! A run itself is in `run`, one command of it in `command`. They change no spec, and no reconcile knows of them.

mod command;
mod run;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_harness_model::id::Uid;
use agent_harness_model::verify::Report;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::ledger::ObjectRecord;
use store::Store;

pub use run::{Orders, Stop, run};
pub use store::clear;

/// The runs of one state folder.
#[derive(Debug)]
pub struct Verifies {
    /// How many commands run at the same time on this host, whosever they are.
    room: Arc<Semaphore>,
    jobs: u32,
    under_way: Mutex<BTreeMap<String, Stop>>,
    /// Of one agent, one run after the other: they would write over each other's files.
    turns: Mutex<BTreeMap<Uid, Arc<tokio::sync::Mutex<()>>>>,
    store: Store,
    last: Mutex<BTreeMap<Uid, Report>>,
}

/// A run that is under way, for as long as this is kept.
pub struct UnderWay<'a> {
    all: &'a Verifies,
    id: String,
}

impl Verifies {
    /// Those of a state folder, of which so many commands may run at the same time.
    pub fn open(state: &Path, jobs: usize) -> Self {
        let jobs = u32::try_from(jobs.max(1)).unwrap_or(u32::MAX).min(1 << 20);
        let store = Store::new(state);
        Self {
            room: Arc::new(Semaphore::new(jobs as usize)),
            jobs,
            under_way: Mutex::default(),
            turns: Mutex::default(),
            last: Mutex::new(store.all()),
            store,
        }
    }

    /// What the last run of an incarnation came to.
    pub fn last(&self, uid: &Uid) -> Option<Report> {
        lock(&self.last).get(uid).cloned()
    }

    /// Notes what a run came to.
    pub fn note(&self, record: &ObjectRecord, report: &Report) {
        lock(&self.last).insert(record.uid.clone(), report.clone());
    }

    /// Keeps it also for the next controller.
    pub fn keep(&self, record: &ObjectRecord, report: &Report) {
        self.store.write(record, report);
    }

    /// Forgets an incarnation of which nothing else is left.
    pub fn forget(&self, record: &ObjectRecord) {
        lock(&self.last).remove(&record.uid);
        lock(&self.turns).remove(&record.uid);
        self.store.remove(record);
    }

    /// A run begins, which `stop` stops.
    pub fn begin(&self, id: &str, stop: Stop) -> UnderWay<'_> {
        lock(&self.under_way).insert(id.to_owned(), stop);
        UnderWay { all: self, id: id.to_owned() }
    }

    /// Stops a run; `false`: there is none of that name.
    pub fn stop(&self, id: &str) -> bool {
        let found = lock(&self.under_way).get(id).cloned();
        found.is_some_and(|stop| {
            stop.because("it was stopped on request");
            true
        })
    }

    /// The turn of an incarnation; whoever has it runs alone.
    async fn turn(&self, uid: &Uid) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(lock(&self.turns).entry(uid.clone()).or_default());
        turn.lock_owned().await
    }

    /// Room for so many commands, or for as many as there may be at all; first come, first served.
    async fn room(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, self.jobs);
        Arc::clone(&self.room).acquire_many_owned(wanted).await.ok()
    }

    /// The same without waiting.
    fn room_at_once(&self, wanted: usize) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, self.jobs);
        Arc::clone(&self.room).try_acquire_many_owned(wanted).ok()
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        lock(&self.all.under_way).remove(&self.id);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
