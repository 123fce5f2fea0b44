//! How one object's plan is put together: verdicts per resource, gates, then order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Hold, Plan, Step, StepId, exchange};
use crate::desired::{Dependency, DesiredObject, Wanted};
use crate::drift::Past;
use crate::id::{ResourceId, ResourceKind};
use crate::kinds::{
    Action, AnyTarget, Cause, Have, Need, Place, Verdict, bucket, database, diff, process, setup,
    worktree,
};
use crate::plant::{Bug, is_planted};
use crate::spec::OnDrift;
use crate::world::{Observed, Seen};

/// Plans one object.
pub(super) fn build(object: &DesiredObject, have: &Observed, past: &Past) -> Plan {
    let mut builder =
        Builder { object, have, past, plan: Plan::default(), steps_of: BTreeMap::new() };
    // Processes that leave go first: they hold ports, and they write to what is about to move.
    for (id, wanted) in &object.resources {
        if id.kind == ResourceKind::Process && leaving(wanted) {
            builder.visit(id, wanted);
        }
    }
    for id in creation_order(object) {
        if let Some(wanted) = object.resources.get(id) {
            builder.visit(id, wanted);
        }
    }
    // Data moves when nothing of this object uses it any more, servers stop last.
    for servers in [false, true] {
        for (id, wanted) in &object.resources {
            let is_server = matches!(id.kind, ResourceKind::Service | ResourceKind::Container);
            if id.kind != ResourceKind::Process && leaving(wanted) && is_server == servers {
                builder.visit(id, wanted);
            }
        }
    }
    builder.plan
}

fn leaving(wanted: &Wanted) -> bool {
    match wanted.target {
        AnyTarget::Present(_) => false,
        AnyTarget::Trashed | AnyTarget::Gone => true,
    }
}

/// Wanted resources, each after what it depends on within the object; otherwise in the order of their ids.
fn creation_order(object: &DesiredObject) -> Vec<&ResourceId> {
    fn enter<'a>(
        object: &'a DesiredObject,
        id: &'a ResourceId,
        entered: &mut BTreeSet<&'a ResourceId>,
        order: &mut Vec<&'a ResourceId>,
    ) {
        let Some(wanted) = object.resources.get(id) else { return };
        if leaving(wanted) || !entered.insert(id) {
            return;
        }
        for dependency in &wanted.after {
            enter(object, &dependency.on, entered, order);
        }
        order.push(id);
    }
    let mut entered = BTreeSet::new();
    let mut order = Vec::new();
    for id in object.resources.keys() {
        enter(object, id, &mut entered, &mut order);
    }
    order
}

struct Builder<'a> {
    object: &'a DesiredObject,
    have: &'a Observed,
    past: &'a Past,
    plan: Plan,
    steps_of: BTreeMap<&'a ResourceId, Vec<StepId>>,
}

impl<'a> Builder<'a> {
    fn visit(&mut self, id: &'a ResourceId, wanted: &'a Wanted) {
        let have = match self.have.get(id) {
            Seen::Known(have) => have,
            Seen::Unknown(_) if is_planted(Bug::UnknownIsGone) => None,
            Seen::Unknown(why) => return self.hold(id, Hold::Unknown(why)),
        };
        let target = match exchange::target(self.object, wanted, have) {
            AnyTarget::Trashed if is_planted(Bug::TrashIsGone) => &AnyTarget::Gone,
            target => target,
        };
        let verdict = match (diff(target, &wanted.place, have), self.renewal(id, wanted, have)) {
            (Verdict::Settled, Some(run)) => run,
            (verdict, _) => verdict,
        };
        if verdict != Verdict::Settled
            && let Some(hold) = exchange::hold(self.object, self.have, id, wanted)
        {
            return self.hold(id, hold);
        }
        match verdict {
            Verdict::Settled => {}
            Verdict::Wait(why) => self.hold(id, Hold::Wait(why)),
            Verdict::Drift(_) if self.object.drift.of(id.kind) == OnDrift::Ignore => {}
            Verdict::Drift(why) => self.hold(id, Hold::Drift(why)),
            Verdict::Conflict(why) => self.hold(id, Hold::Conflict(why)),
            Verdict::Stalled(why) => self.hold(id, Hold::Stalled(why)),
            Verdict::Change(changes) => {
                if let Some(why) = self.object.no_room.as_ref().filter(|_| !leaving(wanted)) {
                    return self.hold(id, Hold::NoRoom(why.clone()));
                }
                let drift = self.drift(id, wanted, have, &changes);
                if drift.as_deref().is_some_and(|what| self.is_left(id, what)) {
                    return;
                }
                if exchange::makes_room(self.object, wanted) {
                    self.end_processes("its worktree is exchanged for that of another repository");
                }
                match self.gates(id, wanted) {
                    Err(hold) => self.hold(id, hold),
                    Ok(after) if changes.iter().any(|(action, _)| replaces(action)) => {
                        let cause = format!("{} is replaced", id.local());
                        self.change_unused(id, changes, after, &cause);
                    }
                    Ok(after)
                        if prepares_again(wanted, have) && !self.steps_of.contains_key(id) =>
                    {
                        let cause = format!("{} runs again", id.local());
                        self.change_unused(id, changes, after, &cause);
                    }
                    Ok(after) => self.change(id, changes, after),
                }
                if let Some(what) = drift.filter(|_| self.steps_of.contains_key(id)) {
                    self.plan.drifted.insert(id.clone(), what);
                }
            }
        }
    }

