//! Which changes put something right that was made and is not any more as it was made, and whether they are to be done.
//! Pure: what the ledger remembers is an argument.
//!
//! Drift is what nobody asked for: the specs say what they said when the thing was made. What belongs to the course of
//! things is none: processes that end go by their restart policy, a setup step runs again for its inputs, and what is
//! made anew on purpose is first forgotten in the ledger (`engine/intent.rs`), so that a crash in between is no drift.

use std::collections::BTreeMap;

use crate::id::{ResourceId, ResourceKind};
use crate::kinds::{Action, Cause, Have, Resource, bucket, database, file, worktree};
use crate::spec::{Drift, OnDrift};

/// What the ledger remembers of resources, and which of them are corrected too often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Past {
    /// Fingerprints of what was last brought about.
    pub applied: BTreeMap<ResourceId, String>,
    /// Resources that somebody changes again and again: why they are left as they are for now.
    pub flapping: BTreeMap<ResourceId, String>,
}

impl Past {
    /// What `changes` put right, in words; `None` where they are no correction of drift.
    pub fn drift(
        &self,
        id: &ResourceId,
        want: &Resource,
        have: Option<&Have>,
        changes: &[(Action, Cause)],
    ) -> Option<String> {
        let applied = self.applied.get(id)?;
        let (action, cause) = changes.first()?;
        let removed = || matches!(have, None | Some(Have::Worktree(worktree::Observed::Missing)));
        let changed = || applied == want.fingerprint();
        let (is_drift, is_removed) = match action {
            Action::Worktree(worktree::Action::Add(_))
            | Action::Database(database::Action::Create(_))
            | Action::Bucket(bucket::Action::Create(_)) => (removed(), true),
            Action::Database(database::Action::RepairRole(_))
            | Action::Bucket(bucket::Action::Configure(_)) => (changed(), false),
            Action::File(file::Action::Write(_) | file::Action::KeepAsideAndWrite(_)) => {
                (changed(), have.is_none())
            }
            Action::Worktree(_)
            | Action::Database(_)
            | Action::Bucket(_)
            | Action::File(file::Action::Remove(_))
            | Action::Template(_)
            | Action::Setup(_)
            | Action::Process(_)
            | Action::Service(_)
            | Action::Container(_) => (false, false),
        };
        let what = || if is_removed { "was removed by somebody".to_owned() } else { cause.clone() };
        is_drift.then(what)
    }
}

impl Drift {
    /// What is done about drift of a kind.
    pub fn of(&self, kind: ResourceKind) -> OnDrift {
        let wanted = match kind {
            ResourceKind::Worktree => self.worktree,
            ResourceKind::File => self.file,
            ResourceKind::Database => self.database,
            ResourceKind::Bucket => self.bucket,
            ResourceKind::Template
            | ResourceKind::Setup
            | ResourceKind::Process
            | ResourceKind::Service
            | ResourceKind::Container => None,
        };
        wanted.unwrap_or_default()
    }
}
