//! The loop around the queue: takes keys that are due, runs each in a task of its own, and hands the result back.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Done, Queue};
use crate::backoff::jitter;

/// A queue that many tasks add to and one loop serves. Clones share it.
#[derive(Debug)]
pub struct Shared<K> {
    queue: Arc<Mutex<Queue<K>>>,
    changed: Arc<Notify>,
}

impl<K> Clone for Shared<K> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), changed: Arc::clone(&self.changed) }
    }
}

impl<K: Ord + Clone + Send + 'static> Shared<K> {
    /// An empty queue of which at most `limit` keys run at a time.
    pub fn new(limit: usize) -> Self {
        Self { queue: Arc::new(Mutex::new(Queue::new(limit))), changed: Arc::new(Notify::new()) }
    }

    /// See [`Queue::add`].
    pub fn add(&self, key: K, delay: Duration) {
        self.lock().add(key, Instant::now(), delay);
        self.changed.notify_one();
    }

    /// See [`Queue::debounce`].
    pub fn debounce(&self, key: K) {
        self.lock().debounce(key, Instant::now());
        self.changed.notify_one();
    }

    /// See [`Queue::resync`].
    pub fn resync(&self, key: K, delay: Duration) {
        self.lock().resync(key, Instant::now(), delay);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue<K>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves the queue until `stop`; then waits for the runs under way.
    pub async fn drive<F, R>(self, run: F, stop: CancellationToken)
    where
        F: Fn(K) -> R,
        R: Future<Output = Done> + Send + 'static,
    {
        let mut runs = JoinSet::new();
        while !stop.is_cancelled() {
            let popped = self.lock().pop(Instant::now());
            if let Some(key) = popped {
                let (shared, work) = (self.clone(), run(key.clone()));
                runs.spawn(async move {
                    // A run that panics must not block its key for ever.
                    let how = tokio::spawn(work).await.unwrap_or(Done::Failed);
                    shared.lock().done(&key, how, Instant::now(), jitter());
                    shared.changed.notify_one();
                });
                continue;
            }
            let due = self.lock().next_due();
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = timer => {}
                () = stop.cancelled() => {}
                Some(_) = runs.join_next() => {}
            }
        }
        while runs.join_next().await.is_some() {}
    }
}
