//! What happened to objects, in words: bounded per object, kept over restarts, repeats counted.
//! Nothing is decided by what is written here, so nobody waits until it is on the disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use agent_harness_model::api::{Event, Severity};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::layout;
use agent_harness_providers::fs::{self, FsError};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

/// Events that are kept per object.
pub const KEPT: usize = 100;

/// A repeated event is written to disk at most this often; in memory it counts at once.
const REPEAT_WRITE: SignedDuration = SignedDuration::from_secs(60);

/// News that somebody who follows may be behind with, before he has to look at what is kept.
const AHEAD: usize = 256;

/// The events of all objects.
#[derive(Debug)]
pub struct Events {
    folder: PathBuf,
    all: Mutex<All>,
    news: broadcast::Sender<(u64, Event)>,
}

#[derive(Debug, Default)]
struct All {
    history: BTreeMap<ObjectKey, History>,
    /// How many times something happened since the start: its number for those who follow.
    last: u64,
}

#[derive(Debug, Default)]
struct History {
    events: VecDeque<Event>,
    /// The number of each of them; a repeated one has that of the last time.
    numbers: VecDeque<u64>,
    written: Option<Timestamp>,
}

impl Events {
    /// Reads `STATE/events`. A file that cannot be understood is left out: events decide nothing.
    pub fn open(state: &Path) -> Result<Self, FsError> {
        let folder = state.join(layout::EVENTS);
        fs::create_dir_all(&folder, 0o700)?;
        let mut all = All::default();
        for path in fs::list_dir(&folder)? {
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let events = fs::read(&path).map_err(|error| error.to_string());
            let events = events.and_then(|bytes| {
                serde_json::from_slice::<VecDeque<Event>>(&bytes).map_err(|error| error.to_string())
            });
            let events = match events {
                Ok(events) => events,
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "these events cannot be read");
                    continue;
                }
            };
            if let Some(key) = events.front().map(|event| event.object.clone()) {
                let numbers = events.iter().map(|_| 0).collect();
                all.history.insert(key, History { events, numbers, written: None });
            }
        }
        Ok(Self { folder, all: Mutex::new(all), news: broadcast::channel(AHEAD).0 })
    }

    /// Notes that something happened. The same as the last time only counts up.
    pub fn record(
        &self,
        object: &ObjectKey,
        severity: Severity,
        reason: &str,
        message: impl Into<String>,
        now: Timestamp,
    ) {
        let message = message.into();
        let mut all = self.lock();
        all.last += 1;
        let number = all.last;
        let history = all.history.entry(object.clone()).or_default();
        let same = |event: &Event| event.reason == reason && event.message == message;
        let repeated = history.events.back().is_some_and(same);
        if repeated {
            history.numbers.pop_back();
            if let Some(last) = history.events.back_mut() {
                last.count = last.count.saturating_add(1);
                last.time = now;
            }
        } else {
            history.events.push_back(Event {
                time: now,
                object: object.clone(),
                severity,
                reason: reason.to_owned(),
                message,
                count: 1,
            });
            while history.events.len() > KEPT {
                history.events.pop_front();
                history.numbers.pop_front();
            }
        }
        history.numbers.push_back(number);
        let due = history.written.is_none_or(|at| now.duration_since(at) >= REPEAT_WRITE);
        if !repeated || due {
            history.written = Some(now);
            self.write(object, &history.events);
        }
        if let Some(event) = history.events.back() {
            // Nobody listening is fine.
            let _ = self.news.send((number, event.clone()));
        }
    }

    /// Forgets objects that are no more, once nothing has happened to them since `before`: what became of one can
    /// be asked for as long as it could have been brought back.
    pub fn forget(&self, exists: impl Fn(&ObjectKey) -> bool, before: Timestamp) {
        let mut all = self.lock();
        all.history.retain(|key, history| {
            let old = history.events.back().is_none_or(|event| event.time < before);
            if exists(key) || !old {
                return true;
            }
            match fs::remove_file_if_exists(self.path(key)) {
                Ok(_) => false,
                Err(error) => {
                    tracing::warn!(%error, "the events of {key} stay");
                    true
                }
            }
        });
    }

    fn path(&self, object: &ObjectKey) -> PathBuf {
        self.folder.join(format!("{}.json", object.slug()))
    }

    fn write(&self, object: &ObjectKey, events: &VecDeque<Event>) {
        let path = self.path(object);
        let written =
            serde_json::to_vec(events).map_err(|error| error.to_string()).and_then(|text| {
                fs::write_unsynced(&path, text, 0o600).map_err(|error| error.to_string())
            });
        if let Err(error) = written {
            tracing::warn!(%error, "an event is only kept in memory");
        }
    }

    /// What happened so far to one object or to all, oldest first.
    pub fn list(&self, object: Option<&ObjectKey>) -> Vec<Event> {
        self.lock().list(object)
    }

    /// What happened so far to one object or to all, and what happens from now on, without a gap between.
    pub fn follow(&self, object: Option<&ObjectKey>) -> (Vec<Event>, Following<'_>) {
        let news = self.news.subscribe();
        let all = self.lock();
        let (past, seen) = (all.list(object), all.last);
        let object = object.cloned();
        (past, Following { events: self, object, news, seen, late: VecDeque::new() })
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Oldest first.
    fn list(&self, object: Option<&ObjectKey>) -> Vec<Event> {
        let mut events: Vec<_> = self.of(object).map(|(_, event)| event.clone()).collect();
        events.sort_by_key(|event| event.time);
        events
    }

    fn of(&self, object: Option<&ObjectKey>) -> impl Iterator<Item = (u64, &Event)> {
        self.history
            .iter()
            .filter(move |(key, _)| object.is_none_or(|object| object == *key))
            .flat_map(|(_, history)| history.numbers.iter().copied().zip(&history.events))
    }
}

