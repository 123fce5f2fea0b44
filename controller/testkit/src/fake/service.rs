//! Servers in memory.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{Have, Place, Readiness, container, service};
use agent_harness_model::resolve::project;
use agent_harness_model::world::{ApplyError, Class};

use super::names::name;
use super::{FakeWorld, error};

#[allow(clippy::unnecessary_wraps, reason = "all kinds answer alike")]
impl FakeWorld {
    pub(super) fn service(
        &mut self,
        id: &ResourceId,
        action: &service::Action,
    ) -> Result<(), ApplyError> {
        match action {
            service::Action::Start(want) | service::Action::Restart(want) => {
                let have = service::Observed::Running {
                    fingerprint: want.fingerprint.clone(),
                    ready: Readiness::NotReady("starts".into()),
                    pid: None,
                };
                self.put(id, &Place::Service(want.place.clone()), Have::Service(have));
            }
            service::Action::Stop(place) => {
                let have = Have::Service(service::Observed::Stopped);
                self.put(id, &Place::Service(place.clone()), have);
            }
            service::Action::Purge(place) => {
                self.things.remove(&name(&Place::Service(place.clone()), id));
            }
        }
        Ok(())
    }

    /// Whether a server that is reached by its address answers: here those are in containers of ours.
    pub(super) fn runs_in_container(&self, infra: &str, service: &str) -> bool {
        let name = format!("container:{}-{service}-1", project(infra));
        self.things.get(&name).is_some_and(|thing| {
            matches!(
                thing.have,
                Have::Container(container::Observed::There {
                    state: container::State::Running(Readiness::Ready),
                    ..
                })
            )
        })
    }

    /// Fails as long as a server does not run: what lies in it cannot be made then.
    pub(super) fn running(&self, infra: &str, service: &str) -> Result<(), ApplyError> {
        let up = self.things.get(&format!("service:{infra}/{service}")).is_some_and(|thing| {
            matches!(
                thing.have,
                Have::Service(service::Observed::Running { ready: Readiness::Ready, .. })
            )
        });
        if up || self.runs_in_container(infra, service) {
            Ok(())
        } else {
            Err(error(Class::Transient, format!("{service} of {infra} does not run")))
        }
    }
}
