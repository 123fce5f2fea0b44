//! Runs of setup steps in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, setup};
use agent_harness_model::world::ApplyError;

use super::FakeWorld;
use super::names::name;

impl FakeWorld {
    pub(super) fn setup(
        &mut self,
        id: &ResourceId,
        action: &setup::Action,
    ) -> Result<(), ApplyError> {
        match action {
            setup::Action::Run(want) => {
                self.inside(&want.place.root.display().to_string())?;
                let run = setup::Run {
                    fingerprint: want.fingerprint.clone(),
                    inputs: "inputs".into(),
                    inherits: want.inherits,
                    success: true,
                    how: "exit code 0".into(),
                };
                let have = setup::Observed {
                    last: Some(run),
                    inputs: "inputs".into(),
                    output_missing: false,
                };
                self.put(id, &Place::Setup(want.place.clone()), Have::Setup(have));
            }
            setup::Action::Forget(place) => {
                self.things.remove(&name(&Place::Setup(place.clone()), id));
            }
        }
        Ok(())
    }
}
