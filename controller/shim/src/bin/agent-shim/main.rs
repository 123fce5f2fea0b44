//! `agent-shim RUN_FOLDER`: holds one process, writes its log, records its exit. (What `--enter` does instead, says
//! `enter.rs`.)
//!
//! One thread, one poll loop, no runtime. What to run is in the run folder's `launch.json`; the
//! protocol is described in `agent_harness_shim::protocol`. Whether to start, stop or restart
//! anything is the controller's decision, never the shim's.

mod budget;
mod enter;
mod hold;
mod refused;
mod sink;
mod spawn;
mod sys;

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent_harness_shim::files;
use agent_harness_shim::protocol::{
    LAUNCH_FILE, LOCK_FILE, Launch, SHIM_LOG_FILE, VERSION, Versioned,
};
use rustix::fs::{FlockOperation, Mode, OFlags};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if first.as_ref().is_some_and(|word| word == "--enter") {
        return enter::become_program(arguments);
    }
    let (Some(run), None) = (first, arguments.next()) else {
        let _ = io::stderr().write_all(
            b"agent-shim holds one process for the controller, which starts it.\n\
              usage: agent-shim RUN_FOLDER < RUN_FOLDER/lock\n\
              or:    agent-shim --enter CGROUP... -- PROGRAM ARGUMENT...\n",
        );
        return ExitCode::from(2);
    };
    match run_shim(Path::new(&run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            spawn::report(&format!("error: {error}"));
            let _ = writeln!(io::stderr(), "agent-shim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_shim(run: &Path) -> io::Result<()> {
    let run: PathBuf = std::path::absolute(run)?;
    // The payload must not inherit what the controller may have open.
    sys::close_inherited()?;
    // Out of the terminal's session first: a Ctrl-C there is for the controller.
    // It fails for a group leader, such as one started from a shell, which is out already.
    let _ = rustix::process::setsid();
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))?;
    let lock = lock(&run)?;
    sys::usual_signals();
    let signals = sys::take_signals()?;
    let errors = rustix::fs::open(
        run.join(SHIM_LOG_FILE),
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::RUSR | Mode::WUSR,
    )?;
    sys::replace_stderr(&errors)?;
    drop(errors);
    // A worktree or a mount must not be pinned by us.
    std::env::set_current_dir("/")?;

    let path = run.join(LAUNCH_FILE);
    let missing = || io::Error::new(io::ErrorKind::NotFound, "launch.json is missing");
    let Versioned { version } = files::read_json(&path)?.ok_or_else(missing)?;
    if version > VERSION {
        return Err(io::Error::other(format!(
            "launch.json has version {version}, this shim knows {VERSION}: install the shim that came \
             with the controller"
        )));
    }
    let launch: Launch = files::read_json(&path)?.ok_or_else(missing)?;
    hold::hold(&run, launch, &lock, &signals)
}

/// The lock comes as the standard input, locked by the supervisor: it is never free in between.
fn lock(run: &Path) -> io::Result<OwnedFd> {
    let lock = io::stdin().as_fd().try_clone_to_owned()?;
    let (given, wanted) = (rustix::fs::fstat(&lock)?, rustix::fs::stat(run.join(LOCK_FILE))?);
    if (given.st_dev, given.st_ino) != (wanted.st_dev, wanted.st_ino) {
        return Err(io::Error::other("the standard input is not the run folder's lock file"));
    }
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::other("another shim holds this run folder"))?;
    sys::null_stdin()?;
    Ok(lock)
}
