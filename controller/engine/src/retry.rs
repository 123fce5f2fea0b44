//! When a step that failed may be tried again. Pure: clock and random number are arguments.
//!
//! The planner plans a failed step again at every look; here it is withheld until its backoff has passed,
//! while the other steps of the object go on. A step that became another one (a new spec, a new template)
//! starts afresh. Forgotten at a restart, which costs one early retry.

use std::collections::BTreeMap;
use std::time::Instant;

use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::Action;
use agent_harness_model::plan::{Plan, Step, StepId};
use agent_harness_model::world::{ApplyError, Class, Fate};

use crate::backoff::Backoff;

/// Resources whose last step failed.
#[derive(Debug, Default)]
pub struct Retries(BTreeMap<ResourceId, Retry>);

#[derive(Debug)]
struct Retry {
    action: Action,
    error: ApplyError,
    failures: u32,
    due: Instant,
}

impl Retries {
    /// The fates of the steps that must not be tried now: the error that they had last. All steps of a
    /// resource are withheld together, from the first one on.
    pub fn withhold(&mut self, plan: &Plan, now: Instant) -> BTreeMap<StepId, Fate> {
        let mut fates: BTreeMap<StepId, Fate> = BTreeMap::new();
        let mut first_of: BTreeMap<&ResourceId, StepId> = BTreeMap::new();
        for step in &plan.steps {
            let Some(retry) = self.0.get(&step.resource) else { continue };
            let same = plan
                .steps
                .iter()
                .any(|other| other.resource == step.resource && other.action == retry.action);
            if !same {
                self.0.remove(&step.resource);
            } else if now < retry.due {
                let fate = match first_of.get(&step.resource) {
                    Some(first) => Fate::Blocked { by: *first },
                    None => Fate::Failed(retry.error.clone()),
                };
                first_of.entry(&step.resource).or_insert(step.id);
                fates.insert(step.id, fate);
            }
        }
        fates
    }

    /// Takes note of what became of the steps of a plan that were really tried.
    pub fn note(
        &mut self,
        plan: &Plan,
        fates: &BTreeMap<StepId, Fate>,
        withheld: &BTreeMap<StepId, Fate>,
        now: Instant,
        jitter: f64,
    ) {
        for step in plan.steps.iter().filter(|step| !withheld.contains_key(&step.id)) {
            match fates.get(&step.id) {
                // Whether it helped is seen by the next look.
                None | Some(Fate::Blocked { .. } | Fate::Done) => {}
                Some(Fate::Failed(error)) => self.failed(step, error, now, jitter),
            }
        }
    }

    /// Takes note of the next look after steps that were `done`. Those that are planned again all the same did
    /// not bring about what they should; that counts as a failure, so that nobody does the same over and over.
    /// Where a later step of the same resource failed (`fates`), that is the reason, and the one to tell.
    pub fn futile(
        &mut self,
        done: &[Step],
        fates: &BTreeMap<ResourceId, Fate>,
        plan: &Plan,
        now: Instant,
        jitter: f64,
    ) -> BTreeMap<ResourceId, Fate> {
        let mut futile = BTreeMap::new();
        let helped = |step: &&Step| !matches!(fates.get(&step.resource), Some(Fate::Failed(_)));
        for step in done.iter().filter(helped) {
            let same = |it: &&Step| it.resource == step.resource && it.action == step.action;
            let Some(again) = plan.steps.iter().find(same) else {
                // Earlier steps of a resource end well each time; only the one that failed clears it.
                if self.0.get(&step.resource).is_some_and(|retry| retry.action == step.action) {
                    self.0.remove(&step.resource);
                }
                continue;
            };
            let message = format!("was done, and is to be done again: {}", again.cause);
            let error = ApplyError { class: Class::Transient, message, part: None };
            self.failed(step, &error, now, jitter);
            futile.insert(step.resource.clone(), Fate::Failed(error));
        }
        futile
    }