    /// What `changes` put right that somebody changed. Where it lies in what is itself about to be made, it is no more
    /// than a part of that.
    fn drift(
        &self,
        id: &ResourceId,
        wanted: &Wanted,
        have: Option<&Have>,
        changes: &[(Action, Cause)],
    ) -> Option<String> {
        let AnyTarget::Present(want) = &wanted.target else { return None };
        let stands = |it: &Dependency| {
            !self.steps_of.contains_key(&it.on)
                && matches!(self.have.get(&it.on), Seen::Known(Some(have)) if have.satisfies(it.need))
        };
        self.past.drift(id, want, have, changes).filter(|_| wanted.after.iter().all(stands))
    }

    /// Whether drift is left as it is, by the policy of its kind or because it comes again and again.
    fn is_left(&mut self, id: &ResourceId, what: &str) -> bool {
        let why = match (self.object.drift.of(id.kind), self.past.flapping.get(id)) {
            (OnDrift::Ignore, _) => return true,
            (OnDrift::Warn, _) => format!("{what}, and stays so: its spec says `drift: warn`"),
            (OnDrift::Correct, Some(why)) => format!("{what}; {why}"),
            (OnDrift::Correct, None) => return false,
        };
        self.hold(id, Hold::Drift(why));
        true
    }

    fn hold(&mut self, id: &ResourceId, hold: Hold) {
        self.plan.held.insert(id.clone(), hold);
    }

    /// Adds the steps of one resource: one after the other, the first one after `after`.
    fn change(
        &mut self,
        id: &'a ResourceId,
        changes: Vec<(Action, String)>,
        mut after: Vec<StepId>,
    ) {
        if changes.iter().any(|(action, _)| makes_anew(action)) {
            after.extend(self.forget_dependants(id));
        }
        for (action, cause) in changes {
            after.sort_unstable();
            after.dedup();
            let step = self.push(id, action, cause, after);
            after = vec![step];
        }
    }

    fn push(
        &mut self,
        id: &'a ResourceId,
        action: Action,
        cause: String,
        after: Vec<StepId>,
    ) -> StepId {
        let step = self.plan.steps.len() + 1;
        let after = if is_planted(Bug::OrderIsLost) { Vec::new() } else { after };
        self.plan.steps.push(Step { id: step, resource: id.clone(), action, cause, after });
        self.steps_of.entry(id).or_default().push(step);
        step
    }

    /// Steps that have to come first, or why nothing can be done now.
    fn gates(&self, id: &ResourceId, wanted: &Wanted) -> Result<Vec<StepId>, Hold> {
        let of_processes = |only_leaving: bool| {
            self.steps_of
                .iter()
                .filter(move |(other, _)| {
                    other.kind == ResourceKind::Process
                        && (!only_leaving || self.object.resources.get(*other).is_some_and(leaving))
                })
                .flat_map(|(_, steps)| steps.iter().copied())
        };
        if leaving(wanted) {
            if id.kind != ResourceKind::Process
                && let Some(process) = self.user()
            {
                let why = format!("waits until {} does not run with it any more", process.local());
                return Err(Hold::Wait(why));
            }
            return Ok(match id.kind {
                ResourceKind::Process => Vec::new(),
                ResourceKind::Service | ResourceKind::Container => {
                    self.steps_of.values().flatten().copied().collect()
                }
                _ => of_processes(false).collect(),
            });
        }
        let mut after = Vec::new();
        for dependency in &wanted.after {
            after.extend(self.gate(dependency)?);
        }
        if id.kind == ResourceKind::Process {
            after.extend(of_processes(true));
        }
        Ok(after)
    }

