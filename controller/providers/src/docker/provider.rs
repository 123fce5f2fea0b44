//! Containers as the `Container` kind sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::container::{Action, Observed, Place, State};
use agent_harness_model::kinds::{self, Have, Readiness, Resource};
use agent_harness_model::resolve::project;
use agent_harness_model::world::{self, ApplyError, Ask, Seen};
use bollard::models::ContainerSummary;
use futures_util::future::join_all;

use super::change::{Change, in_the_way, next};
use super::engine::Engine;
use super::error::DockerError;
use super::events::{Heard, listen};
use super::listing::{Listing, Named};
use super::network::Networks;
use super::pull::Report;
use super::state::{self, Known};
use super::{labels, volumes};
use crate::process::backoff;
use crate::provider::{Context, LOOK, Provider, unknown, within, wrong_kind};

/// How long a container that answered counts as one that does, unless the engine says that something happened to it.
const ANSWERED: Duration = Duration::from_secs(30);

/// Told when something may have happened: to this resource, or to any.
pub type Notify = Arc<dyn Fn(Option<ResourceId>) + Send + Sync>;

/// All containers of one engine.
pub struct DockerProvider {
    engine: Arc<Engine>,
    networks: Networks,
    report: Report,
    /// `None`: nobody is to be told, such as for a look at what may never be.
    notify: Option<Notify>,
    listening: Once,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// Whether the engine tells what happens: without it nothing is remembered.
    hears: bool,
    /// When a container was last seen to answer, by its id.
    answered: BTreeMap<String, Instant>,
    /// What was heard of and not looked at since, by id.
    heard: BTreeSet<String>,
    /// How often it was started in a row, and when last, by its name.
    starts: BTreeMap<String, (u32, Instant)>,
}

impl DockerProvider {
    /// Of one engine. `report` hears how far pulls are.
    pub fn new(engine: Arc<Engine>, report: Report, notify: Option<Notify>) -> Self {
        Self {
            engine,
            networks: Networks::default(),
            report,
            notify,
            listening: Once::new(),
            memory: Arc::default(),
        }
    }

    /// From the first container on that anybody asks about.
    fn listen(&self, installation: &str) {
        let Some(notify) = &self.notify else { return };
        self.listening.call_once(|| {
            let (engine, installation) = (Arc::clone(&self.engine), installation.to_owned());
            let (notify, memory) = (Arc::clone(notify), Arc::clone(&self.memory));
            tokio::spawn(listen(engine, installation, move |heard| {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                let of = match heard {
                    Heard::Container(of, container) => {
                        memory.answered.remove(&container);
                        memory.heard.insert(container);
                        Some(of)
                    }
                    // Nobody looks at it again.
                    Heard::Gone(of, container) => {
                        memory.answered.remove(&container);
                        memory.heard.remove(&container);
                        Some(of)
                    }
                    Heard::Connected => {
                        memory.hears = true;
                        None
                    }
                    Heard::Lost => {
                        memory.hears = false;
                        memory.answered.clear();
                        memory.heard.clear();
                        None
                    }
                };
                drop(memory);
                notify(of);
            }));
        });
    }

    async fn see(
        &self,
        cx: &Context<'_>,
        ask: &Ask<'_>,
        place: &Place,
        listing: &Listing,
    ) -> Result<Option<Observed>, DockerError> {
        let want = match ask.want {
            Some(Resource::Container(want)) => Some(want.as_ref()),
            _ => None,
        };
        let name = &place.container;
        let taken = || {
            let ports = want.into_iter().flat_map(|want| want.config.ports.values());
            let mut who = ports.map(|port| in_the_way(listing, name, port));
            who.find_map(Result::transpose).transpose()
        };
        match listing.named(name, &cx.mark(ask.id)) {
            // Its successor has taken over all that there was.
            Named::Other(_) if want.is_none() => Ok(None),
            Named::Foreign(_) if want.is_none() => self.kept(cx, ask, place, listing).await,
            Named::Other(who) | Named::Foreign(who) => Ok(Some(Observed::Foreign(who))),
            // Cut off in the middle of an exchange: what was to take its place is all that there is.
            Named::Nobody if want.is_none() && is_left(listing, name, &cx.mark(ask.id)) => {
                let settings = BTreeMap::new();
                Ok(Some(Observed::There { settings, state: State::Created }))
            }
            Named::Nobody => match taken()? {
                Some(who) => Ok(Some(Observed::PortTaken(who))),
                None => self.kept(cx, ask, place, listing).await,
            },
            Named::Ours(summary) => {
                let id = summary.id.clone().unwrap_or_default();
                let known = self.known(name, &id);
                let state = state::see(&self.engine, summary, want, known).await?;
                match &state {
                    State::Running(Readiness::Ready) => self.note_answer(summary),
                    State::Created | State::Exited(_) => {
                        if let Some(who) = taken()? {
                            return Ok(Some(Observed::PortTaken(who)));
                        }
                    }
                    _ => {}
                }
                let settings = labels::settings(summary.labels.as_ref());
                let settings =
                    settings.ok_or_else(|| DockerError::Unreadable { name: name.clone() })?;
                Ok(Some(Observed::There { settings, state }))
            }
        }
    }

