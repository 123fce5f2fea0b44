//! Worktrees in memory: each takes the files in it along, wherever it goes.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, worktree};
use agent_harness_model::world::{ApplyError, Class};

use super::{FakeWorld, error};

impl FakeWorld {
    pub(super) fn worktree(
        &mut self,
        id: &ResourceId,
        action: &worktree::Action,
    ) -> Result<(), ApplyError> {
        match action {
            worktree::Action::Add(want)
            | worktree::Action::Switch(want)
            | worktree::Action::Note(want)
            | worktree::Action::Exclude(want) => {
                let place = Place::Worktree(want.place.clone());
                self.is_ours(id, &place)?;
                let (branch, head) = match &want.checkout {
                    worktree::Checkout::Branch { branch, .. } => {
                        (Some(branch.clone()), "head".into())
                    }
                    worktree::Checkout::Detached { commit } => (None, commit.clone()),
                };
                let have = worktree::Observed::Live {
                    asked: branch.clone(),
                    branch,
                    head,
                    busy: None,
                    excluded: true,
                };
                self.put(id, &place, Have::Worktree(have));
                Ok(())
            }
            worktree::Action::Trash(place) => {
                self.take_files(&place.path.display().to_string());
                let have = Have::Worktree(worktree::Observed::Trashed);
                self.trash(id, &Place::Worktree(place.clone()), have)
            }
            worktree::Action::Restore(want) => {
                let have = worktree::Observed::Live {
                    branch: None,
                    head: "head".into(),
                    asked: None,
                    busy: None,
                    excluded: false,
                };
                self.restore(id, &Place::Worktree(want.place.clone()), Have::Worktree(have))
            }
            worktree::Action::Purge(place) => {
                self.take_files(&place.path.display().to_string());
                self.purge(id, &Place::Worktree(place.clone()))
            }
        }
    }

    /// Fails when no worktree is there for what is to be made in it.
    pub(super) fn inside(&self, root: &str) -> Result<(), ApplyError> {
        if self.things.contains_key(&format!("worktree:{root}")) {
            Ok(())
        } else {
            Err(error(Class::Terminal, format!("{root} does not exist")))
        }
    }
}
