//! Worktrees that were put away under another name than they would be now: by an older version, whose names did
//! not tell the repository, or while the repository was at another path.
//!
//! Under such a name only what the repository itself knows to be its own is taken for ours. It gets its present
//! name before anything else is done with it, so that nothing else has to know of other names.

use std::path::{Path, PathBuf};

use super::error::GitError;
use super::repo::{canonical, link};
use super::spot::{Found, Spot, Spots, occupant, point};
use super::{Cuts, purge};
use crate::fs;

/// Gives a found worktree the names that it would be given now. The folder is first: it is looked for where
/// the pointer leads and where it is to be, so a rename that was cut is finished by doing it again.
pub fn bring_back(found: &mut Found, spots: &Spots, cuts: &Cuts) -> Result<(), GitError> {
    if let (Some(stray), Some(actual)) = (&found.stray, found.actual) {
        let target = spots.path(actual);
        if let Some(what) = occupant(target)? {
            let (path, what) = (target.to_path_buf(), format!("{what}: move it away"));
            return Err(GitError::Occupied { path, what });
        }
        cuts.before("the folder gets its present name")?;
        fs::rename(stray, target)?;
        found.stray = None;
    }
    let Some(pointer) = found.entry.folder.clone() else { return Ok(()) };
    if pointer == spots.path(found.pointed) {
        return Ok(());
    }
    if found.pointed == Spot::Doomed {
        // What a cut purge left may have lost the link by which it would be found.
        cuts.before("the folder is deleted")?;
        purge::delete(&pointer)?;
    }
    cuts.before("the pointer gets the present name")?;
    point(found, spots, found.pointed)
}

/// A folder with something in it at one of the places of older versions, unless it is a worktree of another
/// repository, which had the same places. `common` is the git folder of the repository that is asked about,
/// when it is there.
pub fn left_over(spots: &Spots, common: Option<&Path>) -> Result<Option<PathBuf>, GitError> {
    for (_, path) in spots.older() {
        if occupant(&path)?.is_some() && !is_another_s(&path, common)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_another_s(folder: &Path, common: Option<&Path>) -> Result<bool, GitError> {
    let Some(admin) = link(folder)? else { return Ok(false) };
    if fs::metadata(&admin)?.is_none() {
        return Ok(false);
    }
    let admin = canonical(&admin)?;
    Ok(common.is_none_or(|common| !admin.starts_with(common)))
}
