//! What is seen of the world.

use agent_harness_model::kinds::{
    Have, Place, Readiness, Resource, bucket, database, file, service, setup, worktree,
};
use agent_harness_model::world::{Ask, Observed, Seen};

use super::names::{backend, name, trash_name};
use super::{FakeWorld, Thing};

impl FakeWorld {
    /// Looks, as providers do.
    pub fn observe(&self, asks: &[Ask<'_>]) -> Observed {
        asks.iter().map(|ask| (ask.id.clone(), self.answer(ask))).collect()
    }

    fn answer(&self, ask: &Ask<'_>) -> Seen<Option<Have>> {
        if self.down.contains(backend(ask.place)) {
            return Seen::Unknown(format!("{} is down", backend(ask.place)));
        }
        if let Some(have) = self.external(ask) {
            return Seen::Known(Some(have));
        }
        let live = self.things.get(&name(ask.place, ask.id));
        let trashed = self.things.get(&trash_name(ask.place, ask.id));
        Seen::Known(match (live, trashed) {
            (Some(thing), _) if thing.is_of(ask.id, ask.place) => Some(seen(thing, ask)),
            (_, Some(trashed)) => Some(trashed.have.clone()),
            (Some(thing), None) => foreign(&thing.have),
            (None, None) => match ask.place {
                // A setup step can always be looked at: it is its inputs.
                Place::Setup(_) => Some(Have::Setup(setup::Observed {
                    last: None,
                    inputs: "inputs".into(),
                    output_missing: false,
                })),
                _ => None,
            },
        })
    }
}

impl FakeWorld {
    /// A server that is reached by its address; `None`: it is not one.
    fn external(&self, ask: &Ask<'_>) -> Option<Have> {
        let (Place::Service(place), Some(Resource::Service(want))) = (ask.place, ask.want) else {
            return None;
        };
        if place.root.is_some() {
            return None;
        }
        let ready = if self.runs_in_container(&place.infra, &place.name) {
            Readiness::Ready
        } else {
            Readiness::NotReady("it does not answer".into())
        };
        let fingerprint = want.fingerprint.clone();
        Some(Have::Service(service::Observed::Running { fingerprint, ready, pid: None }))
    }
}

fn seen(thing: &Thing, ask: &Ask<'_>) -> Have {
    let mut have = thing.have.clone();
    // A file is ours when we know its content, whatever the file itself says.
    if let Have::File(file::Observed::Present { fingerprint, ours, .. }) = &mut have {
        *ours = ask.record.knows(fingerprint);
    }
    have
}

fn foreign(have: &Have) -> Option<Have> {
    Some(match have {
        Have::Database(_) | Have::Template(_) => {
            Have::Database(database::Observed::Foreign("somebody".into()))
        }
        Have::Bucket(_) => Have::Bucket(bucket::Observed::Foreign("somebody".into())),
        Have::Worktree(_) => Have::Worktree(worktree::Observed::Foreign("somebody's".into())),
        other => return Some(other.clone()),
    })
}
