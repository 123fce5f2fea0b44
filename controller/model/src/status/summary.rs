//! What stands between an object and Ready, and the phase and conditions that follow from it.

use jiff::Timestamp;

use super::{Blocked, Condition, ConditionType, Phase, Status, Truth};
use crate::desired::DesiredObject;
use crate::id::{ObjectKey, ResourceId};
use crate::plan::Hold;
use crate::world::Class;

/// What stands between an object and Ready, sorted by what it means.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) unsynced: bool,
    pub(super) stalled: Vec<String>,
    pub(super) retries: Vec<String>,
    pub(super) waits: Vec<String>,
    pub(super) unknown: Vec<String>,
    pub(super) drift: Vec<String>,
    pub(super) crashes: String,
}

impl Summary {
    /// A step that failed; `source`: where in the specs its resource is asked for.
    pub(super) fn failure(
        &mut self,
        id: &ResourceId,
        class: Class,
        message: &str,
        source: Option<&str>,
    ) {
        self.unsynced = true;
        let line = asked_for(format!("{}: {message}", id.local()), source);
        match class {
            Class::Terminal | Class::Conflict => self.stalled.push(line),
            Class::Transient | Class::Indeterminate => self.retries.push(line),
            Class::Blocked => self.waits.push(line),
        }
    }

    /// A resource about which nothing is done; `source`: where in the specs it is asked for; `failing`: the object that
    /// it waits for, where something of that does not work.
    pub(super) fn hold(
        &mut self,
        id: &ResourceId,
        hold: &Hold,
        source: Option<&str>,
        failing: Option<&ObjectKey>,
    ) {
        let mut line = format!("{} {hold}", id.local());
        if let Some(owner) = failing {
            line = format!("{line}; `ctl describe {owner}` says why");
        }
        match hold {
            Hold::Wait(_) => self.waits.push(line),
            Hold::Blocked { .. } => {
                self.unsynced = true;
                self.waits.push(line);
            }
            // Of the whole object, so said once.
            Hold::NoRoom(_) => {
                self.unsynced = true;
                let line = hold.to_string();
                if !self.waits.contains(&line) {
                    self.waits.insert(0, line);
                }
            }
            // An outage: nothing is wrong with what asks for it.
            Hold::Unknown(_) => self.unknown.push(line),
            Hold::Drift(_) => self.drift.push(asked_for(line, source)),
            Hold::Conflict(_) | Hold::Stalled(_) => {
                self.unsynced = true;
                self.stalled.push(asked_for(line, source));
            }
        }
    }

    /// It waits for an object that does not get there by itself, so neither does this one.
    pub(super) fn behind(&mut self, owner: &ObjectKey, status: &Status) {
        self.unsynced = true;
        let why = status.condition(ConditionType::Stalled).map(|it| it.message.as_str());
        let why = why.unwrap_or_default().lines().next().unwrap_or_default();
        let line = format!("{owner} is stalled: {why}");
        // Many resources wait for the same one.
        if !self.stalled.contains(&line) {
            self.stalled.push(line);
        }
    }

    pub(super) fn phase(&self, object: &DesiredObject, previously_ready: bool) -> Phase {
        let settled = self.retries.is_empty() && self.waits.is_empty() && self.unknown.is_empty();
        if object.deleting {
            Phase::Deleting
        } else if object.suspended.is_some() {
            Phase::Suspended
        } else if !self.stalled.is_empty() {
            Phase::Stalled
        } else if settled && !self.unsynced {
            Phase::Ready
        } else if previously_ready {
            Phase::Degraded
        } else if self.retries.is_empty() && self.unsynced && self.unknown.is_empty() {
            Phase::Pending
        } else {
            Phase::Progressing
        }
    }

    pub(super) fn first_reason(&self) -> String {
        [&self.stalled, &self.retries, &self.unknown, &self.waits, &self.drift]
            .into_iter()
            .flatten()
            .next()
            .cloned()
            .unwrap_or_default()
    }

