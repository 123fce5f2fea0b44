//! Worktrees: one per agent, marked by the reason of their lock.
//!
//! The state is read from git's files and with libgit2; what checks files out is done by the user's own
//! `git`. Only entries whose lock carries our mark are ever changed. Every action can be cut at any
//! instruction and done again: see `spot` for how a folder moves, `shelve` for what the trash remembers,
//! `astray` for what lies under names of older versions.

mod add;
mod asked;
mod astray;
mod busy;
mod child;
pub(crate) mod cli;
mod error;
mod exclude;
pub mod facts;
pub mod identity;
mod lock;
pub mod marked;
mod observe;
pub(crate) mod occupants;
mod old;
mod purge;
pub mod pushed;
pub mod receipt;
pub(crate) mod repo;
mod shelve;
pub mod sizes;
pub mod source;
mod spot;
mod stale;
mod switch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_harness_model::id::{Mark, ObjectKey, ResourceId};
use agent_harness_model::kinds::worktree::{Action, Desired, Place};
use agent_harness_model::kinds::{self, Have, Resource};
use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::world::{ApplyError, Ask, Class, Observed, Seen};

pub use error::GitError;
pub use old::OldBranch;

use crate::provider::{Context, Provider, wrong_kind};
use exclude::Section;
use lock::{Locked, RepoLocks, lock};
use observe::Question;
use repo::{Entry, Repo};
use spot::{Found, Spots, find};

/// The worktrees of agents and Stacks.
#[derive(Debug, Clone, Default)]
pub struct GitProvider {
    locks: Arc<RepoLocks>,
    cuts: Arc<Cuts>,
    old: Arc<Mutex<Vec<(ResourceId, OldBranch)>>>,
}

/// Where a test ends an action, as a crash would: before the n-th change of anything.
#[derive(Debug)]
pub struct Cuts(AtomicUsize);

impl Default for Cuts {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl Cuts {
    fn before(&self, what: &'static str) -> Result<(), GitError> {
        let left = self.0.load(Ordering::Relaxed);
        if left == usize::MAX {
            return Ok(());
        }
        if left == 0 {
            return Err(GitError::Cut { before: what });
        }
        self.0.store(left - 1, Ordering::Relaxed);
        Ok(())
    }
}

/// All that an action works with. While it lives, the repository is ours alone.
struct Work<'a> {
    repo: Repo,
    spots: Spots,
    mark: Mark,
    lock: Locked<'a>,
    cuts: &'a Cuts,
}

impl Work<'_> {
    /// The worktree, if it is among the repository's entries, with its present names.
    fn find(&self, entries: &[Entry]) -> Result<Option<Found>, GitError> {
        let mut found = find(entries, &self.spots, &self.mark)?;
        if let Some(found) = &mut found {
            astray::bring_back(found, &self.spots, self.cuts)?;
        }
        Ok(found)
    }

    /// The worktree, which has to be there.
    fn found(&self) -> Result<Found, GitError> {
        self.find(&self.repo.entries()?)?
            .ok_or_else(|| GitError::NotOurs { path: self.spots.live.clone() })
    }

    /// Keeps the files that are generated into the worktree out of sight.
    fn exclude(&self, want: &Desired) -> Result<(), GitError> {
        let section = Section::of(&self.mark, &self.spots.live);
        exclude::set(&self.repo.common, &section, &want.exclude)
    }
}

impl GitProvider {
    /// A provider with nothing to remember.
    pub fn new() -> Self {
        Self::default()
    }

    /// For tests: every action fails before its change number `count`; `None`: never.
    #[doc(hidden)]
    pub fn cut_before(&self, count: Option<usize>) {
        self.cuts.0.store(count.unwrap_or(usize::MAX), Ordering::Relaxed);
    }

    /// The branches that were there before the worktrees which an object got since the last time that this was asked.
    pub fn take_old(&self, owner: &ObjectKey) -> Vec<(ResourceId, OldBranch)> {
        self.lock_old().extract_if(.., |(id, _)| id.owner == *owner).collect()
    }

