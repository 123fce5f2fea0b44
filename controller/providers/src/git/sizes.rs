//! How large a worktree in the trash is: asked for by people alone, for it looks at every file.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use agent_harness_model::id::Uid;
use agent_harness_model::kinds::worktree::Place;

use super::error::GitError;
use super::spot::Spots;
use crate::fs;

/// Bytes on disk of the worktree of an incarnation that left; what several names lead to counts once. `None`: its folder
/// is not there, or its disk is not.
pub fn of_trashed(place: &Place, uid: &Uid) -> Result<Option<u64>, GitError> {
    let spots = Spots::of(place, uid)?;
    if fs::metadata(&spots.trash)?.is_none() {
        return Ok(None);
    }
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    add(&spots.trash, &mut seen, &mut sum)?;
    Ok(Some(sum))
}

fn add(path: &Path, seen: &mut BTreeSet<(u64, u64)>, sum: &mut u64) -> Result<(), GitError> {
    // Of a symlink, itself. What goes meanwhile is not kept.
    let Some(metadata) = fs::metadata(path)? else { return Ok(()) };
    if seen.insert((metadata.dev(), metadata.ino())) {
        *sum += metadata.blocks() * 512;
    }
    if metadata.is_dir() {
        for path in fs::list_dir(path)? {
            add(&path, seen, sum)?;
        }
    }
    Ok(())
}
