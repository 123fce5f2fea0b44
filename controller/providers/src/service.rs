//! Servers that all agents share, as the `Service` kind sees them: a process of ours, or a server that somebody
//! else runs. What differs from server to server is a [`Backend`]'s to say.
//!
//! Invariant: data is removed only by the incarnation that its note of ownership names (see `owner`).

mod backend;
mod look;
pub(crate) mod owner;
mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::service::{Action, Desired, Observed, Place};
use agent_harness_model::kinds::{self, Have, Readiness, Resource};
use agent_harness_model::world::{self, ApplyError, Ask, Class, Seen};
use futures_util::future::join_all;

use crate::fs::{self, FsError};
use crate::process::{
    InvalidProcessId, ProcessId, ProcessState, SuperviseError, Supervisor, process_id,
};
use crate::provider::{Context, LOOK, Provider, within, wrong_kind};
pub use backend::{Backend, How, Program};
use look::{Look, look};

/// All servers of one make.
pub struct Services<B> {
    supervisor: Arc<Supervisor>,
    log_root: PathBuf,
    backend: B,
    /// Settings with which a server did not stay up: tried again by the next controller, or when another server
    /// would not be stopped for it.
    refused: Mutex<BTreeMap<ProcessId, Refused>>,
}

/// What a server said to settings that it refused.
struct Refused {
    fingerprint: String,
    words: String,
}

/// Why nothing came of an action.
#[derive(Debug, thiserror::Error)]
enum ServiceError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    #[error(transparent)]
    Id(#[from] InvalidProcessId),
    #[error(transparent)]
    Fs(#[from] FsError),
    #[error("{} holds a server that is not of this installation; it is left alone", .0.display())]
    Foreign(PathBuf),
    #[error(
        "the server of an earlier incarnation, {0}, still runs; its data is taken over when it has ended"
    )]
    Predecessor(ProcessId),
    #[error("{0} is run by somebody else, who alone can start and stop it")]
    NotOurs(&'static str),
    #[error("port {port} is taken by {who}; stop that program, or give the server another port")]
    PortTaken { port: u16, who: String },
    #[error("the start of {0} was broken off, because something else is wanted by now")]
    Unwanted(&'static str),
    #[error("{name} ended right after its start ({how}): {last_lines}")]
    Ended { name: &'static str, how: String, last_lines: String },
    #[error(
        "{name} refuses what `{place}` says: {words}; correct it there{}",
        if *runs { ". The server runs with its last good settings" } else { "" }
    )]
    Refused { name: &'static str, place: &'static str, words: String, runs: bool },
    #[error(transparent)]
    Server(E),
}

impl<B: Backend> Services<B> {
    /// Logs lie below `log_root`.
    pub(crate) fn with(supervisor: Arc<Supervisor>, log_root: PathBuf, backend: B) -> Self {
        Self { supervisor, log_root, backend, refused: Mutex::default() }
    }

    async fn see(&self, cx: &Context<'_>, ask: &Ask<'_>, place: &Place) -> Seen<Option<Observed>> {
        let want = match ask.want {
            Some(Resource::Service(want)) => Some(want.as_ref()),
            _ => None,
        };
        let how = want.and_then(|want| B::how(&want.runtime));
        let embedded = match how {
            Some(How::Embedded(embedded)) => Some(embedded),
            Some(How::External(_)) | None => None,
        };
        let found = match look(&self.supervisor, &cx.mark(ask.id), ask.id, embedded.map(B::port)) {
            Ok(found) => found,
            Err(why) => return Seen::Unknown(why),
        };
        if let (Some(want), Some(How::External(to))) = (want, &how) {
            return Seen::Known(Some(self.see_external(want, to, place, found).await));
        }
        match found {
            Look::Running { fingerprint, pid } => {
                let ready = match embedded {
                    // Settings that are not in force yet may name another port or key.
                    Some(embedded) if want.is_some_and(|want| want.fingerprint == fingerprint) => {
                        ready::<B>(self.backend.answers(cx, &place.infra, embedded, pid).await)
                    }
                    // What lies on it is looked at, and cleared away, through a server that is to change or to go.
                    _ => ready::<B>(self.backend.up(cx, &place.infra, embedded, pid)),
                };
                Seen::Known(Some(Observed::Running { fingerprint, ready, pid: Some(pid) }))
            }
            Look::Down(observed) => match self.is_down(cx, ask.id, &place.infra, embedded) {
                Ok(()) => Seen::Known(Some(observed)),
                Err(error) => Seen::Unknown(message(&error, class::<B>(&error))),
            },
            Look::Absent => {
                if let Err(error) = self.is_down(cx, ask.id, &place.infra, embedded) {
                    return Seen::Unknown(message(&error, class::<B>(&error)));
                }
                match place.root.as_deref().map(owner::read).transpose() {
                    Ok(Some(Some(owner))) if owner == cx.mark(ask.id) => {
                        Seen::Known(Some(Observed::Stopped))
                    }
                    // Nothing was ever made, or a successor has taken it over.
                    Ok(_) => Seen::Known(None),
                    Err(error) => Seen::Unknown(message(&error, error.class())),
                }
            }
        }
    }

