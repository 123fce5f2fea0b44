//! Processes in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, Readiness, process};
use agent_harness_model::world::ApplyError;

use super::FakeWorld;
use super::names::name;

#[allow(clippy::unnecessary_wraps, reason = "all kinds answer alike")]
impl FakeWorld {
    pub(super) fn process(
        &mut self,
        id: &ResourceId,
        action: &process::Action,
    ) -> Result<(), ApplyError> {
        match action {
            process::Action::Start(want) | process::Action::Respawn(want) => {
                let place = Place::Process(want.place.clone());
                let before = self.things.get(&name(&place, id)).map(|thing| &thing.have);
                let runs = matches!(before, Some(Have::Process(process::Observed::Running { .. })));
                self.doubled += usize::from(runs && matches!(action, process::Action::Start(_)));
                let ready = if want.ready.is_some() {
                    Readiness::NotReady("starts".into())
                } else {
                    Readiness::Ready
                };
                let have = process::Observed::Running {
                    fingerprint: want.fingerprint.clone(),
                    pid: 1,
                    ready,
                    restarts: 0,
                    age_ms: 0,
                    folder_gone: false,
                    hopeless: None,
                    changed: None,
                };
                self.put(id, &Place::Process(want.place.clone()), Have::Process(have));
            }
            // Nobody's holder is killed in memory, and nobody fails to do its work.
            process::Action::End(_) | process::Action::Fail(..) => {}
            process::Action::Stop(place) => {
                self.things.remove(&name(&Place::Process(place.clone()), id));
            }
        }
        Ok(())
    }
}
