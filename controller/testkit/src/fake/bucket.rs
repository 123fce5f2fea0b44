//! Buckets in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, bucket};
use agent_harness_model::world::ApplyError;

use super::FakeWorld;

impl FakeWorld {
    pub(super) fn bucket(
        &mut self,
        id: &ResourceId,
        action: &bucket::Action,
    ) -> Result<(), ApplyError> {
        match action {
            bucket::Action::Create(want) | bucket::Action::Configure(want) => {
                self.running(&want.place.infra, "objectStore")?;
                let place = Place::Bucket(want.place.clone());
                self.is_ours(id, &place)?;
                let have = bucket::Observed::Live { settings: want.fingerprint.clone() };
                self.put(id, &place, Have::Bucket(have));
                Ok(())
            }
            bucket::Action::Trash(place) => self.trash(
                id,
                &Place::Bucket(place.clone()),
                Have::Bucket(bucket::Observed::Trashed),
            ),
            bucket::Action::Restore(want) => {
                let have = bucket::Observed::Live { settings: String::new() };
                self.restore(id, &Place::Bucket(want.place.clone()), Have::Bucket(have))
            }
            bucket::Action::Purge(place) => self.purge(id, &Place::Bucket(place.clone())),
        }
    }
}

/// The bucket that an action is about.
pub(super) fn place(action: &bucket::Action) -> Place {
    Place::Bucket(match action {
        bucket::Action::Create(want)
        | bucket::Action::Configure(want)
        | bucket::Action::Restore(want) => want.place.clone(),
        bucket::Action::Trash(place) | bucket::Action::Purge(place) => place.clone(),
    })
}
