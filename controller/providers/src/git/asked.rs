//! The branch that was last asked of a worktree, on record in git's own folder for it: so it is told apart whether
//! the wish has changed since or an agent has switched its tree.

use std::path::Path;

use agent_harness_model::kinds::worktree::{Checkout, Desired};

use super::Work;
use super::error::GitError;
use super::observe::head;
use super::repo::read_trimmed;
use crate::fs;

const FILE: &str = "agent-harness-branch";

/// The branch on record; `None`: there is none.
pub fn read(admin: &Path) -> Result<Option<String>, GitError> {
    Ok(read_trimmed(&admin.join(FILE))?.map(|branch| branch.to_string_lossy().into_owned()))
}

/// Takes it off the record.
pub fn forget(admin: &Path) -> Result<(), GitError> {
    fs::remove_file_if_exists(admin.join(FILE))?;
    Ok(())
}

/// Puts the wanted branch on record, once the tree is on it.
pub fn note(work: &Work<'_>, admin: &Path, want: &Desired) -> Result<(), GitError> {
    let Checkout::Branch { branch, .. } = &want.checkout else { return Ok(()) };
    if read(admin)?.as_ref() == Some(branch)
        || head(&work.repo, admin)?.branch.as_ref() != Some(branch)
    {
        return Ok(());
    }
    work.cuts.before("its branch is noted")?;
    Ok(fs::write_atomic(admin.join(FILE), branch, 0o644)?)
}
