//! Template databases in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, template};
use agent_harness_model::world::{ApplyError, Class};

use super::names::name;
use super::{FakeWorld, error};

impl FakeWorld {
    pub(super) fn template(
        &mut self,
        id: &ResourceId,
        action: &template::Action,
    ) -> Result<(), ApplyError> {
        let place = |place: &template::Place| Place::Template(place.clone());
        match action {
            template::Action::Begin(want) => {
                self.running(&want.place.infra, "postgres")?;
                self.is_ours(id, &place(&want.place))?;
                self.put(id, &place(&want.place), Have::Template(template::Observed::Partial));
            }
            template::Action::Build(want, _) => {
                if !self.is_ours(id, &place(&want.place))? {
                    return Err(error(Class::Terminal, "nothing was begun".into()));
                }
            }
            template::Action::Seal(want) => {
                let have = Have::Template(template::Observed::Complete);
                self.put(id, &place(&want.place), have);
            }
            template::Action::Drop(at) => {
                if self.is_ours(id, &place(at))? {
                    self.things.remove(&name(&place(at), id));
                }
            }
        }
        Ok(())
    }
}