    /// What runs is not the process of this incarnation. That of an earlier one may still be there, with its data.
    fn is_down(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        infra: &str,
        embedded: Option<&B::Embedded>,
    ) -> Result<(), ServiceError<B::Error>> {
        let Some(embedded) = embedded else { return Ok(()) };
        match self.predecessor(cx, id, B::root(embedded))? {
            Some((_, ProcessState::Running { pid, .. })) => {
                self.backend.up(cx, infra, Some(embedded), pid).map_err(ServiceError::Server)
            }
            _ => {
                self.backend.down(cx, infra, Some(embedded));
                Ok(())
            }
        }
    }

    /// A server of somebody else's, unless there is still a process of ours from before.
    async fn see_external(
        &self,
        want: &Desired,
        to: &B::External,
        place: &Place,
        found: Look,
    ) -> Observed {
        match found {
            Look::Running { fingerprint, pid } => Observed::Running {
                fingerprint,
                ready: Readiness::NotReady("a process of ours still runs".to_owned()),
                pid: Some(pid),
            },
            Look::Down(left) => left,
            Look::Absent => Observed::Running {
                fingerprint: want.fingerprint.clone(),
                ready: ready::<B>(self.backend.external_answers(&place.infra, to).await),
                pid: None,
            },
        }
    }

    async fn act(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        action: &Action,
    ) -> Result<(), ServiceError<B::Error>> {
        match action {
            Action::Start(want) => self.start(cx, id, want, false).await,
            Action::Restart(want) => self.start(cx, id, want, true).await,
            Action::Stop(place) => self.stop(cx, id, place).await,
            Action::Purge(place) => {
                self.stop(cx, id, place).await?;
                match &place.root {
                    Some(root) => Self::remove(cx, id, root),
                    None => Ok(()),
                }
            }
        }
    }

    async fn stop(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        place: &Place,
    ) -> Result<(), ServiceError<B::Error>> {
        let process = process_id(id)?;
        if let Some(root) = &place.root {
            self.adopt(cx, id, &process, root);
            // Not when a successor has taken over: then it is that one's server which is reached there.
            if owner::read(root).is_ok_and(|owner| owner == Some(cx.mark(id))) {
                self.backend.down(cx, &place.infra, None);
            }
        }
        let (signal, grace) = B::STOP;
        self.supervisor.stop(&process, signal, grace).await?;
        Ok(self.supervisor.forget(&process).await?)
    }

    /// Notes that the data is ours. Another incarnation of the same installation leaves it to us once it does not run
    /// any more; a stranger does not.
    fn claim(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        root: &Path,
    ) -> Result<(), ServiceError<B::Error>> {
        let mark = cx.mark(id);
        match owner::read(root)? {
            Some(owner) if owner == mark => return Ok(()),
            Some(owner) if owner.installation == mark.installation => {
                if let Some((before, _)) = self.predecessor(cx, id, root)? {
                    return Err(ServiceError::Predecessor(before));
                }
            }
            None if !B::is_foreign(root, cx.installation).map_err(ServiceError::Server)? => {}
            Some(_) | None => return Err(ServiceError::Foreign(root.to_path_buf())),
        }
        fs::create_dir_all(root, B::ROOT_MODE)?;
        Ok(owner::write(root, &mark)?)
    }