    /// Changes what all processes use, once none uses it any more. What was ended for that starts again by itself, as
    /// it is wanted.
    fn change_unused(
        &mut self,
        id: &'a ResourceId,
        changes: Vec<(Action, String)>,
        after: Vec<StepId>,
        cause: &str,
    ) {
        let unseen = self.object.resources.keys().find(|other| {
            other.kind == ResourceKind::Process && matches!(self.have.get(other), Seen::Unknown(_))
        });
        if let Some(process) = unseen {
            let why = format!("waits until it can be seen whether {} uses it", process.local());
            return self.hold(id, Hold::Wait(why));
        }
        if let Some(hold) = changes.iter().find_map(|(action, _)| self.missing_copy(action)) {
            return self.hold(id, hold);
        }
        self.end_processes(cause);
        let of_processes =
            self.steps_of.iter().filter(|(other, _)| other.kind == ResourceKind::Process);
        let after = of_processes.flat_map(|(_, steps)| steps).copied().chain(after).collect();
        self.change(id, changes, after);
    }

    /// Why what is there stays where it is: what is to be cloned in its place is not there.
    fn missing_copy(&self, action: &Action) -> Option<Hold> {
        let Action::Database(database::Action::SetAside(want)) = action else { return None };
        let life = want.life.as_ref()?;
        let copy = life.copy.as_ref().filter(|copy| copy.place != life.aside)?;
        let mut resources = self.object.resources.iter();
        let is_it =
            |wanted: &Wanted| matches!(&wanted.place, Place::Database(it) if *it == copy.place);
        let found = resources.find(|(_, wanted)| is_it(wanted)).map(|(id, _)| self.have.get(id));
        let name = copy.place.kept.as_deref().unwrap_or_default();
        match found {
            Some(Seen::Known(Some(Have::Database(database::Observed::Trashed)))) => None,
            Some(Seen::Unknown(why)) => Some(Hold::Unknown(why)),
            Some(Seen::Known(_)) | None => Some(Hold::Stalled(format!(
                "stays as it is: the kept database {name} is not there any more; `ctl db list` says which are"
            ))),
        }
    }

    /// Ends every process that runs and about which nothing else is done: none can outlast the exchange of what it
    /// works in.
    fn end_processes(&mut self, cause: &str) {
        let object = self.object;
        for (id, wanted) in &object.resources {
            let running = matches!(
                self.have.get(id),
                Seen::Known(Some(Have::Process(process::Observed::Running { .. })))
            );
            if let Place::Process(place) = &wanted.place
                && running
                && !self.steps_of.contains_key(id)
            {
                self.plan.held.remove(id);
                let stop = Action::Process(process::Action::Stop(place.clone()));
                self.push(id, stop, cause.to_owned(), Vec::new());
            }
        }
    }

    /// A process that may still use what leaves: it runs as it was wanted before, or nobody can see whether
    /// it does, and nothing is done about it now.
    fn user(&self) -> Option<&ResourceId> {
        self.plan.held.keys().filter(|id| id.kind == ResourceKind::Process).find(|id| {
            match self.have.get(id) {
                Seen::Unknown(_) => true,
                Seen::Known(Some(Have::Process(process::Observed::Running {
                    fingerprint,
                    ..
                }))) => match self.object.resources.get(*id).map(|wanted| &wanted.target) {
                    Some(AnyTarget::Present(want)) => want.fingerprint() != fingerprint,
                    Some(AnyTarget::Trashed | AnyTarget::Gone) | None => true,
                },
                Seen::Known(_) => false,
            }
        })
    }

