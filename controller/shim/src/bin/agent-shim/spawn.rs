//! Starts the payload: recorded before it is executed, so a crash in between leaves no unknown child.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use agent_harness_shim::cgroup::{Controller, Leaf};
use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::protocol::{Launch, Limits, RECORD_FILE, Record, VERSION};
use agent_harness_shim::timestamp::now_ms;
use agent_harness_shim::tree::{MARK_VARIABLE, PROCESS_VARIABLE};
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, Rlimit};

use crate::{refused, sys};

/// A payload that runs, and the reading ends of its output.
pub struct Payload {
    pub identity: Identity,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// The record of this shim, before it has a payload.
pub fn record(run: &Path, launch: &Launch) -> io::Result<Record> {
    let record = Record {
        version: VERSION,
        instance: launch.instance.clone(),
        boot: identity::boot()?,
        shim: identity::of(std::process::id().cast_signed())?,
        payload: None,
        started_at_ms: now_ms(),
    };
    files::write_json(&run.join(RECORD_FILE), &record, Durability::Boot)?;
    Ok(record)
}

/// Forks, records the child from within, drops the user and executes the payload.
///
/// The lock's descriptor is inherited: the lock is busy as long as the payload lives, also
/// without its shim. An error is a sentence for the user.
pub fn spawn(
    run: &Path,
    launch: &Launch,
    record: &Record,
    lock: &OwnedFd,
) -> Result<Payload, String> {
    let Some((program, arguments)) = launch.argv.split_first() else {
        return Err("there is no command to run".to_owned());
    };
    if let Some(why) = refused::folder(&launch.cwd) {
        return Err(why);
    }
    let broken = |error: io::Error| format!("cannot prepare the process: {error}");
    let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| broken(error.into()));
    let (stdout, child_stdout) = pipe()?;
    let (stderr, child_stderr) = pipe()?;
    let inherited = lock.as_fd().try_clone_to_owned().map_err(broken)?;
    rustix::io::fcntl_setfd(&inherited, FdFlags::empty()).map_err(|error| broken(error.into()))?;

    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&launch.env)
        .env(MARK_VARIABLE, &launch.mark)
        .env(PROCESS_VARIABLE, &launch.id)
        .current_dir(&launch.cwd)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(child_stdout)
        .stderr(child_stderr);
    // What fails before the exec is no more than a number to whoever forked: the child says what it was.
    let (said, say) = pipe()?;
    rustix::io::ioctl_fionbio(&said, true).map_err(|error| broken(error.into()))?;
    let path = run.join(RECORD_FILE);
    let (mut own, user, umask) = (record.clone(), launch.user, launch.umask.unwrap_or(0o022));
    let (limits, leaf) = (launch.limits, launch.cgroup.clone());
    sys::before_exec(&mut command, move || {
        own.payload = Some(identity::of(std::process::id().cast_signed())?);
        files::write_json(&path, &own, Durability::Boot)?;
        prepare(limits, leaf.as_ref()).map_err(|(what, error)| {
            let _ = rustix::io::write(&say, format!("{what}: {error}").as_bytes());
            error
        })?;
        sys::clear_signals()?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask & 0o777));
        match user {
            Some((uid, gid)) => sys::become_user(uid, gid),
            None => Ok(()),
        }
    });
    let child = command.spawn().map_err(|error| {
        let mut words = [0; 512];
        match rustix::io::read(&said, &mut words) {
            Ok(length) if length > 0 => String::from_utf8_lossy(&words[..length]).into_owned(),
            _ => refused::program(program, &launch.cwd, &error),
        }
    })?;
    // `child` is reaped with all the others of the tree, so its handle is only dropped.
    let identity = identity::of(child.id().cast_signed()).map_err(broken)?;
    Ok(Payload { identity, stdout, stderr })
}

/// What the child does about its limits while it still is who we are.
fn prepare(limits: Limits, leaf: Option<&Leaf>) -> Result<(), (String, io::Error)> {
    if let Some(leaf) = leaf
        && let Err(error) = leaf.enter()
        // Without its group the rest is looked at; nothing else takes processors away.
        && leaf.limit(Controller::Cpu).is_some()
    {
        return Err(("cannot enter the control group that limits its `cpus`".to_owned(), error));
    }
    if let Some(files) = limits.open_files {
        let both = Rlimit { current: Some(files), maximum: Some(files) };
        rustix::process::setrlimit(Resource::Nofile, both).map_err(|error| {
            let most = rustix::process::getrlimit(Resource::Nofile).maximum;
            let most = most.map_or_else(String::new, |most| format!("; {most} are the most here"));
            (format!("cannot set `openFiles` to {files}{most}"), error.into())
        })?;
    }
    if let Some(nice) = limits.nice {
        rustix::process::setpriority_process(None, nice).map_err(|error| {
            let why = "below that of the controller it needs root";
            (format!("cannot set `nice` to {nice}; {why}"), error.into())
        })?;
    }
    Ok(())
}

/// One line to the supervisor, then nothing more.
pub fn report(line: &str) {
    // The supervisor may be gone: the run folder tells the same.
    let _ = writeln!(io::stdout(), "{line}");
    let _ = sys::null_stdout();
}
