//! Reconciles in memory: the engine's stages without its clocks, files and threads.

use std::collections::{BTreeMap, BTreeSet};

use agent_harness_engine::assemble::{add_leaving, moved, note_moved};
use agent_harness_engine::ledger::{Deletion, Entry, ObjectRecord, Origin};
use agent_harness_model::desired::Desired;
use agent_harness_model::id::{ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::AnyTarget;
use agent_harness_model::plan::{Plan, Step, StepId, plan};
use agent_harness_model::resolve::{Facts, Need, resolve};
use agent_harness_model::secret::Secret;
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_model::validate::settle;
use agent_harness_model::world::{Ask, Class, Observed, Record, Seen};
use jiff::{SignedDuration, Timestamp};

use crate::fake::{FakeWorld, real};
use crate::specs::Specs;

const RETENTION: SignedDuration = SignedDuration::from_hours(24);

/// A controller in memory.
#[derive(Debug, Clone, Default)]
pub struct Driver {
    /// The world that it works on.
    pub world: FakeWorld,
    documents: BTreeMap<ObjectKey, Document>,
    records: BTreeMap<Uid, ObjectRecord>,
    facts: Facts,
    incarnations: u32,
}

/// How far a reconcile gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// To its end.
    Never,
    /// It is killed before the step with this index.
    Before(usize),
    /// It is killed after the step with this index, before anything is remembered of it.
    After(usize),
    /// It goes on; the step with this index fails.
    Fails(usize),
    /// It goes on; the step with this index is carried out, and its answer is lost.
    Lost(usize),
}

/// Which of the steps that may begin goes first. The engine lets all of them go at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The first one of the plan.
    AsPlanned,
    /// The last one.
    LastFirst,
}

impl Driver {
    /// Takes a set of specs as the wish from now on. Objects that are not in it leave.
    pub fn wish(&mut self, specs: &Specs) {
        let mut documents = Vec::new();
        for (file, text) in specs.files() {
            let parsed = parse(&format!("/specs/{file}"), text.as_bytes());
            assert!(parsed.problems.is_empty(), "{text}\n{:#?}", parsed.problems);
            documents.extend(parsed.documents);
        }
        let valid = settle(&documents, &std::collections::BTreeSet::new(), &self.documents);
        assert!(valid.problems.is_empty(), "{:#?}", valid.problems);
        self.documents = valid.documents;
        for key in self.documents.keys() {
            if self.live(key).is_none() {
                self.incarnations += 1;
                let uid = Uid::new(format!("u{:08}", self.incarnations));
                let origin =
                    Origin { file: "/specs/x".into(), line: 1, text: String::new(), commit: None };
                let record =
                    ObjectRecord::new(key.clone(), uid.clone(), Timestamp::UNIX_EPOCH, origin);
                self.records.insert(uid, record);
            }
        }
        for record in self.records.values_mut() {
            if record.deletion.is_none() && !self.documents.contains_key(&record.key) {
                record.deletion = Some(Deletion {
                    requested_at: Timestamp::UNIX_EPOCH,
                    purge: false,
                    trashed_at: None,
                    until: Timestamp::MAX,
                });
            }
        }
    }

    fn live(&self, key: &ObjectKey) -> Option<&Uid> {
        self.records.values().find(|r| r.key == *key && r.deletion.is_none()).map(|r| &r.uid)
    }

    /// What is wanted now.
    pub fn desired(&mut self) -> Desired {
        let uids = self
            .documents
            .keys()
            .filter_map(|key| Some((key.clone(), self.live(key)?.clone())))
            .collect();
        loop {
            let mut resolution = resolve(&self.documents, &uids, &self.facts);
            for record in self.records.values_mut() {
                let moved = moved(record, &resolution.desired, &self.facts);
                note_moved(record, &moved);
            }
            for record in self.records.values() {
                let now = Timestamp::UNIX_EPOCH;
                add_leaving(&mut resolution, record, &self.facts, RETENTION, now);
            }
            assert!(resolution.problems.is_empty(), "{:#?}", resolution.problems);
            let before = self.facts.secrets.len() + self.facts.answers.len();
            for need in resolution.needs {
                match need {
                    Need::Secret(name) => {
                        let value = Secret::new(format!("secret of {name}"));
                        self.facts.secrets.insert(name, value);
                    }
                    Need::Repository(path) => {
                        let identity = real(&path).display().to_string();
                        self.facts.answers.insert(Need::Repository(path), Ok(identity));
                    }
                    Need::Folder(path) => {
                        let identity = path.display().to_string();
                        self.facts.answers.insert(Need::Folder(path), Ok(identity));
                    }
                    other => {
                        self.facts.answers.insert(other, Ok("1-abcdef0123456789".into()));
                    }
                }
            }
            if before == self.facts.secrets.len() + self.facts.answers.len() {
                return resolution.desired;
            }
        }
    }

