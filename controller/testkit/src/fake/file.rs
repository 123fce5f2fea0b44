//! Files in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, file};
use agent_harness_model::world::ApplyError;

use super::FakeWorld;
use super::names::name;

impl FakeWorld {
    pub(super) fn file(
        &mut self,
        id: &ResourceId,
        action: &file::Action,
    ) -> Result<(), ApplyError> {
        match action {
            file::Action::Write(want) | file::Action::KeepAsideAndWrite(want) => {
                self.inside(&want.place.root.display().to_string())?;
                let have = file::Observed::Present {
                    fingerprint: want.fingerprint.clone(),
                    mode: want.mode,
                    ours: true,
                };
                self.put(id, &Place::File(want.place.clone()), Have::File(have));
            }
            file::Action::Remove(place) => {
                self.things.remove(&name(&Place::File(place.clone()), id));
            }
        }
        Ok(())
    }

    /// Files go wherever their worktree goes.
    pub(super) fn take_files(&mut self, root: &str) {
        let inside = format!("file:{root}/");
        self.things.retain(|name, _| !name.starts_with(&inside));
    }
}
