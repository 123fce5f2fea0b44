//! Where a disk is nearly full, what lies in the trash gives way: the oldest worktree of which all is provably elsewhere,
//! one at a time. Databases and buckets stay: nothing is known of any other place for what is in them.

use std::path::Path;

use agent_harness_model::api::Severity;
use agent_harness_model::bytes::bytes;
use agent_harness_model::doctor::is_nearly_full;
use agent_harness_model::kinds::{Place, worktree};
use agent_harness_providers::git::pushed;
use agent_harness_providers::machine;

use crate::core::{Core, Job};
use crate::facts::chain;
use crate::ledger::{Entry, Ledger, LedgerError, ObjectRecord};

/// Has one worktree give way, if any has to and can. Blocks on files and on git.
pub fn relieve(core: &Core) -> Result<(), LedgerError> {
    // Bound, so that the ledger is free again before anything is looked at.
    let all = in_the_trash(&core.ledger());
    for (record, local, place) in all {
        let Some(disk) = place.path.parent().and_then(|folder| machine::disk(folder).ok()) else {
            continue;
        };
        if !is_nearly_full(disk.size, disk.free) {
            continue;
        }
        let is_ours = |path: &Path, found: &str| wrote(&record, &place, path, found);
        match pushed::only_here(&place, &core.mark(&record.uid), &is_ours) {
            Ok(None) => {}
            Ok(Some(why)) => {
                tracing::debug!(object = %record.key, tree = %place.path.display(), "stays: {why}");
                continue;
            }
            Err(error) => {
                tracing::debug!(object = %record.key, "stays: {}", chain(&error));
                continue;
            }
        }
        let mut has_left = false;
        core.ledger().update(&record.uid, |now| {
            // It may have been called back meanwhile.
            has_left = now.deletion == record.deletion;
            if let Some(entry) = now.resources.get_mut(&local).filter(|_| has_left) {
                entry.gives_way = true;
            }
        })?;
        if has_left {
            let message = format!(
                "{local} of {} leaves the trash before its time: its disk has {} left, and all that is in it was pushed; \
                 `ctl undelete` makes it anew",
                record.uid.short(),
                bytes(disk.free)
            );
            core.event(&record.key, Severity::Warning, "GaveWay", message);
            core.queue.debounce(Job::Survey);
            return Ok(());
        }
    }
    Ok(())
}

/// The worktrees of those that have left, the oldest first; not of one that is being purged anyway.
fn in_the_trash(ledger: &Ledger) -> Vec<(ObjectRecord, String, worktree::Place)> {
    let mut left: Vec<_> = ledger
        .records()
        .filter_map(|record| {
            let deletion = record.deletion.as_ref().filter(|it| !it.purge)?;
            Some((deletion.trashed_at?, record))
        })
        .collect();
    left.sort_by_key(|(since, _)| *since);
    let trees = left.into_iter().flat_map(|(_, record)| {
        record.resources.iter().filter_map(|(local, entry)| match entry {
            Entry { place: Place::Worktree(place), gives_way: false, .. } => {
                Some((record.clone(), local.clone(), place.clone()))
            }
            _ => None,
        })
    });
    trees.collect()
}

/// Whether a file of a tree is one that we wrote there, and as we wrote it.
fn wrote(record: &ObjectRecord, tree: &worktree::Place, path: &Path, found: &str) -> bool {
    record.resources.values().any(|entry| match &entry.place {
        Place::File(file) => {
            file.root == tree.path && file.path == path && entry.record.knows(found)
        }
        _ => false,
    })
}
