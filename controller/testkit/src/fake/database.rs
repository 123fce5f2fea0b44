//! Databases in memory: a clone needs a template that is complete.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, database, template};
use agent_harness_model::world::{ApplyError, Class};

use super::names::{name, trash_name};
use super::{FakeWorld, Thing, error};

impl FakeWorld {
    pub(super) fn database(
        &mut self,
        id: &ResourceId,
        action: &database::Action,
    ) -> Result<(), ApplyError> {
        match action {
            database::Action::Create(want) | database::Action::RepairRole(want) => {
                self.running(&want.place.infra, "postgres")?;
                let copy = want.life.as_ref().and_then(|life| life.copy.as_ref());
                if let Some(copy) = copy {
                    let copy = Place::Database(copy.place.clone());
                    if !self.things.contains_key(&trash_name(&copy, id)) {
                        return Err(error(Class::Terminal, format!("no {copy:?}")));
                    }
                } else if let Some(from) = &want.template {
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
                let (generation, life) = (want.generation().cloned(), want.life_id().cloned());
                let have = database::Observed::Live { generation, life, role_ok: true };
                self.put(id, &place, Have::Database(have));
                Ok(())
            }
            database::Action::SetAside(want) => {
                let Some(life) = &want.life else { return Ok(()) };
                let (from, to) = (
                    name(&Place::Database(want.place.clone()), id),
                    trash_name(&Place::Database(life.aside.clone()), id),
                );
                if let Some(thing) = self.things.remove(&from) {
                    let have = Have::Database(database::Observed::Trashed);
                    self.things.insert(to, Thing { have, ..thing });
                }
                Ok(())
            }
            database::Action::Trash(place) => {
                let have = Have::Database(database::Observed::Trashed);
                self.trash(id, &Place::Database(place.clone()), have)
            }
            database::Action::Restore(want) => {
                let life = want.life_id().cloned();
                let have = database::Observed::Live { generation: None, life, role_ok: false };
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
        | database::Action::SetAside(want)
        | database::Action::Restore(want) => want.place.clone(),
        database::Action::Trash(place) | database::Action::Purge(place) => place.clone(),
    })
}
