//! What somebody changes again and again is corrected a few times, and then left for a while: two who both know better
//! are no help to anybody. Forgotten at a restart, which costs a few more corrections; what drift is, the planner says.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use agent_harness_model::desired::DesiredObject;
use agent_harness_model::drift::Past;
use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::plan::{Plan, StepId};
use agent_harness_model::world::Fate;

use crate::ledger::Ledger;

/// So many corrections of one resource are done within `WINDOW`.
const MOST: usize = 3;

/// The time over which they are counted.
const WINDOW: Duration = Duration::from_mins(10);

/// When each resource was corrected.
#[derive(Debug, Default)]
pub struct Corrections(BTreeMap<ResourceId, VecDeque<Instant>>);

impl Corrections {
    /// Notes the corrections of a plan that came about.
    pub fn note(&mut self, plan: &Plan, fates: &BTreeMap<StepId, Fate>, now: Instant) {
        for id in plan.drifted.keys() {
            let mut steps = plan.steps.iter().filter(|step| step.resource == *id);
            if steps.all(|step| fates.get(&step.id) == Some(&Fate::Done)) {
                let times = self.0.entry(id.clone()).or_default();
                times.push_back(now);
                times.drain(..times.len().saturating_sub(MOST));
            }
        }
        self.0.retain(|_, times| times.back().is_some_and(|last| now < *last + WINDOW));
    }

    /// How long nothing is done any more about what was corrected too often.
    fn left(&self, id: &ResourceId, now: Instant) -> Option<Duration> {
        let times = self.0.get(id).filter(|times| times.len() == MOST)?;
        let until = *times.front()? + WINDOW;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// When to look again at what is held only because it was corrected too often.
    pub fn next_due(&self, plan: &Plan, now: Instant) -> Option<Duration> {
        plan.held.keys().filter_map(|id| self.left(id, now)).min()
    }

    /// Everything of an object may be corrected again now: somebody asked for it.
    pub fn forget(&mut self, owner: &ObjectKey) {
        self.0.retain(|id, _| id.owner != *owner);
    }

    /// What the planner is to know of an incarnation's past. Of the ledger as it is now: a view may be older.
    pub fn past(&self, ledger: &Ledger, object: &DesiredObject, uid: &Uid, now: Instant) -> Past {
        let record = ledger.get(uid);
        let applied = |id: &ResourceId| record?.resources.get(&id.local())?.record.applied.clone();
        let ids = || object.resources.keys();
        let flapping = |id: &ResourceId| {
            self.left(id, now)?;
            Some(format!(
                "was corrected {MOST} times within {} minutes, and is left until they are over: find out who changes \
                 it, then `ctl reconcile {}` corrects it at once",
                WINDOW.as_secs() / 60,
                id.owner
            ))
        };
        Past {
            applied: ids().filter_map(|id| Some((id.clone(), applied(id)?))).collect(),
            flapping: ids().filter_map(|id| Some((id.clone(), flapping(id)?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::ResourceKind;
    use agent_harness_model::kinds::{Action, setup};
    use agent_harness_model::plan::Step;

    use super::*;

    fn id() -> ResourceId {
        ResourceId {
            owner: ObjectKey::agent("agent-3"),
            uid: Uid::new("0190-12345678"),
            kind: ResourceKind::File,
            name: ".env".into(),
        }
    }

    fn correction() -> Plan {
        let action = Action::Setup(setup::Action::Forget(setup::Place { root: "/t".into() }));
        let cause = "test".to_owned();
        let step = Step { id: 1, resource: id(), action, cause, after: Vec::new() };
        Plan {
            steps: vec![step],
            drifted: [(id(), "was removed".into())].into(),
            ..Plan::default()
        }
    }

    #[test]
    fn a_fourth_correction_within_the_window_waits_until_the_first_is_out_of_it() {
        let start = Instant::now();
        let mut corrections = Corrections::default();
        for minute in 0..3 {
            let now = start + Duration::from_mins(minute);
            assert_eq!(corrections.left(&id(), now), None);
            corrections.note(&correction(), &[(1, Fate::Done)].into(), now);
        }
        let now = start + Duration::from_mins(3);
        assert_eq!(corrections.left(&id(), now), Some(Duration::from_mins(7)));
        let later = start + Duration::from_mins(10);
        assert_eq!(corrections.left(&id(), later), None);
        corrections.note(&correction(), &[(1, Fate::Done)].into(), later);
        assert_eq!(corrections.left(&id(), later), Some(Duration::from_mins(1)));
        corrections.forget(&id().owner);
        assert_eq!(corrections.left(&id(), later), None);
    }

    #[test]
    fn what_did_not_come_about_is_no_correction() {
        let now = Instant::now();
        let mut corrections = Corrections::default();
        for _ in 0..9 {
            corrections.note(&correction(), &[(1, Fate::Blocked { by: 1 })].into(), now);
        }
        assert_eq!(corrections.left(&id(), now), None);
    }
}