    fn failed(&mut self, step: &Step, error: &ApplyError, now: Instant, jitter: f64) {
        let before = self.0.get(&step.resource);
        let failures = before.map_or(0, |retry| retry.failures) + 1;
        let backoff = match error.class {
            Class::Transient | Class::Indeterminate | Class::Blocked => Backoff::TRANSIENT,
            Class::Terminal | Class::Conflict => Backoff::TERMINAL,
        };
        let retry = Retry {
            action: step.action.clone(),
            error: error.clone(),
            failures,
            due: now + backoff.delay(failures, jitter),
        };
        self.0.insert(step.resource.clone(), retry);
    }

    /// When the next step of a plan may be tried again. What is held is not waited for here: it has its own
    /// reason, and whatever that is wakes the object.
    pub fn next_due(&self, plan: &Plan) -> Option<Instant> {
        plan.steps.iter().filter_map(|step| self.0.get(&step.resource)).map(|retry| retry.due).min()
    }

    /// Forgets failures of an incarnation's resources that are as wanted by now, however that came.
    pub fn forget_settled(&mut self, owner: &ObjectKey, uid: &Uid, plan: &Plan) {
        self.0.retain(|id, _| {
            id.owner != *owner
                || id.uid != *uid
                || plan.held.contains_key(id)
                || plan.steps.iter().any(|step| step.resource == *id)
        });
    }

