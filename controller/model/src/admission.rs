//! Admission: which agents the host has room for. Pure; decided for all agents at a time, before any of them starts.
//!
//! An agent that was given what it asks for keeps it, over restarts of everything, until it leaves or asks for more;
//! the ledger remembers that. Among the others the one that came first goes first, and one that asks for less than is
//! left does not wait for one that asks for more. What is refused is not begun; what runs is never ended for it. One that is
//! suspended asks for nothing new.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bytes::bytes;
use crate::desired::{Desired, DesiredObject};
use crate::id::{ObjectKey, ObjectKind, Uid};
use crate::resolve::{Facts, Need, agent_id};

/// Bytes that are asked for, or given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Of memory.
    pub memory: u64,
    /// Of disk.
    pub disk: u64,
}

impl Amount {
    /// Whether nothing is asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn plus(self, other: Self) -> Self {
        Self {
            memory: self.memory.saturating_add(other.memory),
            disk: self.disk.saturating_add(other.disk),
        }
    }

    fn fits_in(self, other: Self) -> bool {
        self.memory <= other.memory && self.disk <= other.disk
    }
}

/// How much there is to give, as an Infra says; `None`: as much as the host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of disk.
    pub disk: Option<u64>,
    /// Whether more may be given than there is.
    pub overcommit: bool,
}

/// An agent that was given something, or waits for it, in the order of `Ord`: who came first goes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// When it was accepted.
    pub since: Timestamp,
    /// The number that ends its name: `agent-2` goes before `agent-10`.
    pub number: u32,
}

impl Turn {
    /// That of an object that was accepted at a time.
    pub fn of(key: &ObjectKey, since: Timestamp) -> Self {
        Self { since, number: agent_id(&key.name, None).unwrap_or(u32::MAX) }
    }
}

/// What the ledger knows of an agent that has not left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// When its turn is.
    pub turn: Turn,
    /// What it was given.
    pub given: Option<Amount>,
}

/// Refuses the agents that the host has no room for. `known`: of every agent that has not left, whether or not it could
/// be resolved. What has to be looked up is added to `needs`; until that is known, whoever asks for it waits.
pub fn admit(
    desired: &mut Desired,
    known: &BTreeMap<Uid, Known>,
    facts: &Facts,
    needs: &mut BTreeSet<Need>,
) {
    let given = known.values().filter_map(|it| it.given);
    let services = desired.objects.iter().filter(|((key, _), _)| key.kind == ObjectKind::Infra);
    let services = services.filter(|(_, object)| !object.deleting).map(|(_, it)| it.asks);
    let mut taken = given.chain(services).fold(Amount::default(), Amount::plus);

    let mut waiting: Vec<_> = desired
        .objects
        .iter_mut()
        .filter(|((key, _), object)| key.kind == ObjectKind::Agent && object.is_acted_upon())
        .filter_map(|((_, uid), object)| {
            let given = known.get(uid).and_then(|it| it.given).unwrap_or_default();
            let turn = known.get(uid).map(|it| it.turn.clone());
            (!object.asks.fits_in(given)).then_some((turn.is_none(), turn, given, object))
        })
        .collect();
    waiting
        .sort_by(|(unknown, turn, ..), (other, others, ..)| (unknown, turn).cmp(&(other, others)));
    for (_, _, given, object) in waiting {
        // What it has already is not in its way.
        let others = Amount {
            memory: taken.memory.saturating_sub(given.memory),
            disk: taken.disk.saturating_sub(given.disk),
        };
        object.no_room = refusal(object, given, others, facts, needs);
        if object.no_room.is_none() {
            taken = others.plus(object.asks);
        }
    }
}

/// Why there is no room for an agent beside `others`.
fn refusal(
    object: &DesiredObject,
    given: Amount,
    others: Amount,
    facts: &Facts,
    needs: &mut BTreeSet<Need>,
) -> Option<String> {
    let Capacity { memory, disk, overcommit } = object.capacity;
    if overcommit {
        return None;
    }
    let mut fact = |need: Need| {
        let answer = facts.answers.get(&need).cloned();
        needs.insert(need);
        answer.unwrap_or_else(|| Err("not looked at yet".to_owned()))
    };
    let mut whole = |set: Option<u64>, need: Need| match set {
        Some(bytes) => Ok(bytes),
        None => fact(need)?.parse().map_err(|_| "not a number of bytes".to_owned()),
    };
    for (what, asks, others, set, need) in [
        ("memory", object.asks.memory, others.memory, memory, Need::Memory),
        ("disk", object.asks.disk, others.disk, disk, Need::Disk),
    ] {
        // Nobody has to look for what nobody asks for.
        if asks == 0 {
            continue;
        }
        match whole(set, need) {
            Err(why) => return Some(format!("how much {what} there is cannot be told: {why}")),
            Ok(whole) if asks > whole.saturating_sub(others) => {
                let left = whole.saturating_sub(others);
                let there = if asks > whole {
                    format!("there is {} in all", bytes(whole))
                } else {
                    format!("of {} no more than {} is left", bytes(whole), bytes(left))
                };
                return Some(format!(
                    "asks for {} of {what}, and {there}; ask for less under `requests`, or give out more with \
                     `capacity` in its Infra",
                    bytes(asks)
                ));
            }
            Ok(_) => {}
        }
    }
    // What it was given before may be in use by now.
    let more = object.asks.disk.saturating_sub(given.disk);
    if more > 0
        && let Err(free) = fact(Need::FreeDisk(more))
    {
        return Some(format!("asks for {} of disk: {free}", bytes(more)));
    }
    None
}

#[cfg(test)]
mod tests;
