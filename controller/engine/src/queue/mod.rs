//! The work queue: keys that are to be looked at, each at most once at a time.
//!
//! Equal keys are merged, one that is woken while it runs runs once more, and a key never overtakes itself.
//! Among the keys that are due the one with the lowest rank goes first; a rank is the moment it became due
//! plus a handicap for mere resyncs, so that nothing waits for ever (ageing). Pure: the clock is an argument;
//! the loop around it is in `driver`. What a wake-up was about is not kept: the look decides.

pub mod driver;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// Quiet time after a change before it is acted on.
pub const DEBOUNCE: Duration = Duration::from_millis(200);

/// The longest that a stream of changes puts the action off.
pub const DEBOUNCE_MAX: Duration = Duration::from_secs(2);

/// How much later than everything else a resync is served.
pub const RESYNC_HANDICAP: Duration = Duration::from_secs(10);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Nothing is left to be done.
    Settled,
    /// It went well, and wants to run again after this time.
    Again(Duration),
    /// It could not be carried out: again with backoff.
    Failed,
}

/// Keys waiting and running.
#[derive(Debug)]
pub struct Queue<K> {
    slots: BTreeMap<K, Slot>,
    limit: usize,
    running: usize,
    arrivals: u64,
}

#[derive(Debug, Default)]
struct Slot {
    running: bool,
    waiting: Option<Waiting>,
    failures: u32,
    retry_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    due: Instant,
    rank: Instant,
    /// First change of a stream that is being waited out.
    since: Option<Instant>,
    arrival: u64,
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue of which at most `limit` keys run at a time.
    pub fn new(limit: usize) -> Self {
        Self { slots: BTreeMap::new(), limit, running: 0, arrivals: 0 }
    }

    /// Wakes a key after a delay; an earlier wake-up that is waiting stays.
    pub fn add(&mut self, key: K, now: Instant, delay: Duration) {
        let due = now + delay;
        self.merge(key, due, due, None);
    }

    /// Wakes a key once no further change came for [`DEBOUNCE`], at the latest after [`DEBOUNCE_MAX`].
    pub fn debounce(&mut self, key: K, now: Instant) {
        let waiting = self.slots.get(&key).and_then(|slot| slot.waiting);
        let since = waiting.and_then(|waiting| waiting.since).unwrap_or(now);
        let due = (now + DEBOUNCE).min(since + DEBOUNCE_MAX);
        // A later change puts this stream's own wake-up off, but no other wake-up.
        if let Some(slot) = self.slots.get_mut(&key)
            && slot.waiting.is_some_and(|waiting| waiting.since.is_some())
        {
            slot.waiting = None;
        }
        self.merge(key, due, due, Some(since));
    }

    /// Wakes a key after a delay, after everything that is more urgent.
    pub fn resync(&mut self, key: K, now: Instant, delay: Duration) {
        let due = now + delay;
        self.merge(key, due, due + RESYNC_HANDICAP, None);
    }

    fn merge(&mut self, key: K, due: Instant, rank: Instant, since: Option<Instant>) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let slot = self.slots.entry(key).or_default();
        slot.waiting = Some(match slot.waiting {
            None => Waiting { due, rank, since, arrival },
            Some(old) if old.due <= due => Waiting { rank: old.rank.min(rank), ..old },
            Some(old) => Waiting { due, rank: old.rank.min(rank), since: None, ..old },
        });
    }

    /// Takes the next key that is due; it runs until [`Queue::done`].
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        if self.running >= self.limit {
            return None;
        }
        let key = self
            .slots
            .iter()
            .filter(|(_, slot)| !slot.running)
            .filter_map(|(key, slot)| Some((key, slot.waiting?)))
            .filter(|(_, waiting)| waiting.due <= now)
            .min_by_key(|(_, waiting)| (waiting.rank, waiting.arrival))
            .map(|(key, _)| key.clone())?;
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.waiting = None;
            slot.running = true;
            self.running += 1;
        }
        Some(key)
    }

    /// Says how a run of a key ended. `jitter` is a random number in 0..1.
    pub fn done(&mut self, key: &K, how: Done, now: Instant, jitter: f64) {
        let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.running) else { return };
        slot.running = false;
        self.running -= 1;
        let again = match how {
            Done::Settled => {
                (slot.failures, slot.retry_at) = (0, None);
                None
            }
            Done::Again(delay) => {
                (slot.failures, slot.retry_at) = (0, None);
                Some(delay)
            }
            Done::Failed => {
                // A run that was woken before its time does not make the backoff longer.
                if slot.retry_at.is_none_or(|at| at <= now) {
                    slot.failures += 1;
                }
                let delay = Backoff::TRANSIENT.delay(slot.failures, jitter);
                slot.retry_at = Some(now + delay);
                Some(delay)
            }
        };
        match again {
            Some(delay) => self.add(key.clone(), now, delay),
            None if slot.waiting.is_none() => {
                self.slots.remove(key);
            }
            None => {}
        }
    }

    /// When the next key becomes due; `None` when nothing can be taken before a run ends.
    pub fn next_due(&self) -> Option<Instant> {
        if self.running >= self.limit {
            return None;
        }
        let waiting = self.slots.values().filter(|slot| !slot.running);
        waiting.filter_map(|slot| slot.waiting).map(|waiting| waiting.due).min()
    }

    /// Whether nothing runs and nothing is due by `now`.
    pub fn is_quiet(&self, now: Instant) -> bool {
        self.running == 0
            && self.slots.values().all(|slot| slot.waiting.is_none_or(|waiting| waiting.due > now))
    }
}
