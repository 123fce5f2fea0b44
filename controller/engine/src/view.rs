//! What is wanted at one moment, as all reconciles see it. Made by the survey, never changed, shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_harness_model::desired::{Connections, Desired, DesiredObject};
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::resolve::Need;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::Document;

use crate::intake::sources::Intake;

/// Whether two documents are one version at one place.
fn is_same(a: &Document, b: &Document) -> bool {
    Arc::ptr_eq(&a.node, &b.node)
        || (a.file == b.file && a.node.at == b.node.at && a.hash() == b.hash())
}

/// What is wanted at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What is in force, and what is wrong with the rest.
    pub intake: Intake,
    /// Everything that is wanted, leaving objects included.
    pub desired: Desired,
    /// How the shared servers are reached.
    pub connections: Arc<Connections>,
    /// Everything that is wrong with specs: with files, with objects, with what they refer to.
    pub problems: Vec<Diagnostic>,
    /// The facts that it rests on.
    pub needs: BTreeSet<Need>,
    /// Who has to be woken when an object changes.
    dependants: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Which of the problems are an object's own: there may be very many of both.
    of_object: BTreeMap<ObjectKey, Vec<usize>>,
}

impl View {
    /// Puts a view together.
    pub fn new(
        intake: Intake,
        desired: Desired,
        resolve_problems: Vec<Diagnostic>,
        needs: BTreeSet<Need>,
    ) -> Self {
        let mut dependants: BTreeMap<ObjectKey, BTreeSet<ObjectKey>> = BTreeMap::new();
        for ((owner, _), object) in &desired.objects {
            for wanted in object.resources.values() {
                for dependency in wanted.after.iter().filter(|after| after.on.owner != *owner) {
                    let of = dependants.entry(dependency.on.owner.clone()).or_default();
                    of.insert(owner.clone());
                }
            }
        }
        let connections = Arc::new(desired.connections.clone());
        let problems: Vec<_> = intake.problems.iter().cloned().chain(resolve_problems).collect();
        let mut of_object: BTreeMap<ObjectKey, Vec<usize>> = BTreeMap::new();
        for (index, problem) in problems.iter().enumerate() {
            let keys: BTreeSet<_> = problem.object.iter().chain(&problem.about).collect();
            for key in keys {
                of_object.entry(key.clone()).or_default().push(index);
            }
        }
        Self { intake, desired, connections, problems, needs, dependants, of_object }
    }

    /// What is wanted of an incarnation; `None` when it could not be resolved.
    pub fn object(&self, key: &ObjectKey, uid: &Uid) -> Option<&DesiredObject> {
        self.desired.objects.get(&(key.clone(), uid.clone()))
    }

    /// Objects that wait for resources of this one.
    pub fn dependants(&self, key: &ObjectKey) -> impl Iterator<Item = &ObjectKey> {
        self.dependants.get(key).into_iter().flatten()
    }

    /// What is wrong and in no object's status, one line each: with files that hold no object that can be told.
    pub fn loose_problems(&self) -> Vec<String> {
        let loose = self.problems.iter().filter(|it| it.object.is_none() && it.about.is_none());
        let lines = loose.map(Diagnostic::line);
        // Of a file as a whole its objects speak, those that it held last.
        lines.filter(|line| !self.intake.held.values().any(|held| held == line)).collect()
    }

    fn own_problems(&self, key: &ObjectKey) -> impl Iterator<Item = &Diagnostic> {
        self.of_object.get(key).into_iter().flatten().filter_map(|index| self.problems.get(*index))
    }

    /// The problem that the object itself has, as far as only a file speaks of it.
    pub fn problem_in(&self, key: &ObjectKey) -> Option<&Diagnostic> {
        self.own_problems(key).find(|problem| problem.object.as_ref() == Some(key))
    }

    /// What is wrong with an object, one line each; empty when nothing is.
    pub fn problems_of(&self, key: &ObjectKey) -> Vec<String> {
        let own = self.own_problems(key);
        let mut lines: Vec<_> = own.map(Diagnostic::line).collect();
        if let Some(held) = self.intake.held.get(key).filter(|held| !held.is_empty()) {
            if !lines.contains(held) {
                lines.push(held.clone());
            }
        }
        lines
    }

    /// Objects of which something is said in another way than in an earlier view.
    pub fn changed_since(&self, before: &Self) -> BTreeSet<ObjectKey> {
        let mut changed = BTreeSet::new();
        for (now, then) in [(self, before), (before, self)] {
            for (id, object) in &now.desired.objects {
                if then.desired.objects.get(id) != Some(object) {
                    changed.insert(id.0.clone());
                }
            }
            let named = |problem: &Diagnostic| problem.object.clone().or(problem.about.clone());
            for key in now.problems.iter().filter_map(named) {
                if self.problems_of(&key) != before.problems_of(&key) {
                    changed.insert(key);
                }
            }
            // Its generation, its source and what `ctl get` shows of its spec.
            for (key, document) in &now.intake.documents {
                if then.intake.documents.get(key).is_none_or(|before| !is_same(before, document)) {
                    changed.insert(key.clone());
                }
            }
            for (key, why) in &now.intake.blocked {
                if then.intake.blocked.get(key) != Some(why) {
                    changed.insert(key.clone());
                }
            }
            for (key, why) in &now.intake.held {
                if then.intake.held.get(key) != Some(why) {
                    changed.insert(key.clone());
                }
            }
        }
        changed
    }
}
