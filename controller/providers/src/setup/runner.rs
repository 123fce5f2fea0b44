//! Runs one command to its end: exact environment, its own process group, a deadline, a log.
//!
//! A controller that is killed leaves the command behind, without anybody who reads its output or its
//! result. So its next start ends all such leftovers, and the step is run anew: never two at once. A lock
//! that the command inherits, and a second look before each run, hold that even if one was overlooked.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::id::{Mark, ObjectKey, ResourceId, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::template::BuildStep;
use agent_harness_model::secret::Text;
use agent_harness_model::world::ApplyError;
use agent_harness_shim::tree::MARK_VARIABLE;
use agent_harness_shim::{identity, logs, signals};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::error::RunError;
use super::group::{Group, end_of};
use super::leftovers::{STEP_VARIABLE, Whose, holders};
use super::log::Log;
use crate::fs;
use crate::mask::Mask;
use crate::postgres::{RunStep, StepFuture};

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// From the end of a command to the end of reading its output.
const DRAIN: Duration = Duration::from_secs(2);

/// For a lock that is held.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the records of an incarnation's steps are, in `STATE/setup`.
pub fn records_of(folder: &Path, owner: &ObjectKey, uid: &Uid) -> PathBuf {
    folder.join(format!("{}-{}", owner.slug(), uid.short()))
}

/// Runs the steps of one state folder.
#[derive(Debug, Clone)]
pub struct Runner {
    folder: PathBuf,
    log_root: PathBuf,
    installation: String,
    stop: CancellationToken,
    running: Arc<Mutex<HashSet<PathBuf>>>,
    /// The steps of which this controller has seen the end, with nothing left of them.
    over: Arc<Mutex<HashSet<PathBuf>>>,
}

/// Hears each line that a command prints, as it is printed; a line that is too long comes in parts.
pub type Heard<'a> = dyn Fn(&[u8]) + Send + Sync + 'a;

/// What is to be run.
pub struct Job<'a> {
    /// For whom.
    pub owner: &'a ObjectKey,
    /// For which incarnation.
    pub uid: &'a Uid,
    /// The folder of its log: `setup`, `template`, `verify`.
    pub kind: &'a str,
    /// Name of the log, and of the step within its owner and kind.
    pub name: &'a str,
    /// What is run.
    pub command: &'a Command,
    /// Words before those of the command: a program that becomes the command.
    pub launcher: &'a [OsString],
    /// Hears what it prints.
    pub heard: Option<&'a Heard<'a>>,
    /// More variables; they win over the command's own.
    pub env: BTreeMap<String, Text>,
    /// Then it is stopped and counts as failed.
    pub timeout: Duration,
    /// It is stopped when this is cancelled.
    pub stop: &'a CancellationToken,
}

/// How a command ended, whatever came of it.
#[derive(Debug)]
pub struct Ended {
    /// Why it is over.
    pub why: Why,
    /// As the system tells it.
    pub status: ExitStatus,
    /// The last lines that it printed, without secrets.
    pub lines: Vec<String>,
    /// Where all of them are.
    pub log: PathBuf,
}

impl Runner {
    /// A runner with its files in `STATE/setup` and its logs below `log_root`. What an earlier controller
    /// left running is ended; call it when this is the only controller of the state folder. Steps end when
    /// `stop` is cancelled.
    pub fn new(
        state: &Path,
        log_root: PathBuf,
        installation: String,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let runner = Self {
            folder: state.join("setup"),
            log_root,
            installation,
            stop,
            running: Arc::default(),
            over: Arc::default(),
        };
        // Steps are not run besides what is left of them; nothing else depends on this.
        match Whose::any_step(&runner.installation).signal(Signal::KILL) {
            Ok(denied) if denied.is_empty() => {}
            Ok(denied) => {
                let pids: Vec<i32> = denied.iter().map(|identity| identity.pid).collect();
                tracing::warn!(
                    ?pids,
                    "steps and probes of an earlier controller are not ours to end"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "cannot end steps and probes of an earlier controller");
            }
        }
        Ok(runner)
    }

    /// Where an incarnation has its records.
    pub(super) fn folder_of(&self, owner: &ObjectKey, uid: &Uid) -> PathBuf {
        records_of(&self.folder, owner, uid)
    }

