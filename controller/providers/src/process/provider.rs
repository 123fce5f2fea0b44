//! Connects the supervisor to the `Process` kind: what is seen, and what its actions do.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::process::{Action, Desired, Observed, Place};
use agent_harness_model::kinds::{self, Have, Readiness, Resource};
use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::world::{self, ApplyError, Ask, Class, Seen};
use agent_harness_shim::{logs, signals, timestamp};
use rustix::process::Signal;

use super::backoff;
use super::changes::FileWatches;
use super::ports::{self, Listener, Listening};
use super::probe::{Health, Prober};
use super::{Launch, Loss, Process, ProcessId, ProcessState, SuperviseError, Supervisor};
use crate::mask::Mask;
use crate::provider::{Context, Provider, unknown, wrong_kind};

/// How long a look waits for the first answers of probes.
const FIRST_LOOKS: Duration = Duration::from_millis(300);

/// The processes of agents.
pub struct ProcessProvider {
    supervisor: Arc<Supervisor>,
    prober: Prober,
    files: FileWatches,
    log_root: PathBuf,
}

impl Provider for ProcessProvider {
    async fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> world::Observed {
        let listed = match self.supervisor.list() {
            Ok(listed) => listed,
            Err(error) => {
                return unknown(asks, &ApplyError::from_error(error.class(), &error).message);
            }
        };
        self.probe_only_running(&listed);
        self.begin_probes(asks, &listed);
        self.prober.first_looks(FIRST_LOOKS).await;
        // Read only when a process does not run.
        let mut listening = None;
        asks.iter()
            .map(|ask| {
                let seen = match process_id(ask.id) {
                    Ok(id) => self.see(&cx.mark(ask.id), ask, &id, listed.get(&id), &mut listening),
                    Err(error) => Seen::Unknown(error.to_string()),
                };
                (ask.id.clone(), seen)
            })
            .collect()
    }

    async fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &kinds::Action,
    ) -> Result<(), ApplyError> {
        let kinds::Action::Process(action) = action else {
            return Err(wrong_kind(resource, action));
        };
        let id = process_id(resource).map_err(|error| ApplyError {
            class: Class::Terminal,
            message: error.to_string(),
            part: None,
        })?;
        self.act(&cx.mark(resource), resource, id, action).await.map_err(|error| match &error {
            // Whoever reads it knows which process it is about; the words are those of the looks that follow.
            SuperviseError::NotStarted { why, .. } => ApplyError {
                class: error.class(),
                message: format!("did not start: {why}"),
                part: None,
            },
            _ => ApplyError::from_error(error.class(), &error),
        })
    }
}

impl ProcessProvider {
    /// Logs lie below `log_root`, see [`agent_harness_shim::logs::path`].
    pub fn new(supervisor: Arc<Supervisor>, log_root: PathBuf) -> Self {
        let prober = Prober::new(supervisor.hints());
        let files = FileWatches::new(supervisor.hints());
        Self { supervisor, prober, files, log_root }
    }

    async fn act(
        &self,
        mark: &Mark,
        resource: &ResourceId,
        id: ProcessId,
        action: &Action,
    ) -> Result<(), SuperviseError> {
        match action {
            Action::Start(want) => self.start(mark, resource, id, want).await,
            Action::Respawn(want) => {
                self.refuse_taken_ports(&id, want)?;
                self.supervisor.refuse_unheld(&id, want.limits)?;
                let (signal, grace) = how_to_stop(&want.place);
                self.supervisor.stop(&id, signal, grace).await?;
                self.start(mark, resource, id, want).await
            }
            Action::End(place) => {
                let (signal, grace) = how_to_stop(place);
                self.supervisor.stop(&id, signal, grace).await
            }
            Action::Fail(place, why) => {
                let (signal, grace) = how_to_stop(place);
                self.supervisor.fail(&id, signal, grace, why).await
            }
            Action::Stop(place) => {
                let (signal, grace) = how_to_stop(place);
                self.prober.forget(&id);
                self.supervisor.stop(&id, signal, grace).await?;
                self.supervisor.forget(&id).await
            }
        }
    }