    /// All conditions; each keeps its time while its status stays the same.
    pub(super) fn conditions(
        &self,
        phase: Phase,
        object: &DesiredObject,
        why: Why<'_>,
        generation: u64,
        previous: Option<&Status>,
        now: Timestamp,
    ) -> Vec<Condition> {
        let condition = |kind| {
            let (status, reason, message) = self.condition(kind, phase, object, why);
            let last_transition_time = previous
                .and_then(|previous| previous.condition(kind))
                .filter(|before| before.status == status)
                .map_or(now, |before| before.last_transition_time);
            Condition {
                kind,
                status,
                reason: reason.to_owned(),
                message,
                observed_generation: generation,
                last_transition_time,
            }
        };
        ConditionType::ALL.into_iter().map(condition).collect()
    }

    pub(super) fn condition(
        &self,
        kind: ConditionType,
        phase: Phase,
        object: &DesiredObject,
        Why { source_error, deletion_blocked }: Why<'_>,
    ) -> (Truth, &'static str, String) {
        let list = |lines: &[String]| lines.join("; ");
        match kind {
            ConditionType::Ready => match phase {
                Phase::Ready => (Truth::True, "AllReady", String::new()),
                Phase::Deleting => (Truth::False, "Deleting", String::new()),
                Phase::Suspended => (Truth::Unknown, "Suspended", String::new()),
                Phase::Pending | Phase::Progressing | Phase::Degraded | Phase::Stalled => {
                    let unseen = !self.unknown.is_empty() && self.stalled.is_empty();
                    let truth = if unseen { Truth::Unknown } else { Truth::False };
                    (truth, "NotReady", self.first_reason())
                }
            },
            ConditionType::Synced if self.unsynced => {
                (Truth::False, "NotSynced", self.first_reason())
            }
            ConditionType::Synced if !self.unknown.is_empty() => {
                (Truth::Unknown, "NotSeen", list(&self.unknown))
            }
            ConditionType::Synced => (Truth::True, "Applied", String::new()),
            ConditionType::Progressing => {
                let lines: Vec<_> = self.retries.iter().chain(&self.waits).cloned().collect();
                if lines.is_empty() {
                    (Truth::False, "Settled", String::new())
                } else {
                    (Truth::True, "Working", list(&lines))
                }
            }
            ConditionType::Stalled if self.stalled.is_empty() => {
                (Truth::False, "NotStalled", String::new())
            }
            ConditionType::Stalled => (Truth::True, "NeedsAttention", list(&self.stalled)),
            ConditionType::CrashLoop if self.crashes.is_empty() => {
                (Truth::False, "NoCrashes", String::new())
            }
            ConditionType::CrashLoop => (Truth::True, "EndsAgainAndAgain", self.crashes.clone()),
            ConditionType::Drifted if self.drift.is_empty() => {
                (Truth::False, "AsWanted", String::new())
            }
            ConditionType::Drifted => (Truth::True, "Differs", list(&self.drift)),
            ConditionType::Suspended => match &object.suspended {
                Some(reason) => (Truth::True, "OnRequest", reason.clone()),
                None => (Truth::False, "Active", String::new()),
            },
            ConditionType::SourceValid => match source_error {
                Some(error) => (Truth::False, "Invalid", error.to_owned()),
                None => (Truth::True, "Valid", String::new()),
            },
            ConditionType::DeletionBlocked => match deletion_blocked {
                Some(why) => (Truth::True, why.by.reason(), why.message.clone()),
                None => (Truth::False, "NotBlocked", String::new()),
            },
        }
    }
}

/// Adds where a user finds what asks for something that does not work: to the first line, for what a program said may
/// follow in others.
fn asked_for(line: String, source: Option<&str>) -> String {
    let Some(source) = source else { return line };
    let (first, rest) = line.split_at(line.find('\n').unwrap_or(line.len()));
    let (first, colon) = match first.strip_suffix(':') {
        Some(first) if !rest.is_empty() => (first, ":"),
        _ => (first, ""),
    };
    format!("{first} (asked for at {source}){colon}{rest}")
}

/// What is said from outside the look at the world.
#[derive(Clone, Copy)]
pub(super) struct Why<'a> {
    pub source_error: Option<&'a str>,
    pub deletion_blocked: Option<&'a Blocked>,
}
