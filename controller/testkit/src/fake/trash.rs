//! The ways to the trash, back, and out of it for good. What lies there has a name that clashes with nobody's.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place};
use agent_harness_model::world::{ApplyError, Class};

use super::names::{name, repo, trash_name};
use super::{FakeWorld, Thing, error};

#[allow(clippy::unnecessary_wraps, reason = "all kinds answer alike")]
impl FakeWorld {
    pub(super) fn trash(
        &mut self,
        id: &ResourceId,
        place: &Place,
        have: Have,
    ) -> Result<(), ApplyError> {
        if self.is_ours(id, place)? {
            self.things.remove(&name(place, id));
            let thing = Thing { mark: Some(id.uid.clone()), have, repo: repo(place) };
            self.things.insert(trash_name(place, id), thing);
        }
        Ok(())
    }

    /// It comes back as `have`: what else was wanted of it is still to be done.
    pub(super) fn restore(
        &mut self,
        id: &ResourceId,
        place: &Place,
        have: Have,
    ) -> Result<(), ApplyError> {
        if self.things.contains_key(&trash_name(place, id)) {
            let name = name(place, id);
            if self.things.contains_key(&name) {
                return Err(error(Class::Conflict, format!("{name} is there already")));
            }
            self.things.remove(&trash_name(place, id));
            self.put(id, place, have);
        }
        Ok(())
    }

    pub(super) fn purge(&mut self, id: &ResourceId, place: &Place) -> Result<(), ApplyError> {
        // What stands there by now may be somebody else's; what is in the trash is ours.
        if matches!(self.is_ours(id, place), Ok(true)) {
            self.things.remove(&name(place, id));
        }
        self.things.remove(&trash_name(place, id));
        Ok(())
    }
}
