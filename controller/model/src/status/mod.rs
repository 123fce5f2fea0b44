//! What is reported of an object, and how it follows from an outcome. Pure: the time is an argument.
//!
//! A status is made from what was seen and what became of the steps, never from a plan.

mod crashes;
mod outcome;
mod progress;
mod seen;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ResourceKind;
use crate::verify::Summary;

pub use outcome::{Outcome, status, unresolved};

/// What is reported of one object. Written only when it means something new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation of the spec that this status is about.
    pub observed_generation: u64,
    /// One word for all of it.
    pub phase: Phase,
    /// Always all of them, in a fixed order.
    pub conditions: Vec<Condition>,
    /// URLs by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub urls: BTreeMap<String, String>,
    /// Ports by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<String, u16>,
    /// Every resource, by `kind/name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, ResourceStatus>,
    /// What the last `ctl verify` of this incarnation came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Summary>,
    /// Of a Stack: the generations of its template, without what only a look at the server tells. In no status file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<crate::api::Generation>,
}

impl Status {
    /// The condition of a type.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether a condition is True.
    pub fn is(&self, kind: ConditionType) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == Truth::True)
    }

    /// Whether the object does not get to Ready by itself: something of it needs attention, and nothing is being done
    /// or waited for any more. Nothing is concluded from one that is suspended, or of which nothing could be seen that
    /// needs attention.
    pub fn is_stuck(&self) -> bool {
        let unseen = |it: &Condition| it.status == Truth::Unknown;
        self.is(ConditionType::Stalled)
            && !self.is(ConditionType::Progressing)
            && !self.condition(ConditionType::Ready).is_none_or(unseen)
    }

    /// Whether the other status says the same, whenever it was written.
    pub fn means_the_same(&self, other: &Self) -> bool {
        let timeless = |status: &Self| {
            let mut status = status.clone();
            for condition in &mut status.conditions {
                condition.last_transition_time = Timestamp::UNIX_EPOCH;
            }
            status
        };
        timeless(self) == timeless(other)
    }
}

/// One word for a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing was done yet: it waits for something else.
    Pending,
    /// On its way.
    Progressing,
    /// As wanted, and it works.
    Ready,
    /// It was made, and part of it does not work.
    Degraded,
    /// It does not get there by itself; the condition says what to do.
    Stalled,
    /// Left alone on request.
    Suspended,
    /// On its way out.
    Deleting,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Pending => "Pending",
            Self::Progressing => "Progressing",
            Self::Ready => "Ready",
            Self::Degraded => "Degraded",
            Self::Stalled => "Stalled",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
        })
    }
}

/// Why a wanted deletion is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// What is in its way.
    pub by: Blocker,
    /// A sentence for people.
    pub message: String,
}

/// What is in the way of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocker {
    /// The guard: a person has to approve.
    Guard,
    /// Others who use it and stay.
    Users,
    /// Others who use it and leave: it follows them by itself.
    LeavingUsers,
    /// Its own spec: that has to allow it first.
    Protection,
}

impl Blocker {
    /// The reason of the condition.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Guard => "AwaitsApproval",
            Self::Users => "InUse",
            Self::LeavingUsers => "WaitsForUsers",
            Self::Protection => "Protected",
        }
    }
}

/// One aspect of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: Truth,
    /// One word for why.
    pub reason: String,
    /// A sentence for people; empty when there is nothing to add.
    pub message: String,
    /// The generation that it is about.
    pub observed_generation: u64,
    /// Since when `status` is what it is.
    pub last_transition_time: Timestamp,
}

/// The aspects of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// It does its work.
    Ready,
    /// The last spec was applied in full.
    Synced,
    /// Something is being done or waited for.
    Progressing,
    /// It will not get there by itself.
    Stalled,
    /// A process of it ends again and again.
    CrashLoop,
    /// Something differs and is left so on purpose.
    Drifted,
    /// Left alone on request.
    Suspended,
    /// The source can be read and is valid.
    SourceValid,
    /// It is to leave and cannot.
    DeletionBlocked,
}

impl ConditionType {
    /// All of them, in the order of a status.
    pub const ALL: [Self; 9] = [
        Self::Ready,
        Self::Synced,
        Self::Progressing,
        Self::Stalled,
        Self::CrashLoop,
        Self::Drifted,
        Self::Suspended,
        Self::SourceValid,
        Self::DeletionBlocked,
    ];
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be found out.
    Unknown,
}

/// What is reported of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// `Ready`, `Missing`, `Running`, `Exited`, `Unknown`, …
    pub state: String,
    /// What there is to know beyond that: why it is held, how it ended, what failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The last step about it failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// It is not wanted any more: it leaves, or is kept in the trash. Nothing is missing where it is not there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

/// Whether a kind holds what an agent wrote.
pub fn holds_data(kind: ResourceKind) -> bool {
    match kind {
        ResourceKind::Worktree | ResourceKind::Database | ResourceKind::Bucket => true,
        ResourceKind::Service
        | ResourceKind::Container
        | ResourceKind::File
        | ResourceKind::Template
        | ResourceKind::Setup
        | ResourceKind::Process => false,
    }
}