    /// Runs a command to its end, which has to be a good one.
    pub async fn run(&self, job: &Job<'_>) -> Result<(), RunError> {
        let line = job.command.line();
        let Ended { why, status, lines, log } = self.run_to_end(job).await?;
        match why {
            Why::Exited if status.success() => Ok(()),
            Why::Exited => Err(RunError::Failed { line, how: how(status), lines, log }),
            Why::TimedOut => {
                let how = timed_out(job.timeout);
                Err(RunError::TimedOut { line, how, lines, log })
            }
            Why::Cancelled => Err(RunError::Cancelled { line }),
            Why::Unwanted => Err(RunError::Unwanted { line }),
        }
    }

    /// Runs a command to its end, whatever that is. An error: it could not be run.
    pub async fn run_to_end(&self, job: &Job<'_>) -> Result<Ended, RunError> {
        let line = job.command.line();
        let folder = self.folder_of(job.owner, job.uid);
        fs::create_dir_all(&folder, 0o700)?;
        let slot = folder.join(format!("{}.{}", job.kind, file_name(job.name)));
        let _running = Running::enter(&self.running, &slot)
            .ok_or_else(|| RunError::Running { line: line.clone() })?;
        let mark = Mark { installation: self.installation.clone(), uid: job.uid.clone() };
        let step = format!("{} {}/{}", job.owner, job.kind, job.name);
        let whose = Whose::step(mark.to_string(), step.clone());
        let is_over = self.over().remove(&slot);
        if !is_over {
            nothing_left(&whose, &line).await?;
        }
        let lock = alone(&lock_of(&slot), &line).await?;
        let path = logs::path(&self.log_root, &job.owner.slug(), job.kind, &file_name(job.name));
        let log = Log::open(&path)?;
        let ended = self.carry_out(job, &line, &log, &whose, (&mark, &step), &lock).await?;
        self.over().insert(slot);
        Ok(ended)
    }

    fn over(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn carry_out(
        &self,
        job: &Job<'_>,
        line: &str,
        log: &Log,
        whose: &Whose,
        (mark, step): (&Mark, &str),
        lock: &File,
    ) -> Result<Ended, RunError> {
        let system = |what| move |source| RunError::System { what, line: line.to_owned(), source };
        let words = job.launcher.iter().map(OsString::as_os_str);
        let mut words = words.chain(job.command.argv.iter().map(OsStr::new));
        let Some(program) = words.next() else {
            return Err(system("run")(io::Error::other("there is no command")));
        };
        if !job.command.cwd.is_dir() {
            let folder = job.command.cwd.clone();
            return Err(RunError::NoFolder { line: line.to_owned(), folder });
        }
        log.begin(line).map_err(system("log the output of"))?;
        let env = job.command.env.iter().chain(&job.env);
        // Before the start, or the end could be missed.
        let mut children = signal(SignalKind::child()).map_err(system("wait for"))?;
        let mut child = tokio::process::Command::new(program)
            .args(words)
            .current_dir(&job.command.cwd)
            .env_clear()
            .envs(env.map(|(name, value)| (name, value.reveal())))
            .env(MARK_VARIABLE, mark.to_string())
            .env(STEP_VARIABLE, step)
            .stdin(Stdio::from(lock.try_clone().map_err(system("lock"))?))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| RunError::Start {
                line: line.to_owned(),
                program: program.to_string_lossy().into_owned(),
                source,
            })?;
        let mut group = Group::of(&child);
        let mut whose = whose.clone();
        if let Some(pid) = group.pid() {
            // Nothing of this run is older, and all of `/proc` is much to read.
            let first = identity::of(pid.as_raw_pid()).map_err(system("look at"))?;
            whose = whose.since(first);
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = CancellationToken::new();
        let follow = async {
            let out = async {
                match stdout {
                    Some(stdout) => log.follow("stdout", stdout, job.heard).await,
                    None => Ok(()),
                }
            };
            let err = async {
                match stderr {
                    Some(stderr) => log.follow("stderr", stderr, job.heard).await,
                    None => Ok(()),
                }
            };
            let ended_for_long = async {
                ended.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            };
            tokio::select! {
                done = async { tokio::try_join!(out, err) } => done.map(drop),
                // Somebody unknown holds the pipe; nobody waits for that.
                () = ended_for_long => Ok(()),
            }
        };
        let end = async {
            let _ended = ended.clone().drop_guard();
            // Not by `wait`: once it is reaped, its process group may be anybody's.
            let (why, grace) = tokio::select! {
                done = end_of(group.pid(), &mut children) => {
                    done.map_err(system("wait for"))?;
                    (Why::Exited, Duration::ZERO)
                }
                () = tokio::time::sleep(job.timeout) => (Why::TimedOut, GRACE),
                () = self.stop.cancelled() => (Why::Cancelled, GRACE),
                () = job.stop.cancelled() => (Why::Unwanted, GRACE),
            };
            // Nothing of a step outlives it, also not what it put into the background.
            let left = whose.end(grace).await.map_err(system("end"))?;
            if !left.is_empty() {
                let pids = left.iter().map(|identity| identity.pid).collect();
                return Err(RunError::Left { line: line.to_owned(), pids });
            }
            // Whoever is in its group still has another environment than it was given.
            group.kill();
            let status = child.wait().await.map_err(system("wait for"))?;
            group.disarm();
            Ok((why, status))
        };
        let (end, followed) = tokio::join!(end, follow);
        let (why, status) = end?;
        let how = match why {
            Why::Exited => how(status),
            Why::TimedOut => timed_out(job.timeout),
            Why::Cancelled => "was stopped with the controller".to_owned(),
            Why::Unwanted => "was stopped, because something else is wanted by now".to_owned(),
        };
        followed.and_then(|()| log.note(&how)).map_err(system("log the output of"))?;
        let mask = Mask::of(job.command.env.values().chain(job.env.values()));
        let lines = log.last_lines().iter().map(|line| mask.apply(line)).collect();
        Ok(Ended { why, status, lines, log: log.path.clone() })
    }
}

/// Runs a step that fills a template; `env` wins over the command's own variables.
pub async fn run_build_step(
    runner: &Runner,
    resource: &ResourceId,
    step: &BuildStep,
    env: BTreeMap<String, Text>,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let timeout = Duration::from_secs(step.timeout_s);
    let job = Job {
        owner: &resource.owner,
        uid: &resource.uid,
        kind: resource.kind.as_str(),
        name: &step.name,
        command: &step.command,
        launcher: &[],
        heard: None,
        env,
        timeout,
        stop,
    };
    runner.run(&job).await
}

impl RunStep for Runner {
    fn run<'a>(
        &'a self,
        resource: &'a ResourceId,
        step: &'a BuildStep,
        env: BTreeMap<String, Text>,
        stop: &'a CancellationToken,
    ) -> StepFuture<'a> {
        Box::pin(async move {
            run_build_step(self, resource, step, env, stop).await.map_err(ApplyError::from)
        })
    }
}