    /// The step that brings a dependency about, if one is needed.
    fn gate(&self, dependency: &Dependency) -> Result<Option<StepId>, Hold> {
        let on = &dependency.on;
        let blocked =
            |root: Option<String>| Hold::Blocked { by: on.clone(), need: dependency.need, root };
        if let Some(hold) = self.plan.held.get(on) {
            // Something that is drifted or in the middle of a change may still be enough,
            // unless a step of this plan makes it void.
            let enough = !self.steps_of.contains_key(on)
                && matches!(self.have.get(on), Seen::Known(Some(have))
                    if have.satisfies(dependency.need) && !is_to_run_again(have, dependency.need));
            let root = match hold {
                Hold::Blocked { root: Some(root), .. } => Some(root.clone()),
                hold => Some(format!("{} {hold}", on.local())),
            };
            return if enough { Ok(None) } else { Err(blocked(root)) };
        }
        if let Some(last) = self.steps_of.get(on).and_then(|steps| steps.last()) {
            return if attainable(on.kind, dependency.need) {
                Ok(Some(*last))
            } else {
                Err(blocked(None))
            };
        }
        match self.have.get(on) {
            Seen::Known(Some(have)) if have.satisfies(dependency.need) => Ok(None),
            Seen::Known(_) => Err(blocked(None)),
            Seen::Unknown(why) => {
                Err(blocked(Some(format!("{} cannot be seen: {why}", on.local()))))
            }
        }
    }

    /// The run of a setup step that became void, because what it prepared is made anew by this plan.
    fn renewal(
        &self,
        id: &ResourceId,
        wanted: &Wanted,
        have: Option<&Have>,
    ) -> Option<Verdict<Action>> {
        let AnyTarget::Present(crate::kinds::Resource::Setup(want)) = &wanted.target else {
            return None;
        };
        let was_run = matches!(have, Some(Have::Setup(setup)) if setup.last.is_some());
        // Its `Forget` is among the steps by now, because it comes after what it prepares.
        let forgotten = self.steps_of.contains_key(id);
        (was_run && forgotten).then(|| {
            Verdict::one(
                Action::Setup(setup::Action::Run(std::sync::Arc::clone(want))),
                "what it prepared is made anew",
            )
        })
    }

    /// Voids the runs that prepared `id` before it is made anew, so that no crash in between can leave
    /// a new database that counts as prepared.
    fn forget_dependants(&mut self, id: &ResourceId) -> Vec<StepId> {
        let object = self.object;
        let mut forgets = Vec::new();
        for (other, wanted) in &object.resources {
            let (AnyTarget::Present(_), Place::Setup(place)) = (&wanted.target, &wanted.place)
            else {
                continue;
            };
            let was_run = matches!(
                self.have.get(other),
                Seen::Known(Some(Have::Setup(setup))) if setup.last.is_some()
            );
            if was_run && wanted.renewed_by.contains(id) {
                forgets.push(match self.steps_of.get(other).and_then(|steps| steps.first()) {
                    Some(step) => *step,
                    None => self.push(
                        other,
                        Action::Setup(setup::Action::Forget(place.clone())),
                        format!("{} is made anew", id.local()),
                        Vec::new(),
                    ),
                });
            }
        }
        forgets
    }
}

/// Whether a process about which something is left to do has ended: its good end is no service then, as it is where
/// nothing more is to come.
fn is_to_run_again(have: &Have, need: Need) -> bool {
    match need {
        Need::Ready | Need::Started => {
            matches!(have, Have::Process(process::Observed::Exited { .. }))
        }
        Need::Exists | Need::Succeeded => false,
    }
}

/// Whether the steps of a resource, once done, are all that the need asks for.
fn attainable(kind: ResourceKind, need: Need) -> bool {
    match kind {
        ResourceKind::Process | ResourceKind::Service | ResourceKind::Container => match need {
            Need::Exists | Need::Started => true,
            Need::Ready | Need::Succeeded => false,
        },
        ResourceKind::Worktree
        | ResourceKind::File
        | ResourceKind::Template
        | ResourceKind::Database
        | ResourceKind::Bucket
        | ResourceKind::Setup => true,
    }
}

/// Whether an action takes something away from those who use it, so that another can take its place.
fn replaces(action: &Action) -> bool {
    matches!(action, Action::Database(database::Action::SetAside(_)))
}

/// Whether a step that prepared a database is to do so again, while it is in use.
fn prepares_again(wanted: &Wanted, have: Option<&Have>) -> bool {
    let of_database = wanted.renewed_by.iter().any(|it| it.kind == ResourceKind::Database);
    let was_run = |setup: &setup::Observed| setup.last.as_ref().is_some_and(|run| run.success);
    of_database && matches!(have, Some(Have::Setup(setup)) if was_run(setup))
}

/// Whether an action makes something that was not there before, without what was prepared in it.
fn makes_anew(action: &Action) -> bool {
    match action {
        Action::Database(database::Action::Create(want)) => want.begins_anew(),
        _ => matches!(
            action,
            Action::Worktree(worktree::Action::Add(_)) | Action::Bucket(bucket::Action::Create(_))
        ),
    }
}
