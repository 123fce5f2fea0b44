//! Files rendered into worktrees. What somebody else wrote is kept, what git tracks is not touched, and
//! no symlink is followed.

mod beneath;
mod error;
mod kept;
mod tracked;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use agent_harness_model::id::{ObjectKey, ResourceId};
use agent_harness_model::kinds::file::{Action, Desired, Observed as Have, Place};
use agent_harness_model::kinds::{self, Have as AnyHave};
use agent_harness_model::world::{ApplyError, Ask, Class, Observed, Record, Seen};

pub use error::FileError;

use crate::git::cli::Patience;
use crate::provider::{Context, Provider, unknown, wrong_kind};
use beneath::{Slot, Stamp, relative, slot};
use tracked::Tracked;

/// The generated files of all worktrees.
#[derive(Debug, Clone, Default)]
pub struct FilesProvider(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tracked: Tracked,
    /// How each file was when it was last looked at: what the plan was made from.
    looked_at: Mutex<HashMap<ResourceId, Look>>,
    /// What was kept and nobody was told of yet.
    kept: Mutex<Vec<(ResourceId, PathBuf)>>,
}

#[derive(Debug, Clone, Default)]
struct Look {
    /// `None`: it was not there.
    stamp: Option<Stamp>,
    /// What was on record of it.
    record: Record,
}

impl FilesProvider {
    /// A provider that has not looked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the edited files of an object were kept since the last time that this was asked.
    pub fn take_kept(&self, owner: &ObjectKey) -> Vec<(ResourceId, PathBuf)> {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extract_if(.., |(id, _)| id.owner == *owner).collect()
    }
}

impl Inner {
    fn look(
        &self,
        id: &ResourceId,
        place: &Place,
        record: &Record,
        patience: Patience,
    ) -> Seen<Option<Have>> {
        match self.try_look(id, place, record, patience) {
            Ok(have) => Seen::Known(have),
            Err(FileError::Foreign(what)) => Seen::Known(Some(Have::Foreign(what))),
            Err(error) => Seen::Unknown(ApplyError::from(error).message),
        }
    }

    fn try_look(
        &self,
        id: &ResourceId,
        place: &Place,
        record: &Record,
        patience: Patience,
    ) -> Result<Option<Have>, FileError> {
        let seen = match slot(&place.root, &place.path, false)? {
            Some(slot) => slot.look()?,
            None => None,
        };
        self.refuse_tracked(place, patience)?;
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = seen.as_ref().map(|seen| seen.stamp);
        if stamp.is_none() && *record == Record::default() {
            looked_at.remove(id);
        } else {
            looked_at.insert(id.clone(), Look { stamp, record: record.clone() });
        }
        let Some(seen) = seen else { return Ok(None) };
        let ours = record.knows(&seen.fingerprint);
        Ok(Some(Have::Present { fingerprint: seen.fingerprint, mode: seen.mode, ours }))
    }

    fn refuse_tracked(&self, place: &Place, patience: Patience) -> Result<(), FileError> {
        match self.tracked.is(&place.root, &relative(&place.root, &place.path)?, patience) {
            Ok(false) => Ok(()),
            Ok(true) => Err(FileError::Foreign(format!(
                "{} is tracked by git and is not written over; choose another name under `files`",
                place.root.join(&place.path).display()
            ))),
            Err(error) => Err(FileError::System {
                what: "ask git about",
                path: place.root.join(&place.path),
                source: std::io::Error::other(ApplyError::from(error).message),
            }),
        }
    }

    fn act(&self, id: &ResourceId, action: &Action) -> Result<(), FileError> {
        let as_seen = || {
            let looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.get(id).cloned().unwrap_or_default()
        };
        match action {
            Action::Write(want) => self.write(id, want, &as_seen()),
            // Nothing that is there is expected: so it is kept, whatever it is.
            Action::KeepAsideAndWrite(want) => {
                self.write(id, want, &Look { stamp: None, ..as_seen() })
            }
            Action::Remove(place) => match slot(&place.root, &place.path, false)? {
                Some(slot) => {
                    let done = slot.remove(as_seen().stamp);
                    let mut looked_at =
                        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
                    looked_at.remove(id);
                    done
                }
                None => Ok(()),
            },
        }
    }

    fn write(&self, id: &ResourceId, want: &Desired, look: &Look) -> Result<(), FileError> {
        let place = &want.place;
        self.refuse_tracked(place, Patience::of_a_look())?;
        let slot: Slot = slot(&place.root, &place.path, true)?
            .ok_or_else(|| FileError::NoRoot { root: place.root.clone() })?;
        let content = want.content.reveal().as_bytes();
        let written = slot.write(content, want.mode, look.stamp, &look.record);
        // Also where it failed after that: it lies there.
        let kept = slot.kept_paths().into_iter().map(|path| (id.clone(), path));
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
        written
    }
}

impl Provider for FilesProvider {
    async fn observe(&self, _cx: &Context<'_>, asks: &[Ask<'_>]) -> Observed {
        let questions: Vec<_> = asks
            .iter()
            .filter_map(|ask| match ask.place {
                kinds::Place::File(place) => {
                    Some((ask.id.clone(), place.clone(), ask.record.clone()))
                }
                _ => None,
            })
            .collect();
        let inner = Arc::clone(&self.0);
        let look = move || -> Observed {
            // Of each tree its own, so that a slow one does not keep the others from being seen.
            let mut patiences: HashMap<PathBuf, Patience> = HashMap::new();
            let answer = |(id, place, record): (ResourceId, Place, Record)| {
                let patience =
                    *patiences.entry(place.root.clone()).or_insert_with(Patience::of_a_look);
                let seen = match inner.look(&id, &place, &record, patience) {
                    Seen::Known(have) => Seen::Known(have.map(AnyHave::File)),
                    Seen::Unknown(why) => Seen::Unknown(why),
                };
                (id, seen)
            };
            questions.into_iter().map(answer).collect()
        };
        let mut observed = unknown(asks, "is no file");
        match tokio::task::spawn_blocking(look).await {
            Ok(seen) => observed.merge(seen),
            Err(error) => return unknown(asks, &format!("the look failed: {error}")),
        }
        observed
    }

    async fn apply(
        &self,
        _cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        let kinds::Action::File(action) = action else {
            return Err(wrong_kind(resource, action));
        };
        let (inner, id, action) = (Arc::clone(&self.0), resource.clone(), action.clone());
        match tokio::task::spawn_blocking(move || inner.act(&id, &action)).await {
            Ok(done) => done.map_err(ApplyError::from),
            Err(error) => Err(ApplyError {
                class: Class::Indeterminate,
                message: format!("the work on {resource} broke off: {error}"),
                part: None,
            }),
        }
    }
}
