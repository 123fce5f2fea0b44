//! Makes a worktree, or brings back one whose folder was deleted.
//!
//! It is checked out at a place where nobody works and moved to its own place when it is complete, so
//! that a half tree is never taken for one with deletions.

use agent_harness_model::kinds::worktree::{Checkout, Desired};

use super::cli::Git;
use super::error::GitError;
use super::observe::{head, obstacle};
use super::old::{OldBranch, old};
use super::repo::link;
use super::shelve;
use super::spot::{Found, Spot, State, anchor, clear_way, point, relocate};
use super::{Work, asked, stale};
use crate::fs;

/// Adds the worktree, or completes an add that was cut. There already: Ok. The branch, where it was there before a new one.
pub fn add(work: &Work<'_>, want: &Desired) -> Result<Option<OldBranch>, GitError> {
    let entries = work.repo.entries()?;
    let Some(mut found) = work.find(&entries)? else {
        obstacle(&work.repo, &entries, &work.spots, want, &work.mark)?;
        let old = old(&work.repo, want)?;
        fresh(work, want)?;
        finish(work, want)?;
        return Ok(old);
    };
    // Never without an entry of ours, with which it goes again.
    work.exclude(want)?;
    match found.state() {
        State::Live => {}
        State::Moving | State::Trashed => shelve::restore(work, found)?,
        State::Missing if found.pointed == Spot::Live && found.actual == Some(Spot::New) => {
            finish(work, want)?;
        }
        State::Missing if !found.is_nobodys() => revive(work, &mut found)?,
        State::Missing => {
            super::purge::discard(work, &mut found)?;
            obstacle(&work.repo, &work.repo.entries()?, &work.spots, want, &work.mark)?;
            fresh(work, want)?;
            finish(work, want)?;
        }
    }
    Ok(None)
}

fn fresh(work: &Work<'_>, want: &Desired) -> Result<(), GitError> {
    let target = &work.spots.new;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent, 0o777)?;
    }
    let reason = work.mark.to_string();
    let mut arguments: Vec<std::ffi::OsString> =
        ["worktree", "add", "--quiet", "--lock", "--reason", &reason].map(Into::into).into();
    let revision = match &want.checkout {
        Checkout::Detached { commit } => {
            arguments.push("--detach".into());
            work.repo.commit(commit)?
        }
        Checkout::Branch { branch, base } => match work.repo.branch(branch)? {
            Some(_) => branch.clone(),
            None => {
                // Not tracking its base: a plain `git push` must not aim at that.
                arguments.extend(["--no-track".into(), "-b".into(), branch.into()]);
                work.repo.commit(base)?
            }
        },
    };
    arguments.extend(["--".into(), target.into(), revision.into()]);
    work.cuts.before("the worktree is added")?;
    let git = Git::of_repo(&work.repo.common)
        .locked(&work.lock.file)
        .writing_to(target.parent().unwrap_or(target));
    git.run(&arguments)?;
    work.cuts.before("generated files are put out of sight")?;
    work.exclude(want)
}

fn finish(work: &Work<'_>, want: &Desired) -> Result<(), GitError> {
    let mut found = work.found()?;
    // Before anybody can work there.
    asked::note(work, &found.entry.admin, want)?;
    relocate(&mut found, &work.spots, Spot::Live, work.cuts)?;
    work.spots.tidy();
    Ok(())
}

/// The folder was deleted, but git still knows what was checked out and staged: HEAD, the index, an
/// unfinished rebase. All of that stays, only the files are written again.
fn revive(work: &Work<'_>, found: &mut Found) -> Result<(), GitError> {
    let folder = &work.spots.new;
    let admin = found.entry.admin.clone();
    clear_way(found, &work.spots, Spot::Live)?;
    // Its folder is gone, so nobody works there; a lock would keep it away for ever.
    stale::clear(&admin, &[&work.spots.live, &work.spots.trash, folder])?;
    // Before anything makes it look as if it had never been completed.
    if !found.has_index() && !head(&work.repo, &admin)?.commit.is_empty() {
        work.cuts.before("the index is made")?;
        Git::of_repo(&admin).locked(&work.lock.file).run(&["read-tree", "HEAD"])?;
    }
    if found.pointed != Spot::New {
        work.cuts.before("the pointer is rewritten")?;
        point(found, &work.spots, Spot::New)?;
    }
    if link(folder)?.is_none() {
        work.cuts.before("the folder is made")?;
        fs::create_dir_all(folder, 0o777)?;
        anchor(folder, &admin)?;
    }
    work.cuts.before("the files are written")?;
    let git = Git::of_tree(&admin, folder).locked(&work.lock.file);
    git.run(&["checkout-index", "--all", "--force", "--quiet", "--index"])?;
    found.actual = Some(Spot::New);
    shelve::reattach(work, found)?;
    relocate(found, &work.spots, Spot::Live, work.cuts)?;
    work.spots.tidy();
    Ok(())
}
