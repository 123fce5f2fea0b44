//! Containers in memory. Their volumes are there without them, as in an engine.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, Readiness, container};
use agent_harness_model::world::ApplyError;

use super::FakeWorld;
use super::names::name;

#[allow(clippy::unnecessary_wraps, reason = "all kinds answer alike")]
impl FakeWorld {
    pub(super) fn container(
        &mut self,
        id: &ResourceId,
        action: &container::Action,
    ) -> Result<(), ApplyError> {
        match action {
            container::Action::Create(want)
            | container::Action::Recreate(want)
            | container::Action::Start(want) => {
                let have = container::Observed::There {
                    settings: want.config.settings(),
                    state: container::State::Running(Readiness::NotReady("starts".into())),
                };
                self.put(id, &Place::Container(want.place.clone()), Have::Container(have));
            }
            // It runs again as it did.
            container::Action::Restart(_) => {}
            container::Action::Remove(place) if place.volumes.is_empty() => {
                self.things.remove(&name(&Place::Container(place.clone()), id));
            }
            container::Action::Remove(place) => {
                let have = Have::Container(container::Observed::Kept(place.volumes.clone()));
                self.put(id, &Place::Container(place.clone()), have);
            }
            container::Action::Purge(place) => {
                self.things.remove(&name(&Place::Container(place.clone()), id));
            }
        }
        Ok(())
    }
}
