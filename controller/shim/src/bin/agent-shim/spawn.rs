//! Starts the payload: recorded before it is executed, so a crash in between leaves no unknown child.

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::protocol::{Launch, RECORD_FILE, Record, VERSION};
use agent_harness_shim::timestamp::now_ms;
use agent_harness_shim::tree::{MARK_VARIABLE, PROCESS_VARIABLE};
use rustix::io::FdFlags;
use rustix::pipe::PipeFlags;

use crate::sys;

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
    match std::fs::metadata(&launch.cwd) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            return Err(format!("the working folder {} is not a folder", launch.cwd.display()));
        }
        Err(error) => {
            return Err(format!("the working folder {}: {error}", launch.cwd.display()));
        }
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
    let path = run.join(RECORD_FILE);
    let (mut own, user, umask) = (record.clone(), launch.user, launch.umask.unwrap_or(0o022));
    sys::before_exec(&mut command, move || {
        own.payload = Some(identity::of(std::process::id().cast_signed())?);
        files::write_json(&path, &own, Durability::Boot)?;
        sys::clear_signals()?;
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(umask & 0o777));
        match user {
            Some((uid, gid)) => sys::become_user(uid, gid),
            None => Ok(()),
        }
    });
    let child = command.spawn().map_err(|error| format!("cannot execute {program}: {error}"))?;
    // `child` is reaped with all the others of the tree, so its handle is only dropped.
    let identity = identity::of(child.id().cast_signed()).map_err(broken)?;
    Ok(Payload { identity, stdout, stderr })
}

/// One line to the supervisor, then nothing more.
pub fn report(line: &str) {
    // The supervisor may be gone: the run folder tells the same.
    let _ = writeln!(io::stdout(), "{line}");
    let _ = sys::null_stdout();
}