    /// Before a process is stopped for another: an edit to a port that a stranger has must not cost one that
    /// works.
    fn refuse_taken_ports(&self, id: &ProcessId, want: &Desired) -> Result<(), SuperviseError> {
        for (name, port) in &want.ports {
            if let Some(who) = ports::stranger(&self.supervisor, id, *port)? {
                return Err(SuperviseError::PortTaken { who: is_taken(name, *port, &who) });
            }
        }
        Ok(())
    }

    async fn start(
        &self,
        mark: &Mark,
        resource: &ResourceId,
        id: ProcessId,
        want: &Desired,
    ) -> Result<(), SuperviseError> {
        let (stop_signal, stop_grace) = how_to_stop(&want.place);
        let env = &want.command.env;
        let launch = Launch {
            id,
            argv: want.command.argv.clone(),
            env: env
                .iter()
                .map(|(name, value)| (name.clone(), value.reveal().to_owned()))
                .collect(),
            cwd: want.command.cwd.clone(),
            user: None,
            umask: None,
            log_path: logs::path(
                &self.log_root,
                &resource.owner.slug(),
                resource.kind.as_str(),
                &resource.name,
            ),
            fingerprint: want.fingerprint.clone(),
            mark: mark.to_string(),
            stop_signal,
            stop_grace,
            limits: want.limits,
            budget: want.budget,
        };
        let started = self.supervisor.start(&launch).await?;
        if let Some(run) = self.supervisor.run(&launch.id, &started) {
            // Looked at from the first moment, not from the next look on.
            self.prober.health(&launch.id, &run, want);
            self.files.changed(&launch.id, &run, want.watch.as_ref());
        }
        Ok(())
    }

    fn probe_only_running(&self, listed: &BTreeMap<ProcessId, Result<Process, SuperviseError>>) {
        let runs = |process: &Result<Process, SuperviseError>| match process {
            Ok(process) => matches!(process.state, ProcessState::Running { .. }),
            // Unknown is not absent.
            Err(_) => true,
        };
        let running: BTreeSet<ProcessId> =
            listed.iter().filter(|(_, process)| runs(process)).map(|(id, _)| id.clone()).collect();
        self.prober.keep_only(&running);
        self.files.keep_only(&running);
    }

