//! Deletes a worktree for good: its folder and its git entry. The branch stays.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::error::GitError;
use super::exclude::{self, Section};
use super::spot::{Found, Spot, Spots, point, relocate};
use super::{Work, occupants};
use crate::fs;

/// In the repository's common folder: entries on their way out. Moved there in one step, because an
/// entry that lost its lock before the rest would look like nobody's.
const GONE: &str = "agent-harness-gone";

/// Deletes it. Gone already: Ok.
pub fn purge(work: &Work<'_>) -> Result<(), GitError> {
    match work.find(&work.repo.entries()?)? {
        Some(mut found) => discard(work, &mut found),
        None => {
            work.spots.tidy();
            Ok(())
        }
    }
}

/// Deletes the folder, wherever it is, and the entry: last of all, because without it nobody would come back for
/// the rest.
pub fn discard(work: &Work<'_>, found: &mut Found) -> Result<(), GitError> {
    if let Some(actual) = found.actual {
        nobody_in(work.spots.path(actual))?;
        relocate(found, &work.spots, Spot::Doomed, work.cuts)?;
    } else if found.pointed != Spot::Doomed {
        point(found, &work.spots, Spot::Doomed)?;
    }
    work.cuts.before("the folder is deleted")?;
    delete(&work.spots.doomed)?;
    work.spots.tidy();
    work.cuts.before("the generated files are in sight again")?;
    clear_exclude(work, found)?;
    work.cuts.before("the entry is moved out")?;
    let target = way_out(&work.repo.common, &work.spots);
    fs::create_dir_all(work.repo.common.join(GONE), 0o700)?;
    fs::rename(&found.entry.admin, &target)?;
    work.cuts.before("the entry is deleted")?;
    sweep(work)
}

/// Where its entry is between the repository's others and nowhere.
pub fn way_out(common: &Path, spots: &Spots) -> PathBuf {
    // Its own entry's name may have been another's, with a number to it.
    common.join(GONE).join(spots.doomed.file_name().unwrap_or_default())
}

/// Deletes the entries that were moved out, whosever they were.
pub fn sweep(work: &Work<'_>) -> Result<(), GitError> {
    Ok(fs::remove_dir_all(work.repo.common.join(GONE))?)
}

fn clear_exclude(work: &Work<'_>, found: &Found) -> Result<(), GitError> {
    let others = work.repo.entries()?.into_iter().filter(|entry| entry.admin != found.entry.admin);
    let is_last = !others
        .filter_map(|entry| entry.mark)
        .any(|mark| mark.installation == work.mark.installation);
    let section = Section::of(&work.mark, &work.spots.live);
    exclude::clear(&work.repo.common, &section, is_last)
}

/// Fails when a process works in the folder, or a file system is mounted in it.
pub fn nobody_in(folder: &Path) -> Result<(), GitError> {
    occupants::none_within(folder)?;
    match occupants::mount_within(folder)? {
        Some(mount) => Err(GitError::Mounted { path: folder.to_path_buf(), mount }),
        None => Ok(()),
    }
}

/// Deletes a folder, also when folders in it were made read-only, as module caches do.
pub fn delete(folder: &Path) -> Result<(), GitError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            Ok(fs::remove_dir_all(folder)?)
        }
        done => Ok(done?),
    }
}

fn open_up(folder: &Path) -> Result<(), GitError> {
    let Some(metadata) = fs::metadata(folder)? else { return Ok(()) };
    if !metadata.is_dir() {
        return Ok(());
    }
    fs::set_mode(folder, metadata.permissions().mode() | 0o700)?;
    for inner in fs::list_dir(folder)? {
        open_up(&inner)?;
    }
    Ok(())
}
