//! Runs what an agent's work is verified with: commands in its worktree and within its limits, and checks of what runs.
//! In which order, and what follows from it, is the engine's affair.

mod places;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::id::{Mark, ObjectKey, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Budget, Probe};
use agent_harness_shim::cgroup::Leaf;
use tokio_util::sync::CancellationToken;

use crate::mask::Mask;
use crate::process::probe::{Label, Looker, PATIENCE};
use crate::process::{GroupLimits, InvalidProcessId, ProcessId, Supervisor};
use crate::setup::{Ended, Heard, Job, RunError, Runner};

pub use places::Places;

/// The folder of the logs.
pub const KIND: &str = "verify";

/// How long what is left in a control group may take to end.
const CLEAR: Duration = Duration::from_secs(10);
/// Between two tries of a check, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Runs what work is verified with.
#[derive(Clone)]
pub struct Verifier {
    runner: Runner,
    supervisor: Arc<Supervisor>,
    shim: PathBuf,
    installation: String,
}

/// Whose work it is.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The agent.
    pub agent: &'a ObjectKey,
    /// Its incarnation.
    pub uid: &'a Uid,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    /// Itself.
    pub ended: Ended,
    /// The kernel has ended something of it, because its agent had no memory left.
    pub out_of_memory: bool,
}

/// One command.
pub struct Run<'a> {
    /// Whose.
    pub whose: Whose<'a>,
    /// Among those of its agent: also the name of its log.
    pub name: &'a str,
    /// What is run.
    pub command: &'a Command,
    /// What all processes of the agent may use together.
    pub budget: Budget,
    /// After which it is stopped.
    pub timeout: Duration,
    /// It is stopped when this is cancelled.
    pub stop: &'a CancellationToken,
    /// Hears what it prints.
    pub heard: &'a Heard<'a>,
}

impl Verifier {
    /// With the runner, supervisor and shim of one state folder.
    pub fn new(
        runner: Runner,
        supervisor: Arc<Supervisor>,
        shim: PathBuf,
        installation: String,
    ) -> Self {
        Self { runner, supervisor, shim, installation }
    }

    /// Runs a command to its end. An error: it could not be run.
    pub async fn command(&self, run: &Run<'_>) -> Result<Done, RunError> {
        let leaf = self.leaf(run).await;
        let launcher = self.launcher(leaf.as_ref());
        let job = Job {
            owner: run.whose.agent,
            uid: run.whose.uid,
            kind: KIND,
            name: run.name,
            command: run.command,
            launcher: &launcher,
            heard: Some(run.heard),
            env: std::collections::BTreeMap::new(),
            timeout: run.timeout,
            stop: run.stop,
        };
        let ended = self.runner.run_to_end(&job).await;
        let mut out_of_memory = false;
        if let Some(leaf) = leaf {
            out_of_memory = leaf.oom_kills() > 0;
            empty(leaf, run.name).await;
        }
        Ok(Done { ended: ended?, out_of_memory })
    }

    /// Repeats a check until it passes, or for as long as it may take; an error says what was found at last.
    pub async fn check(
        &self,
        whose: Whose<'_>,
        name: &str,
        probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let mark = Mark { installation: self.installation.clone(), uid: whose.uid.clone() };
        let label = Label { mark: mark.to_string(), step: format!("verify {name}") };
        let mut looker = Looker::of_anything(label, Mask::default());
        let end = Instant::now() + Duration::from_millis(probe.timeout_ms);
        let patience = probe.attempt_ms.map_or(PATIENCE, Duration::from_millis);
        let mut pause = PAUSES.0;
        tokio::time::sleep(Duration::from_millis(probe.delay_ms)).await;
        loop {
            let found = tokio::select! {
                found = looker.look(&probe.check, patience) => found,
                () = stop.cancelled() => return Err("was stopped".to_owned()),
            };
            if found.is_ok() || Instant::now() + pause >= end {
                return found;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return found,
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The control group of a command, where one can be made.
    async fn leaf(&self, run: &Run<'_>) -> Option<Leaf> {
        let id = match id(run) {
            Ok(id) => id,
            Err(error) => {
                tracing::warn!(%error, "a command of a verify has no control group");
                return None;
            }
        };
        let Budget { memory, milli_cpus, pids } = run.budget;
        let agent = GroupLimits { memory, milli_cpus, pids };
        let cgroups = self.supervisor.cgroups();
        // A run that was cut off with its controller may have left somebody in it.
        if let Some(old) = cgroups.whole_leaf(&id) {
            empty(old, run.name).await;
        }
        cgroups.make(&id, &GroupLimits::default(), &agent).unwrap_or_else(|error| {
            tracing::warn!(command = run.name, %error, "cannot make the control group of a verify");
            None
        })
    }

    /// The words that put a command into its group.
    fn launcher(&self, leaf: Option<&Leaf>) -> Vec<OsString> {
        let Some(leaf) = leaf else { return Vec::new() };
        let mut words = vec![self.shim.clone().into_os_string(), "--enter".into()];
        words.extend(leaf.folders.iter().map(|folder| folder.path.clone().into_os_string()));
        words.push("--".into());
        words
    }
}

fn id(run: &Run<'_>) -> Result<ProcessId, InvalidProcessId> {
    format!("{}.{}/{KIND}.{}", run.whose.agent.name, run.whose.uid.short(), run.name).parse()
}

/// Ends all that is left in a group, and removes it.
async fn empty(leaf: Leaf, name: &str) {
    let work = move || {
        let left = leaf.clear(CLEAR)?;
        if left.is_empty() { leaf.remove().map(|()| left) } else { Ok(left) }
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(left)) if left.is_empty() => {}
        Ok(Ok(left)) => {
            let pids: Vec<i32> = left.iter().map(|identity| identity.pid).collect();
            tracing::warn!(?pids, command = name, "what a command of a verify left does not end");
        }
        Ok(Err(error)) => tracing::warn!(command = name, %error, "cannot clear a control group"),
        Err(error) => tracing::warn!(command = name, %error, "cannot clear a control group"),
    }
}