    /// Begins to look at processes that run and that nobody looks at yet.
    fn begin_probes(
        &self,
        asks: &[Ask<'_>],
        listed: &BTreeMap<ProcessId, Result<Process, SuperviseError>>,
    ) {
        for ask in asks {
            let (Some(Resource::Process(want)), Ok(id)) = (ask.want, process_id(ask.id)) else {
                continue;
            };
            if let Some(Ok(process)) = listed.get(&id) {
                self.seen(&id, process, Some(want.as_ref()));
            }
        }
    }

    fn see(
        &self,
        mark: &Mark,
        ask: &Ask<'_>,
        id: &ProcessId,
        found: Option<&Result<Process, SuperviseError>>,
        listening: &mut Option<Listening>,
    ) -> Seen<Option<Have>> {
        let want = match ask.want {
            Some(Resource::Process(want)) => Some(want.as_ref()),
            _ => None,
        };
        if ask.want.is_none() && is_planted(Bug::LeaversAreOverlooked) {
            return Seen::Known(None);
        }
        let process = found.and_then(|found| found.as_ref().ok());
        let seen = match found {
            None => None,
            Some(Err(error)) => {
                return Seen::Unknown(ApplyError::from_error(error.class(), error).message);
            }
            Some(Ok(process)) if process.mark != mark.to_string() => {
                return Seen::Unknown(format!(
                    "the run folder of process {id} carries another mark ({})",
                    process.mark
                ));
            }
            Some(Ok(process)) => self.seen(id, process, want),
        };
        let seen = match (seen, want) {
            (Some(running @ Observed::Running { .. }), _) => Some(running),
            (other, Some(want)) if !want.ports.is_empty() => {
                match taken(id, process, want, listening) {
                    Ok(Some(who)) => Some(Observed::PortTaken(who)),
                    Ok(None) => other,
                    Err(error) => {
                        return Seen::Unknown(format!("cannot see who has its ports: {error}"));
                    }
                }
            }
            (other, _) => other,
        };
        Seen::Known(seen.map(Have::Process))
    }

    /// `None` for what is to be started whatever the restart policy says.
    fn seen(&self, id: &ProcessId, process: &Process, want: Option<&Desired>) -> Option<Observed> {
        let now = timestamp::now_ms();
        let fingerprint = process.fingerprint.clone();
        match &process.state {
            ProcessState::Starting => Some(on_its_way(process, "is being started")),
            // How it ended, and its last words, are known once its tree is gone.
            ProcessState::Ending => {
                Some(on_its_way(process, "it has ended, and what it started is being ended"))
            }
            ProcessState::Running { pid, started_at_ms } => {
                let age_ms = now.saturating_sub(*started_at_ms);
                let run = self.supervisor.run(id, process);
                let (health, changed) = match (want, run) {
                    (Some(want), Some(run)) => (
                        self.prober.health(id, &run, want),
                        self.files.changed(id, &run, want.watch.as_ref()),
                    ),
                    _ => (Health::default(), None),
                };
                let healthy = u128::from(age_ms) >= backoff::HEALTHY.as_millis();
                let restarts = if healthy { 0 } else { process.failures };
                let folder_gone = want.is_some_and(|want| folder_gone(*pid, &want.command.cwd));
                Some(Observed::Running {
                    fingerprint,
                    pid: *pid,
                    ready: health.ready,
                    restarts,
                    age_ms,
                    folder_gone,
                    hopeless: health.hopeless,
                    changed,
                })
            }
            // Ended by us or by a reboot, and wanted again.
            ProcessState::Exited { requested: true, .. }
            | ProcessState::Lost { why: Loss::Reboot | Loss::StartCutOff, .. }
                if want.is_some() =>
            {
                None
            }
            ProcessState::Exited { .. } | ProcessState::Lost { .. } => {
                let mut exit = super::exit(process, now)?;
                let lines = std::mem::take(&mut exit.last_lines);
                // Without the wish nobody knows what in them is secret.
                if let Some(want) = want {
                    let mask = Mask::of(want.command.env.values());
                    exit.last_lines = lines.iter().map(|line| mask.apply(line)).collect();
                }
                Some(Observed::Exited { fingerprint, exit })
            }
        }
    }
}

fn on_its_way(process: &Process, what: &str) -> Observed {
    Observed::Running {
        fingerprint: process.fingerprint.clone(),
        pid: 0,
        ready: Readiness::NotReady(what.to_owned()),
        restarts: process.failures,
        age_ms: 0,
        folder_gone: false,
        hopeless: None,
        changed: None,
    }
}

/// The id under which the supervisor holds a resource: `agent-3.0a1b2c3d/api`.
///
/// The incarnation is in it: while one leaves, its successor may already be there.
pub fn process_id(id: &ResourceId) -> Result<ProcessId, super::InvalidProcessId> {
    format!("{}.{}/{}", id.owner.name, id.uid.short(), id.name).parse()
}

fn how_to_stop(place: &Place) -> (Signal, Duration) {
    // Checked by validation; an unknown name still stops it.
    let signal = signals::parse(&place.stop_signal).unwrap_or(Signal::TERM);
    (signal, Duration::from_millis(place.stop_grace_ms))
}

/// Which of its ports somebody else has.
fn taken(
    id: &ProcessId,
    process: Option<&Process>,
    want: &Desired,
    listening: &mut Option<Listening>,
) -> std::io::Result<Option<String>> {
    let listening = match listening {
        Some(listening) => listening,
        none => none.insert(Listening::read()?),
    };
    for (name, port) in &want.ports {
        if let Some(who) = listening.in_the_way(*port, id, process)?.first() {
            return Ok(Some(is_taken(name, *port, who)));
        }
    }
    Ok(None)
}

fn is_taken(name: &str, port: u16, who: &Listener) -> String {
    format!("port {port} ({name}) is taken by {who}")
}

/// Whether the folder that a process was started in was deleted since: the kernel says so in its link.
fn folder_gone(pid: u32, cwd: &std::path::Path) -> bool {
    let mut deleted = cwd.as_os_str().to_owned();
    deleted.push(" (deleted)");
    // A process that ended meanwhile has none, and the next look sees that.
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|now| now.as_os_str() == deleted)
}