    /// The process of another incarnation of the same installation that still runs on the data.
    fn predecessor(
        &self,
        cx: &Context<'_>,
        id: &ResourceId,
        root: &Path,
    ) -> Result<Option<(ProcessId, ProcessState)>, ServiceError<B::Error>> {
        let mark = cx.mark(id);
        let other = owner::read(root)?
            .filter(|owner| owner.installation == mark.installation && *owner != mark);
        let Some(owner) = other else { return Ok(None) };
        let before = process_id(&ResourceId { uid: owner.uid, ..id.clone() })?;
        let process = self.supervisor.get(&before)?;
        Ok(process.filter(|it| runs(&it.state)).map(|it| (before, it.state)))
    }

    /// Earlier versions left no note with some servers: then the data is that of the process which runs on it. Where
    /// that cannot be noted the data stays for ever, but the process can be stopped.
    fn adopt(&self, cx: &Context<'_>, id: &ResourceId, process: &ProcessId, root: &Path) {
        let runs = self.supervisor.get(process).is_ok_and(|found| {
            found.is_some_and(|found| {
                found.mark == cx.mark(id).to_string()
                    && matches!(found.state, ProcessState::Running { .. })
            })
        });
        if runs
            && owner::read(root).is_ok_and(|owner| owner.is_none())
            && let Err(error) = self.claim(cx, id, root)
        {
            tracing::warn!(error = %message(&error, class::<B>(&error)), resource = %id, "the data was not claimed");
        }
    }

    /// Deletes everything. What belongs to somebody else, or to a successor, stays.
    fn remove(
        cx: &Context<'_>,
        id: &ResourceId,
        root: &Path,
    ) -> Result<(), ServiceError<B::Error>> {
        if owner::read(root)? != Some(cx.mark(id)) {
            return Ok(());
        }
        B::clear(root).map_err(ServiceError::Server)?;
        Ok(owner::remove(root)?)
    }
}

impl<B: Backend> Provider for Services<B> {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> world::Observed {
        // Each by itself: one that hangs says nothing of the others.
        let looks = asks.iter().map(|ask| async move {
            let seen = match ask.place {
                kinds::Place::Service(place) => {
                    match within(LOOK, B::NAME, self.see(cx, ask, place)).await {
                        Ok(Seen::Known(have)) => Seen::Known(have.map(Have::Service)),
                        Ok(Seen::Unknown(why)) | Err(why) => Seen::Unknown(why),
                    }
                }
                _ => Seen::Unknown("it is no shared server".to_owned()),
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
            kinds::Action::Service(action) => self
                .act(cx, resource, action)
                .await
                .map_err(|error| ApplyError::from_error(class::<B>(&error), &error)),
            _ => Err(wrong_kind(resource, action)),
        }
    }
}

fn class<B: Backend>(error: &ServiceError<B::Error>) -> Class {
    match error {
        ServiceError::Supervise(error) => error.class(),
        ServiceError::Fs(error) => error.class(),
        ServiceError::Id(_) | ServiceError::Refused { .. } => Class::Terminal,
        ServiceError::Foreign(_) | ServiceError::PortTaken { .. } => Class::Conflict,
        ServiceError::NotOurs(_) => Class::Blocked,
        ServiceError::Predecessor(_) | ServiceError::Unwanted(_) | ServiceError::Ended { .. } => {
            Class::Transient
        }
        ServiceError::Server(error) => B::class(error),
    }
}

/// Whether anything of the server may still be at its data.
fn runs(state: &ProcessState) -> bool {
    match state {
        ProcessState::Starting | ProcessState::Running { .. } | ProcessState::Ending => true,
        ProcessState::Exited { .. } => false,
        ProcessState::Lost { orphan, .. } => orphan.is_some(),
    }
}

fn ready<B: Backend>(answer: Result<(), B::Error>) -> Readiness {
    match answer {
        Ok(()) => Readiness::Ready,
        Err(error) => Readiness::NotReady(message(&error, B::class(&error))),
    }
}

fn message(error: &(dyn std::error::Error + 'static), class: Class) -> String {
    ApplyError::from_error(class, error).message
}