    /// What is there without its container: volumes and, of one that leaves, the network that was made for it before
    /// it was refused. That goes with the last container as a rule.
    async fn kept(
        &self,
        cx: &Context<'_>,
        ask: &Ask<'_>,
        place: &Place,
        listing: &Listing,
    ) -> Result<Option<Observed>, DockerError> {
        if !place.volumes.is_empty() {
            let ours = volumes::ours(&self.engine, cx.installation).await?;
            let kept = volumes::kept(place, &ours);
            if !kept.is_empty() {
                return Ok(Some(Observed::Kept(kept)));
            }
        }
        let is_left = ask.want.is_none()
            && !listing.has_project(&project(&place.infra))
            && self.networks.is_left(&self.engine, &cx.mark(ask.id), place).await?;
        Ok(is_left.then(|| Observed::Kept(Vec::new())))
    }

    async fn act(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        action: &Action,
    ) -> Result<(), DockerError> {
        let Self { engine, networks, report, .. } = self;
        let change = Change { engine, networks, id, mark: cx.mark(id), report, stop: cx.stop };
        match action {
            Action::Create(want) | Action::Recreate(want) => {
                self.forget(&want.place.container);
                change.bring_up(want).await
            }
            Action::Start(want) => {
                self.note_start(&want.place.container);
                change.start(want).await
            }
            Action::Restart(place) => {
                self.forget(&place.container);
                let restarted = change.restart(place).await?;
                // Nothing that was seen of it before counts.
                if let Some(id) = restarted {
                    let mut memory = self.memory();
                    memory.answered.remove(&id);
                    memory.heard.insert(id);
                }
                Ok(())
            }
            Action::Remove(place) => {
                self.forget(&place.container);
                change.take_down(place, false).await
            }
            Action::Purge(place) => {
                self.forget(&place.container);
                change.take_down(place, true).await
            }
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, name: &str, id: &str) -> Known {
        let mut memory = self.memory();
        Known {
            restarts: memory.starts.get(name).map_or(0, |(starts, _)| *starts),
            answered: memory.answered.get(id).is_some_and(|at| at.elapsed() < ANSWERED),
            heard: memory.heard.remove(id),
        }
    }

    fn note_answer(&self, summary: &ContainerSummary) {
        let (Some(id), state::Health::None) = (&summary.id, state::health(summary)) else { return };
        let mut memory = self.memory();
        let fresh = |at: &Instant| at.elapsed() < ANSWERED;
        if memory.hears && !memory.answered.get(id).is_some_and(fresh) {
            memory.answered.insert(id.clone(), Instant::now());
        }
    }

    fn note_start(&self, name: &str) {
        let mut memory = self.memory();
        let entry = memory.starts.entry(name.to_owned()).or_insert((0, Instant::now()));
        // A run of a minute was a healthy one.
        entry.0 = if entry.1.elapsed() >= backoff::HEALTHY { 1 } else { entry.0 + 1 };
        entry.1 = Instant::now();
    }

    fn forget(&self, name: &str) {
        self.memory().starts.remove(name);
    }
}

/// Whether a container of ours is there that was to take the place of another one.
fn is_left(listing: &Listing, name: &str, mark: &agent_harness_model::id::Mark) -> bool {
    matches!(listing.named(&next(name), mark), Named::Ours(_))
}

impl Provider for DockerProvider {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> world::Observed {
        if asks.is_empty() {
            return world::Observed::default();
        }
        self.listen(cx.installation);
        let listing = match within(LOOK, "the Docker engine", Listing::fetch(&self.engine)).await {
            Ok(Ok(listing)) => listing,
            Ok(Err(error)) => return unknown(asks, &error.to_string()),
            Err(why) => return unknown(asks, &why),
        };
        let looks = asks.iter().map(|ask| async {
            let seen = match ask.place {
                kinds::Place::Container(place) => {
                    let look = self.see(cx, ask, place, &listing);
                    match within(LOOK, "the Docker engine", look).await {
                        Ok(Ok(have)) => Seen::Known(have.map(Have::Container)),
                        Ok(Err(error)) => Seen::Unknown(error.to_string()),
                        Err(why) => Seen::Unknown(why),
                    }
                }
                _ => Seen::Unknown("it is no container".to_owned()),
            };
            (ask.id.clone(), seen)
        });
        join_all(looks).await.into_iter().collect()
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        match action {
            kinds::Action::Container(action) => self
                .act(cx, resource, action)
                .await
                .map_err(|error| ApplyError::from_error(error.class(), &error)),
            _ => Err(wrong_kind(resource, action)),
        }
    }
}
