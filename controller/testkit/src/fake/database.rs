//! Databases in memory: a clone needs a template that is complete.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, database, template};
use agent_harness_model::world::{ApplyError, Class};

use super::{FakeWorld, error};

impl FakeWorld {
    pub(super) fn database(
        &mut self,
        id: &ResourceId,
        action: &database::Action,
    ) -> Result<(), ApplyError> {
        match action {
            database::Action::Create(want) | database::Action::RepairRole(want) => {
                self.running(&want.place.infra, "postgres")?;
                if let Some(from) = &want.template {
                    let complete = self
                        .things
                        .get(&format!("database:{}/{}", want.place.infra, from.database))
                        .is_some_and(|t| {
                            matches!(t.have, Have::Template(template::Observed::Complete))
                        });
                    if !complete {
                        return Err(error(
                            Class::Terminal,
                            format!("{} is not complete", from.database),
                        ));
                    }
                }
                let place = Place::Database(want.place.clone());
                self.is_ours(id, &place)?;
                let generation = want.template.as_ref().map(|from| from.generation.clone());
                let have = database::Observed::Live { generation, role_ok: true };
                self.put(id, &place, Have::Database(have));
                Ok(())
            }
            database::Action::Trash(place) => {
                let have = Have::Database(database::Observed::Trashed);
                self.trash(id, &Place::Database(place.clone()), have)
            }
            database::Action::Restore(want) => {
                let have = database::Observed::Live { generation: None, role_ok: false };
                self.restore(id, &Place::Database(want.place.clone()), Have::Database(have))
            }
            database::Action::Purge(place) => self.purge(id, &Place::Database(place.clone())),
        }
    }
}

/// The database that an action is about.
pub(super) fn place(action: &database::Action) -> Place {
    Place::Database(match action {
        database::Action::Create(want)
        | database::Action::RepairRole(want)
        | database::Action::Restore(want) => want.place.clone(),
        database::Action::Trash(place) | database::Action::Purge(place) => place.clone(),
    })
}
