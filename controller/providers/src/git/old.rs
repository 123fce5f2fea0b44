//! A branch that was there before the worktree: of an agent of the same name that left, as a rule. The new one goes on from
//! there, and says so.

use std::fmt;

use agent_harness_model::kinds::worktree::{Checkout, Desired};
use jiff::Timestamp;

use super::error::GitError;
use super::repo::Repo;

/// How such a branch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldBranch {
    /// Its name.
    pub branch: String,
    /// What it would have begun from.
    pub base: String,
    /// Commits that it has and its base has not.
    pub ahead: usize,
    /// Commits that its base has and it has not.
    pub behind: usize,
    /// When its last commit was made.
    pub last: Timestamp,
}

impl fmt::Display for OldBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { branch, base, ahead, behind, last } = self;
        let last = last.strftime("%Y-%m-%d");
        write!(
            f,
            "goes on with the branch {branch}, which was there before: {ahead} ahead of {base} and {behind} behind it, the \
             last commit of {last}; to begin anew, delete it, rename the branch (`git branch -m {branch} NAME`) and apply it \
             again"
        )
    }
}

/// The branch of a worktree that is to be made, where it is there already and differs from what it would begin from.
pub fn old(repo: &Repo, want: &Desired) -> Result<Option<OldBranch>, GitError> {
    let Checkout::Branch { branch, base } = &want.checkout else { return Ok(None) };
    let Some(tip) = repo.branch(branch)? else { return Ok(None) };
    // A base that is not there is none of its business: it is not needed any more.
    let Ok(from) = repo.commit(base) else { return Ok(None) };
    if tip == from {
        return Ok(None);
    }
    let (ahead, behind, last) = repo.distance(&tip, &from)?;
    let last = Timestamp::from_second(last).unwrap_or_default();
    Ok(Some(OldBranch { branch: branch.clone(), base: base.clone(), ahead, behind, last }))
}