    /// Everything of an object may be tried again now: somebody asked for it.
    pub fn forget(&mut self, owner: &ObjectKey) {
        self.0.retain(|id, _| id.owner != *owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_harness_model::id::ResourceKind;
    use agent_harness_model::kinds::{process, setup};
    use std::time::Duration;

    fn step(id: StepId, name: &str, root: &str, after: &[StepId]) -> Step {
        Step {
            id,
            resource: ResourceId {
                owner: ObjectKey::agent("agent-3"),
                uid: Uid::new("0190-12345678"),
                kind: ResourceKind::Setup,
                name: name.into(),
            },
            action: Action::Setup(setup::Action::Forget(setup::Place { root: root.into() })),
            cause: "test".into(),
            after: after.to_vec(),
        }
    }

    fn failed(class: Class) -> Fate {
        Fate::Failed(ApplyError { class, message: "no".into(), part: None })
    }

    #[test]
    fn a_failed_step_is_withheld_until_it_is_due_and_others_are_not() {
        let now = Instant::now();
        let plan = Plan {
            steps: vec![step(1, "a", "/a", &[]), step(2, "b", "/b", &[])],
            ..Plan::default()
        };
        let mut retries = Retries::default();
        let fates = [(1, failed(Class::Transient)), (2, Fate::Done)].into();
        retries.note(&plan, &fates, &BTreeMap::new(), now, 1.0);
        assert_eq!(retries.withhold(&plan, now), [(1, failed(Class::Transient))].into());
        let due = retries.next_due(&plan).unwrap();
        assert_eq!(due, now + Duration::from_secs(2));
        assert_eq!(retries.withhold(&plan, due), BTreeMap::new());
        // A second failure waits longer, one that was withheld does not count.
        let withheld = retries.withhold(&plan, now);
        retries.note(&plan, &withheld, &withheld, now, 1.0);
        assert_eq!(retries.next_due(&plan), Some(due));
        retries.note(&plan, &fates, &BTreeMap::new(), due, 1.0);
        let again = retries.next_due(&plan).unwrap();
        assert_eq!(again, due + Duration::from_secs(4));
    }

    #[test]
    fn a_step_that_does_not_help_backs_off_longer_and_longer() {
        let mut now = Instant::now();
        let plan = Plan { steps: vec![step(1, "a", "/a", &[])], ..Plan::default() };
        let mut retries = Retries::default();
        let mut delays = Vec::new();
        for _ in 0..3 {
            assert_eq!(retries.withhold(&plan, now), BTreeMap::new());
            retries.note(&plan, &[(1, Fate::Done)].into(), &BTreeMap::new(), now, 1.0);
            assert_eq!(retries.futile(&plan.steps, &BTreeMap::new(), &plan, now, 1.0).len(), 1);
            let due = retries.next_due(&plan).unwrap();
            delays.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(delays, [2, 4, 8]);
        retries.futile(&plan.steps, &BTreeMap::new(), &Plan::default(), now, 1.0);
        assert_eq!(retries.next_due(&plan), None);
    }

    #[test]
    fn what_is_held_or_settled_is_not_due() {
        let now = Instant::now();
        let plan = Plan { steps: vec![step(1, "a", "/a", &[])], ..Plan::default() };
        let mut retries = Retries::default();
        let fates = [(1, failed(Class::Transient))].into();
        retries.note(&plan, &fates, &BTreeMap::new(), now, 0.0);
        let (owner, uid) = (ObjectKey::agent("agent-3"), Uid::new("0190-12345678"));
        let hold = agent_harness_model::plan::Hold::Unknown("down".into());
        let held = [(plan.steps[0].resource.clone(), hold)].into();
        let held = Plan { steps: Vec::new(), held, ..Plan::default() };
        retries.forget_settled(&owner, &uid, &held);
        assert_eq!(retries.next_due(&held), None);
        assert!(retries.next_due(&plan).is_some(), "it is only held");
        retries.forget_settled(&owner, &uid, &Plan::default());
        assert_eq!(retries.next_due(&plan), None);
    }

    #[test]
    fn terminal_failures_wait_for_the_resync_and_another_action_starts_afresh() {
        let now = Instant::now();
        let plan = Plan { steps: vec![step(1, "a", "/a", &[])], ..Plan::default() };
        let mut retries = Retries::default();
        let fates = [(1, failed(Class::Terminal))].into();
        retries.note(&plan, &fates, &BTreeMap::new(), now, 0.0);
        let due = retries.next_due(&plan).unwrap();
        assert_eq!(due, now + Duration::from_secs(30));
        let other = Plan { steps: vec![step(1, "a", "/elsewhere", &[])], ..Plan::default() };
        assert_eq!(retries.withhold(&other, now), BTreeMap::new());
        assert_eq!(retries.withhold(&plan, now), BTreeMap::new(), "it was forgotten");
    }

    #[test]
    fn all_steps_of_a_resource_are_withheld_together() {
        let now = Instant::now();
        let mut second = step(2, "a", "/a", &[1]);
        second.action = Action::Process(process::Action::Stop(process::Place {
            stop_signal: "SIGTERM".into(),
            stop_grace_ms: 1,
        }));
        let plan = Plan { steps: vec![step(1, "a", "/a", &[]), second], ..Plan::default() };
        let mut retries = Retries::default();
        let fates = [(1, Fate::Done), (2, failed(Class::Transient))].into();
        retries.note(&plan, &fates, &BTreeMap::new(), now, 0.0);
        assert_eq!(
            retries.withhold(&plan, now),
            [(1, failed(Class::Transient)), (2, Fate::Blocked { by: 1 })].into()
        );
    }

    #[test]
    fn a_first_step_that_is_done_again_for_a_later_one_that_failed_is_not_the_reason() {
        let now = Instant::now();
        let mut second = step(2, "a", "/a", &[1]);
        second.action = Action::Process(process::Action::Stop(process::Place {
            stop_signal: "SIGTERM".into(),
            stop_grace_ms: 1,
        }));
        let plan = Plan { steps: vec![step(1, "a", "/a", &[]), second], ..Plan::default() };
        let mut retries = Retries::default();
        let tried = [(1, Fate::Done), (2, failed(Class::Terminal))].into();
        retries.note(&plan, &tried, &BTreeMap::new(), now, 0.0);
        let fates = [(plan.steps[0].resource.clone(), failed(Class::Terminal))].into();
        assert_eq!(retries.futile(&plan.steps[..1], &fates, &plan, now, 0.0), BTreeMap::new());
        assert_eq!(retries.withhold(&plan, now).get(&1), Some(&failed(Class::Terminal)));
        assert_eq!(retries.next_due(&plan), Some(now + Duration::from_secs(30)));
    }
}
