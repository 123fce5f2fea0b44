//! Setup steps: commands that prepare something once, and again when what they depend on changed.
//!
//! The last run of each is on record in the state folder. A record is made void before a run begins, so
//! that a run which was cut counts as one that failed.

mod error;
mod group;
mod inputs;
mod leftovers;
mod log;
mod runner;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::setup::{Action, Desired, Observed as Have, Run};
use agent_harness_model::kinds::{self, Have as AnyHave, Resource};
use agent_harness_model::world::{ApplyError, Ask, Observed, Seen};
use tokio_util::sync::CancellationToken;

pub use error::RunError;
pub(crate) use group::{Group, end_of};
pub use leftovers::STEP_VARIABLE;
pub(crate) use leftovers::Whose;
pub use runner::{Ended, Heard, Job, Runner, Why, how, records_of, run_build_step};

use crate::fs;
use crate::git::facts;
use crate::provider::{Context, Provider, unknown, wrong_kind};
use inputs::Inputs;

/// The setup steps of all agents and Stacks.
#[derive(Debug, Clone)]
pub struct SetupProvider {
    runner: Runner,
    inputs: Arc<Inputs>,
}

impl SetupProvider {
    /// Steps are run by `runner`, which template builds share.
    pub fn new(runner: Runner) -> Self {
        Self { runner, inputs: Arc::default() }
    }

    fn record(&self, id: &ResourceId) -> PathBuf {
        self.runner
            .folder_of(&id.owner, &id.uid)
            .join(format!("{}.json", runner::file_name(&id.name)))
    }

    fn last(&self, id: &ResourceId) -> Result<Option<Run>, RunError> {
        let path = self.record(id);
        let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|source| RunError::Record { path, source })
    }

    fn note(&self, id: &ResourceId, run: &Run) -> Result<(), RunError> {
        let path = self.record(id);
        fs::create_dir_all(self.runner.folder_of(&id.owner, &id.uid), 0o700)?;
        let text = serde_json::to_vec_pretty(run)
            .map_err(|source| RunError::Record { path: path.clone(), source })?;
        Ok(fs::write_atomic(path, text, 0o600)?)
    }

    fn look(&self, id: &ResourceId, want: Option<&Desired>) -> Result<Option<Have>, RunError> {
        let last = self.last(id)?;
        let Some(want) = want else {
            return Ok(last.map(|last| Have {
                last: Some(last),
                inputs: String::new(),
                output_missing: false,
            }));
        };
        let Some(last) = last else { return Ok(None) };
        // A worktree that is away, as in the trash, tells nothing of its files. One that is made anew has the step run.
        if inputs::metadata(&want.place.root)?.is_none() {
            let inputs = last.inputs.clone();
            return Ok(Some(Have { last: Some(last), inputs, output_missing: false }));
        }
        let output_missing = match &want.creates {
            Some(path) => inputs::metadata(&want.place.root.join(path))?.is_none(),
            None => false,
        };
        let inputs = hash(&self.inputs, want)?;
        Ok(Some(Have { last: Some(last), inputs, output_missing }))
    }

    async fn run(
        &self,
        id: &ResourceId,
        want: &Arc<Desired>,
        stop: &CancellationToken,
    ) -> Result<(), RunError> {
        // Hashed before the run: what is edited meanwhile makes it run again.
        let hashing = {
            let (inputs, want) = (Arc::clone(&self.inputs), Arc::clone(want));
            tokio::task::spawn_blocking(move || hash(&inputs, &want))
        };
        let inputs = hashing.await.map_err(|error| RunError::System {
            what: "hash the inputs of",
            line: want.command.line(),
            source: std::io::Error::other(error),
        })??;
        let record = |success, how: &str| Run {
            fingerprint: want.fingerprint.clone(),
            inputs: inputs.clone(),
            inherits: want.inherits,
            success,
            how: how.to_owned(),
        };
        self.note(id, &record(false, "an interruption"))?;
        let job = Job {
            owner: &id.owner,
            uid: &id.uid,
            kind: id.kind.as_str(),
            name: &id.name,
            command: &want.command,
            launcher: &[],
            heard: None,
            env: std::collections::BTreeMap::new(),
            timeout: Duration::from_secs(want.timeout_s),
            stop,
        };
        let done = self.runner.run(&job).await;
        match &done {
            Ok(()) => self.note(id, &record(true, "exit code 0"))?,
            Err(RunError::Failed { how, .. }) => self.note(id, &record(false, how))?,
            Err(RunError::TimedOut { .. }) => self.note(id, &record(false, "its time used up"))?,
            Err(_) => {}
        }
        done
    }

    fn forget(&self, id: &ResourceId, root: &std::path::Path) -> Result<(), RunError> {
        fs::remove_file_if_exists(self.record(id))?;
        self.inputs.forget(root);
        Ok(())
    }
}

/// The hash over a step's inputs: as its files are, or as its branch has them.
fn hash(inputs: &Inputs, want: &Desired) -> Result<String, RunError> {
    let root = &want.place.root;
    if !want.inherits {
        return inputs.hash(root, &want.inputs);
    }
    let hash = facts::base_commit(root, "HEAD")
        .and_then(|commit| facts::inputs_hash(root, &commit, &want.inputs));
    hash.map_err(|error| RunError::System {
        what: "look up the branch for",
        line: want.command.line(),
        source: std::io::Error::other(error),
    })
}

impl Provider for SetupProvider {
    async fn observe(&self, _cx: &Context<'_>, asks: &[Ask<'_>]) -> Observed {
        let questions: Vec<_> = asks
            .iter()
            .filter_map(|ask| match (ask.place, ask.want) {
                (kinds::Place::Setup(_), Some(Resource::Setup(want))) => {
                    Some((ask.id.clone(), Some(Arc::clone(want))))
                }
                (kinds::Place::Setup(_), None) => Some((ask.id.clone(), None)),
                _ => None,
            })
            .collect();
        let provider = self.clone();
        let look = move || -> Observed {
            let answer = |(id, want): (ResourceId, Option<Arc<Desired>>)| {
                let seen = match provider.look(&id, want.as_deref()) {
                    Ok(have) => Seen::Known(have.map(AnyHave::Setup)),
                    Err(error) => Seen::Unknown(ApplyError::from(error).message),
                };
                (id, seen)
            };
            questions.into_iter().map(answer).collect()
        };
        let mut observed = unknown(asks, "is no setup step");
        match tokio::task::spawn_blocking(look).await {
            Ok(seen) => observed.merge(seen),
            Err(error) => return unknown(asks, &format!("the look failed: {error}")),
        }
        observed
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        match action {
            kinds::Action::Setup(Action::Run(want)) => {
                Ok(self.run(resource, want, cx.stop).await?)
            }
            kinds::Action::Setup(Action::Forget(place)) => Ok(self.forget(resource, &place.root)?),
            other => Err(wrong_kind(resource, other)),
        }
    }
}
