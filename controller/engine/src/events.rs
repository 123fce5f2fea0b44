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

/// Events that are kept per object.
pub const KEPT: usize = 100;

/// A repeated event is written to disk at most this often; in memory it counts at once.
const REPEAT_WRITE: SignedDuration = SignedDuration::from_secs(60);

/// The events of all objects.
#[derive(Debug)]
pub struct Events {
    folder: PathBuf,
    history: Mutex<BTreeMap<ObjectKey, History>>,
    news: broadcast::Sender<Event>,
}

#[derive(Debug, Default)]
struct History {
    events: VecDeque<Event>,
    written: Option<Timestamp>,
}

impl Events {
    /// Reads `STATE/events`. A file that cannot be understood is left out: events decide nothing.
    pub fn open(state: &Path) -> Result<Self, FsError> {
        let folder = state.join(layout::EVENTS);
        fs::create_dir_all(&folder, 0o700)?;
        let mut history: BTreeMap<ObjectKey, History> = BTreeMap::new();
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
                history.insert(key, History { events, written: None });
            }
        }
        Ok(Self { folder, history: Mutex::new(history), news: broadcast::channel(256).0 })
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
        let history = all.entry(object.clone()).or_default();
        let same = |event: &Event| event.reason == reason && event.message == message;
        let repeated = history.events.back().is_some_and(same);
        if repeated {
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
            }
        }
        let due = history.written.is_none_or(|at| now.duration_since(at) >= REPEAT_WRITE);
        if !repeated || due {
            history.written = Some(now);
            self.write(object, &history.events);
        }
        if let Some(event) = history.events.back() {
            // Nobody listening is fine.
            let _ = self.news.send(event.clone());
        }
    }

    /// Forgets objects that are no more, once nothing has happened to them since `before`: what became of one can
    /// be asked for as long as it could have been brought back.
    pub fn forget(&self, exists: impl Fn(&ObjectKey) -> bool, before: Timestamp) {
        let mut all = self.lock();
        all.retain(|key, history| {
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
        let all = self.lock();
        let wanted = all.iter().filter(|(key, _)| object.is_none_or(|object| object == *key));
        let mut events: Vec<_> =
            wanted.flat_map(|(_, history)| history.events.iter().cloned()).collect();
        events.sort_by_key(|event| event.time);
        events
    }

    /// What happened so far, and a channel of what happens from now on, without a gap between.
    pub fn follow(&self, object: Option<&ObjectKey>) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let news = self.news.subscribe();
        (self.list(object), news)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, History>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
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
