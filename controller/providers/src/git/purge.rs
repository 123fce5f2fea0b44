//! Deletes a worktree for good: its folder and its git entry. The branch stays.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::GitError;
use super::exclude::{self, Section};
use super::spot::{Found, Spot, point, relocate};
use super::{Work, occupants};
use crate::fs;

/// In the repository's common folder: entries on their way out. Moved there in one step, because an
/// entry that lost its lock before the rest would look like nobody's.
const GONE: &str = "agent-harness-gone";

/// Deletes it. Gone already: Ok.
pub fn purge(work: &Work<'_>) -> Result<(), GitError> {
    let entries = work.repo.entries()?;
    if let Some(mut found) = work.find(&entries)? {
        let ours =
            |mark: &agent_harness_model::id::Mark| mark.installation == work.mark.installation;
        let is_last = !entries
            .iter()
            .any(|entry| entry.admin != found.entry.admin && entry.mark.as_ref().is_some_and(ours));
        discard(work, &mut found)?;
        let section = Section::of(&work.mark, &work.spots.live);
        exclude::clear(&work.repo.common, &section, is_last)?;
    }
    // What an earlier, cut purge left.
    fs::remove_dir_all(work.repo.common.join(GONE))?;
    work.spots.tidy();
    Ok(())
}

/// Deletes the folder, wherever it is, and the entry.
pub fn discard(work: &Work<'_>, found: &mut Found) -> Result<(), GitError> {
    if let Some(actual) = found.actual {
        nobody_in(work.spots.path(actual))?;
        relocate(found, &work.spots, Spot::Doomed, work.cuts)?;
    } else if found.pointed != Spot::Doomed {
        point(found, &work.spots, Spot::Doomed)?;
    }
    work.cuts.before("the folder is deleted")?;
    delete(&work.spots.doomed)?;
    work.cuts.before("the entry is moved out")?;
    let admin = &found.entry.admin;
    let gone = work.repo.common.join(GONE);
    fs::create_dir_all(&gone, 0o700)?;
    let name = admin.file_name().unwrap_or_default();
    let target = gone.join(name);
    fs::remove_dir_all(&target)?;
    fs::rename(admin, &target)?;
    work.cuts.before("the entry is deleted")?;
    fs::remove_dir_all(&gone)?;
    Ok(())
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
