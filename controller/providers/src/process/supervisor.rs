//! Starts, finds and stops processes, each under a shim; holds nothing in memory that matters.
//!
//! All that is known of a process lies in its run folder and in `/proc`, so a supervisor that is
//! killed at any instruction is replaced by the next one without loss.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::limits::{Budget, Limits};
use agent_harness_shim::cgroup::{Controller, Leaf};
use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::protocol::{
    EXIT_FILE, Exceeded, LAUNCH_FILE, LOCK_FILE, RECORD_FILE, STOP_FILE,
};
use agent_harness_shim::signals;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::broadcast;

use super::cgroups::{Cgroups, GroupLimits};
use super::drain;
use super::error::SuperviseError;
use super::launch::{Launch, ProcessId};
use super::lock::try_lock;
use super::probe::Run;
use super::state::{self, Lock, Process, ProcessState};
use super::tell::tell;
use super::watch::Watch;
use crate::fs;

/// How long a start may wait for a predecessor to go, and the shim for its first word.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// What a stop waits beyond the grace: the shim's rounds of SIGKILL, and its synced record.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// How long a shim that has written its record may take to exit.
const FORGET_PATIENCE: Duration = Duration::from_secs(5);
/// How long what an earlier run left in its group may take to vanish after SIGKILL.
const CLEAR_PATIENCE: Duration = Duration::from_secs(5);

