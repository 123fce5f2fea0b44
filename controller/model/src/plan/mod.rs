//! `plan(desired, observed)`: what has to be done, in which order, and why. Pure; the executor only obeys.
//!
//! A plan holds what can be done now. What has to wait for something that no step brings about (a probe
//! that passes, another object, a backend that cannot be seen) is *held*, with the reason; whatever it waits
//! for wakes the loop again. So no executor ever sits waiting for health, and a newer spec is never kept waiting.

mod build;
mod exchange;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::desired::Desired;
use crate::drift::Past;
use crate::id::{ObjectKey, ResourceId, Uid};
use crate::kinds::{Action, Cause, Need, Reversibility};
use crate::world::Observed;

/// A step's number within its plan, from 1.
pub type StepId = usize;

/// One call to one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What it is done to.
    pub resource: ResourceId,
    /// What is done.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// Steps that have to end well before it; all of them have smaller numbers.
    pub after: Vec<StepId>,
}

impl Step {
    /// What is lost or moved when it is done.
    pub fn reversibility(&self) -> Reversibility {
        self.action.reversibility()
    }
}

/// Why nothing is done about a resource that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// It changes by itself; what it waits for.
    Wait(String),
    /// It needs another resource first; which, and what of it.
    Blocked {
        /// The other resource.
        by: ResourceId,
        /// What is needed of it.
        need: Need,
        /// What is behind it all, where that is known: `database/db cannot be seen: …`.
        root: Option<String>,
    },
    /// It could not be looked at.
    Unknown(String),
    /// It differs and is left so on purpose.
    Drift(String),
    /// Something that is not ours stands in the way.
    Conflict(String),
    /// It stays as it is until somebody does something.
    Stalled(String),
    /// The host has no room for its object.
    NoRoom(String),
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(why) | Self::Stalled(why) => f.write_str(why),
            Self::NoRoom(why) => write!(f, "no room: {why}"),
            Self::Blocked { by, need, root } => {
                write!(f, "waits for {by} to {}", need.verb())?;
                root.as_ref().map_or(Ok(()), |root| write!(f, " ({root})"))
            }
            Self::Unknown(why) => write!(f, "cannot be seen: {why}"),
            Self::Drift(why) => write!(f, "drifted: {why}"),
            Self::Conflict(why) => write!(f, "conflict: {why}"),
        }
    }
}

/// What has to be done now, and what is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In an order that respects every `after`.
    pub steps: Vec<Step>,
    /// Resources about which nothing is done although they are not as wanted.
    pub held: BTreeMap<ResourceId, Hold>,
    /// Resources whose steps put right what somebody changed or removed: what that is.
    pub drifted: BTreeMap<ResourceId, String>,
}

impl Plan {
    /// Nothing to do and nothing held: the world is as wanted.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.held.is_empty()
    }
}

/// One line a step: `[1] -> #2 agent/agent-3 database/agent_3, clone from hello_template_1f3a, does not exist`;
/// then one line for each resource that is held.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            if !step.after.is_empty() {
                let after: Vec<_> = step.after.iter().map(ToString::to_string).collect();
                write!(f, "[{}] -> ", after.join(","))?;
            }
            writeln!(f, "#{} {}, {}, {}", step.id, step.resource, step.action, step.cause)?;
        }
        let mut refused = BTreeSet::new();
        for (resource, hold) in &self.held {
            match hold {
                // Of the whole object, so said once.
                Hold::NoRoom(_) if refused.insert(&resource.owner) => {
                    writeln!(f, "held {}, {hold}", resource.owner)?;
                }
                Hold::NoRoom(_) => {}
                _ => writeln!(f, "held {resource}, {hold}")?,
            }
        }
        Ok(())
    }
}

/// The plan for all objects, where nothing is remembered of earlier ones: all that differs is a change.
pub fn plan(want: &Desired, have: &Observed) -> Plan {
    let mut whole = Plan::default();
    for (key, uid) in want.objects.keys() {
        let part = plan_object(want, have, &Past::default(), key, uid);
        let shift = whole.steps.len();
        whole.steps.extend(part.steps.into_iter().map(|mut step| {
            step.id += shift;
            step.after.iter_mut().for_each(|id| *id += shift);
            step
        }));
        whole.held.extend(part.held);
        whole.drifted.extend(part.drifted);
    }
    whole
}

/// The plan for one incarnation of one object. Other objects' resources are looked at, never acted upon.
pub fn plan_object(
    want: &Desired,
    have: &Observed,
    past: &Past,
    key: &ObjectKey,
    uid: &Uid,
) -> Plan {
    want.objects
        .get(&(key.clone(), uid.clone()))
        .filter(|object| object.suspended.is_none() || object.deleting)
        .map(|object| build::build(object, have, past))
        .unwrap_or_default()
}