/// What happens from now on. Whoever falls behind is given what is kept of what he missed: of something that was
/// repeated meanwhile the last time.
pub struct Following<'a> {
    events: &'a Events,
    object: Option<ObjectKey>,
    news: broadcast::Receiver<(u64, Event)>,
    /// The number of the last event that was given, or passed over.
    seen: u64,
    /// What was missed, and is given first.
    late: VecDeque<Event>,
}

impl Following<'_> {
    /// The next event. May be dropped while it waits: nothing is lost with it.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.late.pop_front() {
                return event;
            }
            let heard = self.news.recv().await;
            if let Some(event) = self.take(heard.map_err(|_| ())) {
                return event;
            }
        }
    }

    /// The next event that happened already.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.late.pop_front() {
                return Some(event);
            }
            let heard = match self.news.try_recv() {
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
                Err(TryRecvError::Lagged(_)) => Err(()),
                Ok(heard) => Ok(heard),
            };
            if let Some(event) = self.take(heard) {
                return Some(event);
            }
        }
    }

    /// What was heard, if it is news and asked for; an error: something was missed.
    fn take(&mut self, heard: Result<(u64, Event), ()>) -> Option<Event> {
        let Ok((number, event)) = heard else {
            let all = self.events.lock();
            let missed = all.of(self.object.as_ref()).filter(|(number, _)| *number > self.seen);
            let mut missed: Vec<_> = missed.collect();
            missed.sort_by_key(|(number, _)| *number);
            self.late.extend(missed.into_iter().map(|(_, event)| event.clone()));
            self.seen = all.last;
            return None;
        };
        if number <= self.seen {
            return None;
        }
        self.seen = number;
        self.object.as_ref().is_none_or(|object| *object == event.object).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_what_is_no_more_are_kept_for_a_while() {
        let state = tempfile::tempdir().unwrap();
        let events = Events::open(state.path()).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let (here, gone) = (ObjectKey::agent("agent-1"), ObjectKey::agent("agent-2"));
        for key in [&here, &gone] {
            events.record(key, Severity::Normal, "Deleted", "gone for good", at(10));
        }
        events.forget(|key| *key == here, at(10));
        assert_eq!(events.list(Some(&gone)).len(), 1, "it is not old enough");
        events.forget(|key| *key == here, at(11));
        for events in [events, Events::open(state.path()).unwrap()] {
            assert!(events.list(Some(&gone)).is_empty());
            assert_eq!(events.list(Some(&here)).len(), 1);
        }
    }

    #[tokio::test]
    async fn whoever_falls_behind_misses_nothing_and_hears_nothing_twice() {
        let state = tempfile::tempdir().unwrap();
        let events = Events::open(state.path()).unwrap();
        let keys: Vec<_> =
            (0..10).map(|number| ObjectKey::agent(format!("agent-{number}"))).collect();
        let at = |second| Timestamp::from_second(second).unwrap();
        let record = |key: &ObjectKey, text: &str| {
            events.record(key, Severity::Normal, "Step", text, at(1));
        };
        record(&keys[0], "before");
        let (past, mut all) = events.follow(None);
        let (_, mut one) = events.follow(Some(&keys[3]));
        assert_eq!(past.len(), 1);
        record(&keys[0], "first");
        assert_eq!(all.next().await.message, "first");
        // Many more than the channel holds, of as many objects as keep them all.
        let mut expected = Vec::new();
        for number in 0..AHEAD * 2 {
            let key = &keys[number % keys.len()];
            record(key, &format!("step {number}"));
            expected.push((key.clone(), format!("step {number}"), 1));
        }
        // The same again counts up, and is told once.
        record(&keys[9], "last");
        record(&keys[9], "last");
        expected.push((keys[9].clone(), "last".to_owned(), 2));
        let said = |event: Event| (event.object, event.message, event.count);
        let heard: Vec<_> = std::iter::from_fn(|| all.try_next()).map(said).collect();
        assert_eq!(heard, expected);
        record(&keys[0], "after");
        assert_eq!(all.next().await.message, "after");

        let of_one = expected.into_iter().filter(|(key, ..)| *key == keys[3]);
        let heard: Vec<_> = std::iter::from_fn(|| one.try_next()).map(said).collect();
        assert_eq!(heard, of_one.collect::<Vec<_>>());
    }

    #[test]
    fn events_are_bounded_counted_and_there_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let events = Events::open(state.path()).unwrap();
        let key = ObjectKey::agent("agent-3");
        let at = |second| Timestamp::from_second(second).unwrap();
        for number in 0..KEPT + 5 {
            events.record(&key, Severity::Normal, "Step", format!("step {number}"), at(1));
        }
        for second in 2..5 {
            events.record(&key, Severity::Warning, "Failed", "no", at(second));
        }
        events.record(&ObjectKey::infra("shared"), Severity::Normal, "Ready", "", at(9));
        let again = Events::open(state.path()).unwrap();
        let kept = again.list(Some(&key));
        assert_eq!(kept.len(), KEPT);
        let last = kept.last().unwrap();
        assert_eq!((last.message.as_str(), last.severity), ("no", Severity::Warning));
        assert_eq!(again.list(None).len(), KEPT + 1);
        assert_eq!(events.list(Some(&key)).last().unwrap().count, 3);
    }
}