    /// Looks at everything that is wanted or leaving.
    pub fn look(&self, desired: &Desired) -> Observed {
        let none = Record::default();
        let asks: Vec<Ask<'_>> = desired
            .objects
            .values()
            .flat_map(|object| &object.resources)
            .map(|(id, wanted)| Ask {
                id,
                place: &wanted.place,
                want: match &wanted.target {
                    AnyTarget::Present(want) => Some(want),
                    AnyTarget::Trashed | AnyTarget::Gone => None,
                },
                record: self.entry(id).map_or(&none, |entry| &entry.record),
            })
            .collect();
        self.world.observe(&asks)
    }

    fn entry(&self, id: &ResourceId) -> Option<&Entry> {
        self.records.get(&id.uid)?.resources.get(&id.local())
    }

    /// The plan as it is now.
    pub fn plan(&mut self) -> Plan {
        let desired = self.desired();
        let observed = self.look(&desired);
        plan(&desired, &observed)
    }

    /// One reconcile of everything, a step at a time in the order of the plan.
    pub fn reconcile(&mut self, crash: Crash) -> Plan {
        self.reconcile_in(Order::AsPlanned, crash).0
    }

    /// One reconcile of everything, a step at a time. A step that fails blocks those that depend on it. Beside the plan,
    /// the steps that the world refused, and why.
    pub fn reconcile_in(&mut self, order: Order, crash: Crash) -> (Plan, Vec<String>) {
        let desired = self.desired();
        let observed = self.look(&desired);
        let plan = plan(&desired, &observed);
        self.intend(&desired, &plan);
        let (mut well, mut unwell) = (BTreeSet::new(), BTreeSet::new());
        let mut refused = Vec::new();
        for index in 0..plan.steps.len() {
            if crash == Crash::Before(index) {
                return (plan, refused);
            }
            let ended = |id: &StepId| well.contains(id) || unwell.contains(id);
            let mut open = plan.steps.iter().filter(|step| !ended(&step.id));
            let may_begin = |step: &&Step| step.after.iter().all(ended);
            let next = match order {
                Order::AsPlanned => open.find(may_begin),
                Order::LastFirst => open.rfind(may_begin),
            };
            // Without one, the plan waits for itself.
            let Some(step) = next else {
                refused.push(format!("the plan waits for itself:\n{plan}"));
                return (plan, refused);
            };
            let blocked = step.after.iter().any(|id| unwell.contains(id));
            if blocked || crash == Crash::Fails(index) {
                unwell.insert(step.id);
                continue;
            }
            let done = self.world.apply(step);
            // Another object's server that is made anew at this moment is waited for.
            if let Err(error) = &done
                && error.class != Class::Transient
            {
                refused.push(format!("{} {}: {error:?}\n{plan}", step.id, step.resource));
            }
            if done.is_err() || crash == Crash::Lost(index) {
                unwell.insert(step.id);
                continue;
            }
            if crash == Crash::After(index) {
                return (plan, refused);
            }
            well.insert(step.id);
            self.remember(&desired, &step.resource);
        }
        self.forget(&desired);
        (plan, refused)
    }

    /// Writes down what is about to be done.
    fn intend(&mut self, desired: &Desired, plan: &Plan) {
        for step in &plan.steps {
            let id = &step.resource;
            let (Some(wanted), Some(record)) = (desired.wanted(id), self.records.get_mut(&id.uid))
            else {
                continue;
            };
            if let AnyTarget::Present(want) = &wanted.target {
                let entry = record.claim(&id.local(), &wanted.place);
                entry.record.intended = Some(want.fingerprint().to_owned());
            }
        }
    }

    fn remember(&mut self, desired: &Desired, id: &ResourceId) {
        let want = match desired.wanted(id).map(|wanted| &wanted.target) {
            Some(AnyTarget::Present(want)) => Some(want.fingerprint().to_owned()),
            _ => None,
        };
        let entry = self.records.get_mut(&id.uid).and_then(|r| r.resources.get_mut(&id.local()));
        if let (Some(want), Some(entry)) = (want, entry) {
            entry.record = Record { applied: Some(want), intended: None };
        }
    }

    /// Drops entries of what was seen to be gone.
    fn forget(&mut self, desired: &Desired) {
        let observed = self.look(desired);
        for object in desired.objects.values() {
            for (id, wanted) in &object.resources {
                let leaving = wanted.target.leaves();
                if leaving && observed.get(id) == Seen::Known(None) {
                    if let Some(record) = self.records.get_mut(&id.uid) {
                        record.resources.remove(&id.local());
                    }
                }
            }
        }
    }

    /// Reconciles until nothing is to be done and nothing is held; says how many rounds that took.
    ///
    /// # Errors
    /// The last plan, when 40 rounds were not enough.
    pub fn settle(&mut self) -> Result<usize, Plan> {
        let mut last = Plan::default();
        for round in 0..40 {
            last = self.reconcile(Crash::Never);
            self.world.tick();
            if last.is_settled() {
                return Ok(round);
            }
        }
        Err(last)
    }
}
