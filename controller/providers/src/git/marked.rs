//! All worktrees of a repository that carry a mark of one installation: for an audit, and for a person who wants one of
//! them gone.

use std::path::{Path, PathBuf};

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::worktree::Place;

use super::error::GitError;
use super::lock::{RepoLocks, lock};
use super::repo::{Entry, Repo};
use super::spot::Spots;
use super::{Cuts, Work, purge};

/// What is there. A repository that is not there has none.
pub fn find(repo: &Path, installation: &str) -> Result<Vec<Found>, GitError> {
    let opened = match Repo::open(repo) {
        Err(GitError::NoRepo { .. } | GitError::NotARepo { .. }) => return Ok(Vec::new()),
        opened => opened?,
    };
    let ours = opened.entries()?.into_iter().filter_map(|Entry { admin, folder, mark }| {
        let mark = mark.filter(|mark| mark.installation == installation)?;
        let state = match &folder {
            Some(folder) if !folder.exists() => Some("its folder is gone"),
            Some(folder) => in_trash(folder, &mark.uid).map(|_| "in the trash"),
            None => Some("not completed"),
        };
        let path = folder.unwrap_or(admin);
        let thing = Thing::Worktree { repo: repo.to_path_buf(), path };
        Some(Found { thing, owner: Owner::Incarnation(mark.uid), state })
    });
    Ok(ours.collect())
}

/// Deletes a worktree that carries the mark; its branch stays. Gone already: Ok.
pub fn remove(repo: &Path, path: &Path, mark: &Mark) -> Result<(), GitError> {
    let live = in_trash(path, &mark.uid).unwrap_or_else(|| path.to_path_buf());
    let place = Place { repo: repo.to_path_buf(), path: live };
    let opened = Repo::open(repo)?;
    let locks = RepoLocks::default();
    let within = locks.of(&opened.common);
    let held = lock(&within, &opened.common, &opened.path)?;
    let spots = Spots::of(&place, &mark.uid)?;
    let cuts = Cuts::default();
    purge::purge(&Work { repo: opened, spots, mark: mark.clone(), lock: held, cuts: &cuts })
}

/// Where a worktree would be that lies in the trash: `DIR/.trash/NAME-UID-TAG` is of `DIR/NAME`.
fn in_trash(path: &Path, uid: &Uid) -> Option<PathBuf> {
    let bin = path.parent().filter(|bin| bin.ends_with(".trash"))?;
    let name = path.file_name()?.to_str()?;
    let (name, _) = name.rsplit_once(&format!("-{}", uid.short()))?;
    Some(bin.parent()?.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_trash_says_where_the_worktree_was() {
        let uid = Uid::new("0190-12345678");
        let of = |path: &str| in_trash(Path::new(path), &uid);
        let live = Some(PathBuf::from("/w/agent-3"));
        assert_eq!(of("/w/.trash/agent-3-12345678-0a1b2c3d"), live);
        assert_eq!(of("/w/.trash/agent-3-12345678"), live);
        assert_eq!(of("/w/agent-3"), None);
        assert_eq!(of("/w/.trash/agent-3-99999999-0a1b2c3d"), None);
    }
}
