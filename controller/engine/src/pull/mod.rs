//! Specs from Git repositories: asks for news now and then, or when somebody says that there are some, and brings a
//! commit into force once everything about it is in order. What is not leaves the one before in force, and says why.
//!
//! `STATE/sources/NAME` is our clone, `STATE/sources/NAME.json` what is remembered of it. Nothing here reads specs.

mod standing;
pub mod webhook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::source::{Commit, GitSource, Rewritten, SourceStatus};
use agent_harness_providers::git::source::{Clone, Entry, SourceError};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::backoff::jitter;
use crate::core::{Core, Job};
use crate::facts::chain;

pub use standing::NoteError;
use standing::Standing;

/// The folder of all clones, in the state folder.
pub const FOLDER: &str = "sources";

/// The sources of one state folder.
#[derive(Debug, Default)]
pub struct Pulls(BTreeMap<String, Arc<Puller>>);

/// One source.
#[derive(Debug)]
pub struct Puller {
    name: String,
    source: GitSource,
    folder: PathBuf,
    standing: Mutex<Standing>,
    /// One fetch at a time.
    turn: tokio::sync::Mutex<()>,
    /// When the last fetch that came to an end had begun.
    begun: Mutex<Option<Instant>>,
}

/// Why a commit does not come into force.
#[derive(Debug, thiserror::Error)]
enum PullError {
    /// It cannot be had, or is not in order.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It has another history.
    #[error(
        "the branch was rewritten: commit {head} does not follow {before}, which is in force; push commits that follow \
         it, or say `rewritten: follow` for this source"
    )]
    Rewritten {
        /// The commit at the end of the branch.
        head: String,
        /// The one in force.
        before: String,
    },
    /// It could not be noted.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Pulls {
    /// Those of a state folder. A commit that an earlier controller was bringing into force is brought there.
    pub fn open(state: &Path, sources: &BTreeMap<String, GitSource>) -> Result<Self, NoteError> {
        let all = sources.iter().map(|(name, source)| {
            let puller = Puller::open(state, name.clone(), source.clone());
            puller.map(|puller| (name.clone(), Arc::new(puller)))
        });
        Ok(Self(all.collect::<Result<_, _>>()?))
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Puller>> {
        self.0.values()
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Puller>> {
        self.0.get(name)
    }

    /// The one in whose clone a file is.
    pub fn holding(&self, file: &Path) -> Option<&Arc<Puller>> {
        self.all().find(|puller| puller.holds(file))
    }
}

impl Puller {
    fn open(state: &Path, name: String, source: GitSource) -> Result<Self, NoteError> {
        let folder = state.join(FOLDER).join(&name);
        let standing = Standing::open(&note_of(&folder))?;
        let puller = Self {
            name,
            source,
            folder,
            standing: Mutex::new(standing),
            turn: tokio::sync::Mutex::default(),
            begun: Mutex::default(),
        };
        if let Some(commit) = puller.standing().moving.clone() {
            if let Err(error) = puller.bring_into_force(commit) {
                tracing::warn!(
                    source = puller.name,
                    error = chain(&error),
                    "cannot go on with a commit"
                );
            }
        }
        Ok(puller)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The clone.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of specs in it.
    pub fn specs(&self) -> PathBuf {
        self.folder.join(&self.source.path)
    }

    /// Whether a file is in its clone.
    pub fn holds(&self, file: &Path) -> bool {
        file.starts_with(&self.folder)
    }

    /// How a file of its clone is called in the repository.
    pub fn in_repository<'a>(&self, file: &'a Path) -> Option<&'a Path> {
        file.strip_prefix(&self.folder).ok()
    }

    /// Where its specs are changed, in words.
    pub fn whereabouts(&self) -> String {
        match &self.source.branch {
            Some(branch) => format!("branch {branch} of {}", self.source.url),
            None => self.source.url.clone(),
        }
    }

    /// The commit in force.
    pub fn commit(&self) -> Option<Commit> {
        self.standing().commit.clone()
    }

    /// Why the last fetch brought nothing into force, where it did not.
    pub fn trouble(&self) -> Option<String> {
        self.standing().error.clone()
    }

    /// Whether it was asked for news since the start, whatever came of it.
    pub fn was_asked(&self) -> bool {
        lock(&self.begun).is_some()
    }

    /// How it stands, for people.
    pub fn status(&self) -> SourceStatus {
        let standing = self.standing().clone();
        SourceStatus {
            name: self.name.clone(),
            url: self.source.url.clone(),
            branch: self.source.branch.clone(),
            path: self.source.path.clone(),
            commit: standing.commit,
            in_force_since: standing.in_force_since,
            refused: standing.refused,
            fetched_at: standing.fetched_at,
            error: standing.error,
            failing_since: standing.failing_since,
        }
    }

    /// The spec files of a commit, by their names.
    pub fn files(
        &self,
        commit: &str,
        most: u64,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<BTreeMap<String, Entry>, SourceError> {
        self.clone_of().files(commit, &self.source.path, most, wanted)
    }

    /// Asks for news from now on, until `stop`.
    pub async fn keep_asking(self: Arc<Self>, core: Arc<Core>, stop: CancellationToken) {
        let work = async {
            loop {
                self.ask(&core, Instant::now()).await;
                let pause = self.source.interval.mul_f64(0.9 + 0.2 * jitter());
                tokio::time::sleep(pause).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }

    /// Asks for news, unless that was begun since `asked`; many who ask at a time share one fetch.
    pub async fn ask(self: &Arc<Self>, core: &Arc<Core>, asked: Instant) {
        let _turn = self.turn.lock().await;
        if lock(&self.begun).is_some_and(|begun| begun >= asked) {
            return;
        }
        let begun = Instant::now();
        let (puller, of) = (Arc::clone(self), Arc::clone(core));
        if tokio::task::spawn_blocking(move || puller.pull(&of)).await.is_ok() {
            *lock(&self.begun) = Some(begun);
        }
    }

    /// Fetches, and brings what is new into force. Blocks.
    fn pull(&self, core: &Core) {
        let done = self.fetch().and_then(|commit| {
            let Some(commit) = commit else { return Ok(false) };
            // Whoever takes specs in finds them, and the files that they name, of one commit.
            let _turn = core.survey_turn();
            self.bring_into_force(commit).map(|()| true)
        });
        let (moved, error) = match done {
            Ok(moved) => (moved, None),
            Err(error) => (false, Some(chain(&error))),
        };
        let (before, news) = {
            let mut standing = self.standing();
            let before = standing.error.clone();
            standing.failing_since = match &error {
                Some(_) => standing.failing_since.or_else(|| Some(Timestamp::now())),
                None => None,
            };
            standing.error.clone_from(&error);
            if error.is_none() {
                standing.refused = None;
            }
            (before.clone(), before != error)
        };
        match (&error, &before) {
            (Some(why), _) if news => tracing::warn!(source = self.name, "{why}"),
            (None, Some(_)) => tracing::info!(source = self.name, "is fetched again"),
            _ => {}
        }
        if let (true, Err(error)) = (moved || news, self.note()) {
            tracing::warn!(source = self.name, error = chain(&error), "cannot note how it stands");
        }
        if moved || news {
            core.queue.add(Job::Survey, Duration::ZERO);
        }
    }

    /// The commit that is to come into force; `None`: it is already.
    fn fetch(&self) -> Result<Option<Commit>, PullError> {
        let clone = self.clone_of();
        clone.prepare()?;
        let head = clone.fetch(self.source.branch.as_deref())?;
        let before = {
            let mut standing = self.standing();
            standing.fetched_at = Some(Timestamp::now());
            standing.commit.clone().filter(|_| standing.url == self.source.url)
        };
        if before.as_ref().is_some_and(|before| before.id == head) {
            return Ok(None);
        }
        let commit = clone.commit(&head)?;
        let judged = self.judge(&clone, &commit, before.as_ref());
        if judged.is_err() {
            self.standing().refused = Some(commit);
            return judged.map(|()| None);
        }
        Ok(Some(commit))
    }

    /// Whether a commit may come into force after another one.
    fn judge(
        &self,
        clone: &Clone<'_>,
        commit: &Commit,
        before: Option<&Commit>,
    ) -> Result<(), PullError> {
        if let (Rewritten::Refuse, Some(before)) = (self.source.rewritten, before) {
            if !clone.follows(&commit.id, &before.id)? {
                let (head, before) = (commit.short().to_owned(), before.short().to_owned());
                return Err(PullError::Rewritten { head, before });
            }
        }
        if let Some(signers) = &self.source.signers {
            clone.verify(&commit.id, signers)?;
        }
        // The folder has to be there; what is in it, it may be wrong with, is the intake's affair.
        self.files(&commit.id, 0, |_| false)?;
        Ok(())
    }

    /// Blocks. What is noted first is finished by the next start.
    fn bring_into_force(&self, commit: Commit) -> Result<(), PullError> {
        self.standing().moving = Some(commit.clone());
        self.note()?;
        if let Err(error) = self.clone_of().check_out(&commit.id) {
            self.standing().moving = None;
            return Err(error.into());
        }
        {
            let mut standing = self.standing();
            standing.url.clone_from(&self.source.url);
            standing.in_force_since = Some(Timestamp::now());
            standing.commit = Some(commit);
            standing.moving = None;
        }
        Ok(self.note()?)
    }

    fn note(&self) -> Result<(), NoteError> {
        let standing = self.standing().clone();
        standing.write(&note_of(&self.folder))
    }

    fn clone_of(&self) -> Clone<'_> {
        Clone { folder: &self.folder, url: &self.source.url }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        lock(&self.standing)
    }
}

fn note_of(folder: &Path) -> PathBuf {
    folder.with_extension("json")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