/// Why a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It ended by itself.
    Exited,
    /// It took too long.
    TimedOut,
    /// The controller stops.
    Cancelled,
    /// Nobody wants it any more.
    Unwanted,
}

/// Keeps a step from being run twice at once by this controller.
struct Running<'a> {
    all: &'a Mutex<HashSet<PathBuf>>,
    slot: PathBuf,
}

impl<'a> Running<'a> {
    fn enter(all: &'a Mutex<HashSet<PathBuf>>, slot: &Path) -> Option<Self> {
        let entered = all.lock().unwrap_or_else(PoisonError::into_inner).insert(slot.to_path_buf());
        entered.then(|| Self { all, slot: slot.to_path_buf() })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.slot);
    }
}

/// Ends what an earlier run left.
async fn nothing_left(whose: &Whose, line: &str) -> Result<(), RunError> {
    let line = || line.to_owned();
    let system = |source| RunError::System { what: "end an earlier run of", line: line(), source };
    let left = whose.end(GRACE).await.map_err(system)?;
    if left.is_empty() {
        return Ok(());
    }
    let pids = left.iter().map(|identity| identity.pid).collect();
    Err(RunError::Left { line: line(), pids })
}

/// The lock of a step.
async fn alone(path: &Path, line: &str) -> Result<File, RunError> {
    let system = |what| move |source| RunError::System { what, line: line.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| system("lock")(error.into()))?;
    let (file, until) = (File::from(file), Instant::now() + PATIENCE);
    loop {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            // A program that is being started has all that is open here, for a moment.
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let pids = holders(&file).map_err(system("see who holds the lock of"))?;
                let (line, path) = (line.to_owned(), path.to_path_buf());
                return Err(RunError::Held { line, pids, path });
            }
            Err(error) => return Err(system("lock")(error.into())),
        }
    }
}

/// Each step has its own. Appended: its name has a dot already, and what follows that is the step.
fn lock_of(slot: &Path) -> PathBuf {
    let mut path = slot.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

fn timed_out(after: Duration) -> String {
    format!("timed out after {}", in_words(after))
}

/// How a process ended, in words.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => format!("signal {}", signals::name(number)),
        (None, None) => "an unknown status".to_owned(),
    }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 120 && seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}

/// A name as one part of a path.
pub(super) fn file_name(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let text: String = name.chars().map(|c| if safe(c) { c } else { '.' }).collect();
    if text.starts_with('.') { format!("_{text}") } else { text }
}
