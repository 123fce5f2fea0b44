//! What happens in the world without us: time passes, people and strangers interfere.

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::{
    End, Exit, Have, Place, Readiness, bucket, container, database, file, process, service,
    template, worktree,
};

use super::names::name;
use super::{FakeWorld, Thing};

impl FakeWorld {
    /// Time passes: what was started becomes ready, what ended may start again.
    pub fn tick(&mut self) {
        for thing in self.things.values_mut() {
            match &mut thing.have {
                Have::Service(service::Observed::Running { ready, .. })
                | Have::Process(process::Observed::Running { ready, .. }) => {
                    *ready = Readiness::Ready;
                }
                Have::Service(service::Observed::Exited { exit, .. })
                | Have::Process(process::Observed::Exited { exit, .. })
                | Have::Container(container::Observed::There {
                    state: container::State::Exited(exit),
                    ..
                }) => exit.restart_due = true,
                Have::Container(container::Observed::There {
                    state: container::State::Running(ready),
                    ..
                }) => *ready = Readiness::Ready,
                _ => {}
            }
        }
    }

    /// Somebody takes the thing with this index away, or ends it.
    pub fn tamper(&mut self, index: usize) {
        let names: Vec<String> = self.things.keys().cloned().collect();
        let Some(name) = names.get(index % names.len().max(1)) else { return };
        match self.things.get_mut(name).map(|thing| &mut thing.have) {
            Some(Have::Process(process)) => {
                if let process::Observed::Running { fingerprint, .. } = process {
                    let fingerprint = fingerprint.clone();
                    *process = process::Observed::Exited { fingerprint, exit: killed() };
                }
            }
            Some(Have::Service(service)) => {
                if let service::Observed::Running { fingerprint, .. } = service {
                    let fingerprint = fingerprint.clone();
                    *service = service::Observed::Exited { fingerprint, exit: killed() };
                }
            }
            Some(Have::Container(container::Observed::There { state, .. })) => {
                *state = container::State::Exited(killed());
            }
            Some(Have::File(file::Observed::Present { fingerprint, ours, .. })) => {
                *fingerprint = "edited".into();
                *ours = false;
            }
            _ => {
                self.things.remove(name);
                // Its files are in it.
                if let Some(folder) = name.strip_prefix("worktree:") {
                    let inside = format!("file:{folder}/");
                    self.things.retain(|name, _| !name.starts_with(&inside));
                }
            }
        }
    }

    /// Puts a look-alike without our mark under the name that a resource would have.
    pub fn plant(&mut self, id: &ResourceId, place: &Place) -> bool {
        let have = match place {
            Place::Database(_) => Have::Database(database::Observed::Live {
                generation: None,
                life: None,
                role_ok: true,
            }),
            Place::Bucket(_) => Have::Bucket(bucket::Observed::Live { settings: String::new() }),
            Place::Template(_) => Have::Template(template::Observed::Complete),
            Place::Worktree(_) => Have::Worktree(worktree::Observed::Foreign("a folder".into())),
            Place::Container(_) => {
                Have::Container(container::Observed::Foreign("somebody's".into()))
            }
            Place::Service(_) | Place::File(_) | Place::Setup(_) | Place::Process(_) => {
                return false;
            }
        };
        self.things.insert(name(place, id), Thing { mark: None, have, repo: None });
        true
    }
}

fn killed() -> Exit {
    Exit {
        how: "signal SIGKILL".into(),
        end: End::Failure,
        restarts: 0,
        restart_due: true,
        backoff_ms: 0,
        last_lines: Vec::new(),
    }
}
