//! Checks out what is wanted in a tree that is there.

use agent_harness_model::kinds::worktree::{Checkout, Desired};

use super::cli::{Git, Patience};
use super::error::GitError;
use super::observe::head;
use super::spot::State;
use super::{Work, asked, busy, stale};

/// Switches a tree that holds no work; a detached tree, in which nobody works, by force.
pub fn switch(work: &Work<'_>, want: &Desired) -> Result<(), GitError> {
    work.exclude(want)?;
    let found = work.found()?;
    if found.state() != State::Live {
        return Err(GitError::NotOurs { path: work.spots.live.clone() });
    }
    let (admin, folder) = (&found.entry.admin, &work.spots.live);
    let now = head(&work.repo, admin)?;
    let mut arguments = vec!["checkout", "--quiet", "--no-recurse-submodules"];
    let revision;
    match &want.checkout {
        Checkout::Detached { commit } => {
            if now.branch.is_none() && now.commit == *commit {
                return Ok(());
            }
            revision = work.repo.commit(commit)?;
            arguments.extend(["--force", "--detach", &revision]);
            // Nobody works there, so what a killed checkout left must not hold the next one up.
            stale::clear(admin, &[folder])?;
        }
        Checkout::Branch { branch, base } => {
            if now.branch.as_ref() == Some(branch) {
                return asked::note(work, admin, want);
            }
            if let Some(at) = work.repo.holder(branch, Some(admin))? {
                return Err(GitError::BranchElsewhere { branch: branch.clone(), at });
            }
            let detached = now.branch.is_none().then_some(now.commit.as_str());
            // Looked at again under the lock: somebody may have begun to work there.
            let busy = busy::busy(&work.repo, admin, folder, detached, Patience::WORK);
            if let Some(why) = busy {
                return Err(GitError::Busy { path: folder.clone(), why });
            }
            // Without this, git writes over ignored files.
            arguments.push("--no-overwrite-ignore");
            if work.repo.branch(branch)?.is_none() {
                revision = work.repo.commit(base)?;
                arguments.extend(["--no-track", "-b", branch, &revision]);
            } else {
                arguments.push(branch);
            }
        }
    }
    arguments.push("--");
    work.cuts.before("the tree is switched")?;
    Git::of_tree(admin, folder).locked(&work.lock.file).run(&arguments)?;
    asked::note(work, admin, want)
}