    fn lock_old(&self) -> MutexGuard<'_, Vec<(ResourceId, OldBranch)>> {
        self.old.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn act(&self, id: &ResourceId, mark: Mark, action: &Action) -> Result<(), GitError> {
        let place = match action {
            Action::Add(want)
            | Action::Switch(want)
            | Action::Note(want)
            | Action::Exclude(want)
            | Action::Restore(want) => &want.place,
            Action::Trash(place) | Action::Purge(place) => place,
        };
        let repo = Repo::open(&place.repo)?;
        let within = self.locks.of(&repo.common);
        let lock = lock(&within, &repo.common, &repo.path)?;
        let spots = Spots::of(place, &mark.uid)?;
        let work = Work { repo, spots, mark, lock, cuts: &self.cuts };
        // What an earlier purge left that was cut.
        purge::sweep(&work)?;
        match action {
            Action::Add(want) => {
                let old = add::add(&work, want)?;
                self.lock_old().extend(old.map(|old| (id.clone(), old)));
                Ok(())
            }
            Action::Switch(want) => switch::switch(&work, want),
            Action::Note(want) => asked::note(&work, &work.found()?.entry.admin, want),
            Action::Exclude(want) => work.exclude(want),
            Action::Restore(_) => shelve::restore(&work, work.found()?),
            Action::Trash(_) => {
                if is_planted(Bug::TreeIsCleaned) {
                    cli::Git::found_from(&work.spots.live).run(&["clean", "-dffxq"])?;
                }
                shelve::trash(&work)
            }
            Action::Purge(_) => purge::purge(&work),
        }
    }
}

impl Provider for GitProvider {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> Observed {
        let mut by_repo: BTreeMap<PathBuf, Vec<Question>> = BTreeMap::new();
        let mut observed = Observed::default();
        for ask in asks {
            match question(cx, ask) {
                Some(question) => {
                    by_repo.entry(question.place.repo.clone()).or_default().push(question);
                }
                None => observed.insert(ask.id.clone(), Seen::Unknown("is no worktree".into())),
            }
        }
        let looks: Vec<_> = by_repo
            .into_iter()
            .map(|(repo, questions)| {
                let ids: Vec<ResourceId> = questions.iter().map(|one| one.id.clone()).collect();
                (ids, tokio::task::spawn_blocking(move || observe::look(&repo, &questions)))
            })
            .collect();
        for (ids, look) in looks {
            match look.await {
                Ok(answers) => {
                    for (id, answer) in ids.into_iter().zip(answers) {
                        observed.insert(id, wrapped(answer));
                    }
                }
                Err(error) => {
                    for id in ids {
                        observed.insert(id, Seen::Unknown(format!("the look failed: {error}")));
                    }
                }
            }
        }
        observed
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        let kinds::Action::Worktree(action) = action else {
            return Err(wrong_kind(resource, action));
        };
        let (provider, mark, action) = (self.clone(), cx.mark(resource), action.clone());
        let id = resource.clone();
        // On a thread of its own, and to its end also when nobody waits for it any more.
        match tokio::task::spawn_blocking(move || provider.act(&id, mark, &action)).await {
            Ok(done) => done.map_err(ApplyError::from),
            Err(error) => Err(ApplyError {
                class: Class::Indeterminate,
                message: format!("the work on {resource} broke off: {error}"),
                part: None,
            }),
        }
    }
}

fn question(cx: &Context<'_>, ask: &Ask<'_>) -> Option<Question> {
    let kinds::Place::Worktree(place) = ask.place else { return None };
    let want = match ask.want {
        Some(Resource::Worktree(want)) => Some(Arc::clone(want)),
        Some(_) => return None,
        None => None,
    };
    let place: Place = place.clone();
    Some(Question { id: ask.id.clone(), place, want, mark: cx.mark(ask.id) })
}

fn wrapped(seen: Seen<Option<kinds::worktree::Observed>>) -> Seen<Option<Have>> {
    match seen {
        Seen::Known(have) => Seen::Known(have.map(Have::Worktree)),
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}