/// Supervises the processes of one state folder.
pub struct Supervisor {
    run_root: PathBuf,
    shim: PathBuf,
    boot: String,
    watch: Watch,
    cgroups: Cgroups,
    /// One start or stop at a time per process.
    busy: Mutex<BTreeMap<ProcessId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Supervisor {
    /// Makes `run_root` (mode 0700) if need be. `shim_binary` is the program `agent-shim`. Processes are held by
    /// process groups.
    pub fn new(run_root: PathBuf, shim_binary: PathBuf) -> Result<Self, SuperviseError> {
        Self::with_cgroups(run_root, shim_binary, Cgroups::default())
    }

    /// The same; processes are held by control groups, where there are some.
    pub fn with_cgroups(
        run_root: PathBuf,
        shim_binary: PathBuf,
        cgroups: Cgroups,
    ) -> Result<Self, SuperviseError> {
        fs::create_dir_all(&run_root, 0o700)?;
        let look = |source| SuperviseError::Look { folder: run_root.clone(), source };
        let boot = identity::boot().map_err(look)?;
        let watch = Watch::new().map_err(look)?;
        Ok(Self { run_root, shim: shim_binary, boot, watch, cgroups, busy: Mutex::default() })
    }

    /// By what processes are held.
    pub fn cgroups(&self) -> &Cgroups {
        &self.cgroups
    }

    /// Hints that something about this process may have changed. Lagging means: look at all.
    pub fn subscribe(&self) -> broadcast::Receiver<ProcessId> {
        self.watch.hints().subscribe()
    }

    /// For others who know that something changed, such as probes.
    pub(super) fn hints(&self) -> broadcast::Sender<ProcessId> {
        self.watch.hints().clone()
    }

    /// Every process that was started and not forgotten. One that cannot be read is an error of its own.
    pub fn list(
        &self,
    ) -> Result<BTreeMap<ProcessId, Result<Process, SuperviseError>>, SuperviseError> {
        let mut found = BTreeMap::new();
        for folder in fs::list_dir(&self.run_root)? {
            let Some(id) =
                folder.file_name().and_then(|name| name.to_str()).and_then(ProcessId::from_folder)
            else {
                continue;
            };
            match self.get(&id) {
                Ok(Some(process)) => found.insert(id, Ok(process)),
                Ok(None) => None,
                Err(error) => found.insert(id, Err(error)),
            };
        }
        Ok(found)
    }

    /// Run folders in which no process is and that nobody has touched for this time: of a start or a forgetting that was
    /// cut.
    pub fn empty_folders(&self, since: Duration) -> Result<Vec<ProcessId>, SuperviseError> {
        let mut empty = Vec::new();
        for folder in fs::list_dir(&self.run_root)? {
            let name = folder.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(ProcessId::from_folder) else { continue };
            let touched = fs::metadata(&folder)?.and_then(|found| found.modified().ok());
            let is_old = touched.and_then(|at| at.elapsed().ok()).is_some_and(|age| age >= since);
            if is_old && matches!(self.get(&id), Ok(None)) {
                empty.push(id);
            }
        }
        Ok(empty)
    }

    /// One process; `None`: never started, or forgotten.
    pub fn get(&self, id: &ProcessId) -> Result<Option<Process>, SuperviseError> {
        self.look(id, Lock::Unknown)
    }

    fn look(&self, id: &ProcessId, lock: Lock) -> Result<Option<Process>, SuperviseError> {
        let process = state::look(&self.folder(id), &self.boot, lock)
            .map_err(|error| SuperviseError::Unknown { id: id.clone(), why: error.to_string() })?;
        if let Some(Process { shim: Some(shim), state, .. }) = &process
            && matches!(
                state,
                ProcessState::Starting | ProcessState::Running { .. } | ProcessState::Ending
            )
        {
            self.watch.add(id, *shim);
        }
        Ok(process)
    }

    /// Starts a process and waits until it is executed. The same fingerprint runs already: Ok.
    ///
    /// Another fingerprint runs: [`SuperviseError::Different`]. What a killed shim left behind is
    /// ended first. The new run folder is complete before the shim is spawned.
    pub async fn start(&self, launch: &Launch) -> Result<Process, SuperviseError> {
        let id = &launch.id;
        let _turn = self.turn(id).lock_owned().await;
        let folder = self.folder(id);
        fs::create_dir_all(&folder, 0o700)?;
        if let Some(parent) = launch.log_path.parent() {
            fs::create_dir_all(parent, 0o700)?;
        }
        let deadline = Instant::now() + START_PATIENCE;
        let (lock, before) = loop {
            let process = self.get(id)?;
            match &process {
                Some(running) if matches!(running.state, ProcessState::Running { .. }) => {
                    if running.fingerprint == launch.fingerprint {
                        return Ok(running.clone());
                    }
                    return Err(SuperviseError::Different { id: id.clone() });
                }
                Some(lost) if matches!(lost.state, ProcessState::Lost { .. }) => {
                    self.drain(id, lost, None).await?;
                }
                _ => {}
            }
            let lock =
                try_lock(&folder).map_err(SuperviseError::system(id, "lock its run folder"))?;
            match lock {
                // Whoever had it may have come to its end since the look above.
                Some(lock) => match self.look(id, Lock::Ours)? {
                    Some(lost) if matches!(lost.state, ProcessState::Lost { .. }) => {
                        self.drain(id, &lost, None).await?;
                        break (lock, Some(lost));
                    }
                    now => break (lock, now),
                },
                None if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                None => {
                    return Err(SuperviseError::Held {
                        id: id.clone(),
                        lock: folder.join(LOCK_FILE),
                    });
                }
            }
        };
        let leaf = self.enclose(launch, before.as_ref()).await?;
        self.spawn(launch, &folder, lock, before.as_ref(), leaf).await?;
        match self.get(id)? {
            Some(process) => Ok(process),
            None => Err(SuperviseError::Unknown {
                id: id.clone(),
                why: "its run folder vanished during the start".to_owned(),
            }),
        }
    }

    /// Stops a process with its whole tree and waits for its end. Absent or ended: Ok.
    pub async fn stop(
        &self,
        id: &ProcessId,
        signal: Signal,
        grace: Duration,
    ) -> Result<(), SuperviseError> {
        self.end(id, signal, grace, None).await
    }

    /// The same for one that does not do its work: its end counts as a failure, for the reason given.
    pub async fn fail(
        &self,
        id: &ProcessId,
        signal: Signal,
        grace: Duration,
        why: &str,
    ) -> Result<(), SuperviseError> {
        self.end(id, signal, grace, Some(why)).await
    }

    async fn end(
        &self,
        id: &ProcessId,
        signal: Signal,
        grace: Duration,
        failed: Option<&str>,
    ) -> Result<(), SuperviseError> {
        let _turn = self.turn(id).lock_owned().await;
        let folder = self.folder(id);
        let deadline = Instant::now() + grace + STOP_PATIENCE;
        let mut wait = Duration::from_millis(2);
        let mut told = None;
        loop {
            let Some(process) = self.get(id)? else { return Ok(()) };
            match &process.state {
                ProcessState::Exited { .. } => return Self::survivors(id, &folder),
                ProcessState::Lost { .. } => {
                    self.drain(id, &process, Some((signal, grace))).await?;
                    // Held: a child of the killed shim is about to be executed.
                    if !is_held(&folder) {
                        return Ok(());
                    }
                }
                ProcessState::Starting | ProcessState::Running { .. } | ProcessState::Ending => {
                    if told.as_ref() != Some(&process.instance) || process.shim.is_none() {
                        tell(id, &folder, &process, (signal, grace), failed, None)?;
                        told = process.shim.map(|_| process.instance.clone());
                    }
                }
            }
            if Instant::now() >= deadline {
                let pids = process.payload.iter().map(|payload| payload.pid).collect();
                return Err(SuperviseError::Survives { id: id.clone(), pids });
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(25));
        }
    }

    /// Has one end that runs, because of what its agent uses. It does not wait, and nobody wished it away: the restart
    /// policy goes on. Nothing happens while it is started or stopped just now.
    pub(super) fn shed(
        &self,
        id: &ProcessId,
        process: &Process,
        over: Exceeded,
    ) -> Result<(), SuperviseError> {
        let turn = self.turn(id);
        let Ok(_turn) = turn.try_lock() else { return Ok(()) };
        let signal = signals::from_number(process.stop_signal).unwrap_or(Signal::TERM);
        let grace = Duration::from_millis(process.stop_grace_ms);
        tell(id, &self.folder(id), process, (signal, grace), None, Some(over))
    }

    /// Removes the run folder of a process that does not run; its log stays. Absent: Ok.
    pub async fn forget(&self, id: &ProcessId) -> Result<(), SuperviseError> {
        let _turn = self.turn(id).lock_owned().await;
        let folder = self.folder(id);
        if fs::metadata(&folder)?.is_none() {
            return Ok(());
        }
        // Its shim may still be on its way out.
        let mut patience = Instant::now() + FORGET_PATIENCE;
        let _lock = loop {
            let lock =
                try_lock(&folder).map_err(SuperviseError::system(id, "lock its run folder"))?;
            if let Some(lock) = lock {
                break lock;
            }
            if matches!(self.get(id)?, Some(Process { state: ProcessState::Running { .. }, .. })) {
                patience = Instant::now();
            }
            if Instant::now() >= patience {
                return Err(SuperviseError::Held { id: id.clone(), lock: folder.join(LOCK_FILE) });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        // One that cannot be read is forgotten too.
        let named = self.look(id, Lock::Ours).ok().flatten().and_then(|process| process.leaf);
        self.empty(id, named).await?;
        // First: without it the folder counts as empty, so a crash in the middle leaves no ghost.
        fs::remove_file_if_exists(folder.join(LAUNCH_FILE))?;
        fs::remove_dir_all(&folder)?;
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        Ok(())
    }

    /// What is known of a run of it to whoever probes it; `None`: it does not run.
    pub(crate) fn run(&self, id: &ProcessId, process: &Process) -> Option<Run> {
        let ProcessState::Running { pid, started_at_ms } = process.state else { return None };
        Some(Run {
            pid,
            started_at_ms,
            instance: process.instance.clone(),
            folder: self.folder(id),
            log_path: process.log_path.clone(),
            mark: process.mark.clone(),
        })
    }

    fn folder(&self, id: &ProcessId) -> PathBuf {
        self.run_root.join(id.folder())
    }

    fn turn(&self, id: &ProcessId) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(busy.entry(id.clone()).or_default())
    }

    async fn drain(
        &self,
        id: &ProcessId,
        process: &Process,
        signal: Option<(Signal, Duration)>,
    ) -> Result<(), SuperviseError> {
        let left = drain::drain(id, process, &self.folder(id), signal)
            .await
            .map_err(SuperviseError::system(id, "end what an earlier run left behind"))?;
        if left.is_empty() {
            return Ok(());
        }
        let pids = left.iter().map(|process| process.pid).collect();
        Err(SuperviseError::Survives { id: id.clone(), pids })
    }

    /// After an exit the lock is free, unless somebody of the tree outlived SIGKILL.
    fn survivors(id: &ProcessId, folder: &Path) -> Result<(), SuperviseError> {
        let exit = files::read_json::<agent_harness_shim::protocol::Exit>(&folder.join(EXIT_FILE))
            .map_err(SuperviseError::system(id, "read its exit record"))?;
        let alive = |pid: &i32| {
            identity::stat(*pid).is_ok_and(|stat| stat.is_some_and(|stat| stat.is_alive()))
        };
        let pids: Vec<i32> =
            exit.map(|exit| exit.survivors).unwrap_or_default().into_iter().filter(alive).collect();
        if pids.is_empty() || !is_held(folder) {
            return Ok(());
        }
        Err(SuperviseError::Survives { id: id.clone(), pids })
    }

    /// An edit to a limit that nothing here can hold it to must not cost a process that works.
    pub(super) fn refuse_unheld(
        &self,
        id: &ProcessId,
        limits: Limits,
    ) -> Result<(), SuperviseError> {
        if limits.milli_cpus.is_some() && !self.cgroups.holds(Controller::Cpu) {
            return Err(SuperviseError::Unheld { id: id.clone(), what: "cpus" });
        }
        Ok(())
    }

    /// Makes the group of a run, under the lock of its run folder. `None`: none can be made.
    async fn enclose(
        &self,
        launch: &Launch,
        before: Option<&Process>,
    ) -> Result<Option<Leaf>, SuperviseError> {
        let id = &launch.id;
        self.empty(id, before.and_then(|before| before.leaf.clone())).await?;
        let Limits { memory, milli_cpus, pids, .. } = launch.limits;
        let own = GroupLimits { memory, milli_cpus, pids };
        let Budget { memory, milli_cpus, pids } = launch.budget;
        let agent = GroupLimits { memory, milli_cpus, pids };
        let leaf = self.cgroups.make(id, &own, &agent).unwrap_or_else(|error| {
            tracing::warn!(process = %id, %error, "cannot make its control group: process groups hold it");
            None
        });
        let has_cpu = leaf.as_ref().is_some_and(|leaf| leaf.limit(Controller::Cpu).is_some());
        if launch.limits.milli_cpus.is_some() && !has_cpu {
            if let Some(leaf) = leaf {
                let _ = leaf.remove();
            }
            return Err(SuperviseError::Unheld { id: id.clone(), what: "cpus" });
        }
        Ok(leaf)
    }

    /// Kills what an earlier run left in its group and removes that; also one that nothing names, as of a start that
    /// was cut off.
    async fn empty(&self, id: &ProcessId, named: Option<Leaf>) -> Result<(), SuperviseError> {
        let leaves: Vec<Leaf> = named.into_iter().chain(self.cgroups.whole_leaf(id)).collect();
        let work = move || -> std::io::Result<Vec<Identity>> {
            let mut left = Vec::new();
            for leaf in leaves {
                let of_leaf = leaf.clear(CLEAR_PATIENCE)?;
                if of_leaf.is_empty() {
                    leaf.remove()?;
                }
                left.extend(of_leaf);
            }
            Ok(left)
        };
        let left = tokio::task::spawn_blocking(work)
            .await
            .map_err(std::io::Error::other)
            .and_then(std::convert::identity)
            .map_err(SuperviseError::system(id, "empty its control group"))?;
        if left.is_empty() {
            return Ok(());
        }
        let pids = left.iter().map(|process| process.pid).collect();
        Err(SuperviseError::Survives { id: id.clone(), pids })
    }

    async fn spawn(
        &self,
        launch: &Launch,
        folder: &Path,
        lock: File,
        before: Option<&Process>,
        leaf: Option<Leaf>,
    ) -> Result<(), SuperviseError> {
        let id = &launch.id;
        let (restarts, failures) = match before {
            Some(before) if before.fingerprint == launch.fingerprint => {
                (before.restarts + 1, before.failures)
            }
            _ => (0, 0),
        };
        let instance = uuid::Uuid::now_v7().to_string();
        let file = launch.to_file(instance, restarts, failures, leaf);
        // From here on the old records are void: they are of another instance.
        files::write_json(&folder.join(LAUNCH_FILE), &file, Durability::Boot)
            .map_err(SuperviseError::system(id, "write its launch file"))?;
        for void in [EXIT_FILE, STOP_FILE, RECORD_FILE] {
            fs::remove_file_if_exists(folder.join(void))?;
        }
        let mut child = tokio::process::Command::new(&self.shim)
            .arg(folder)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(lock))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| SuperviseError::NoShim { path: self.shim.clone(), source })?;
        let stdout = child.stdout.take();
        // Ours to reap for as long as we live; afterwards it is init's.
        tokio::spawn(async move {
            let _ = child.wait().await;
        });
        let mut answer = String::new();
        if let Some(stdout) = stdout {
            let mut stdout = BufReader::new(stdout);
            tokio::time::timeout(START_PATIENCE, stdout.read_line(&mut answer))
                .await
                .map_err(|_| SuperviseError::NoAnswer {
                    id: id.clone(),
                    seconds: START_PATIENCE.as_secs(),
                })?
                .map_err(SuperviseError::system(id, "hear from its holder"))?;
        }
        match answer.trim_end() {
            "ok" => Ok(()),
            "" => Err(SuperviseError::NotStarted {
                id: id.clone(),
                why: "its holder ended at once".to_owned(),
            }),
            other => Err(SuperviseError::NotStarted {
                id: id.clone(),
                why: other.strip_prefix("error: ").unwrap_or(other).to_owned(),
            }),
        }
    }
}

fn is_held(folder: &Path) -> bool {
    matches!(try_lock(folder), Ok(None))
}
