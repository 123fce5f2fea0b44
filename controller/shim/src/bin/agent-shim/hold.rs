//! Holds the payload until its whole tree has ended, and records how.
//!
//! The shim is the subreaper of its descendants: whoever loses its parent, also after setsid and a
//! double fork, becomes a child of the shim. So the tree is empty exactly when no child is left.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_harness_shim::cgroup::Leaf;
use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::protocol::{
    EXIT_FILE, Exceeded, Exit, Launch, Outcome, STOP_FILE, Stop, VERSION,
};
use agent_harness_shim::timestamp::now_ms;
use agent_harness_shim::{logs, signals as names, tree as processes};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitOptions};

use crate::budget::{self, Budget};
use crate::sink::{READ, Sink, Stream};
use crate::{spawn, sys};

/// How long the tree may take to vanish after SIGKILL before it is given up on.
const KILL_PATIENCE: Duration = Duration::from_secs(10);
/// The same for who is in the group and no child of ours: nobody, as a rule.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);
/// Between two rounds of SIGKILL: forks that raced with a round are caught by the next.
const KILL_ROUND: Duration = Duration::from_millis(10);
/// So many lines of the log are kept with the end of a process.
const LAST_LINES: usize = 20;
/// How often a full disk is asked again to take the exit record, once a second.
const EXIT_ATTEMPTS: u32 = 600;

/// What is noted when a process ends and leaves others behind, as one does that goes into the background by itself.
const LEFT_BEHIND: &str = "it has ended, and what it has left behind ends with it: what is to run on has to stay in the foreground";

enum Phase {
    /// The payload runs.
    Running,
    /// The payload was asked to end, or has ended; `rest`: what it left behind was asked too.
    Ending { deadline: Instant, rest: bool },
    /// Whoever is left gets SIGKILL.
    Killing { deadline: Instant },
}

struct Hold<'a> {
    run: &'a Path,
    launch: &'a Launch,
    payload: Identity,
    phase: Phase,
    ended: Option<(Outcome, u64)>,
    requested: bool,
    failed: Option<String>,
    /// The group that the payload went into.
    leaf: Option<&'a Leaf>,
    /// What of its limits is looked at.
    budget: Option<Budget>,
    exceeded: Option<Exceeded>,
}

/// Runs what `launch` says to its end. Returns when the exit record is in place.
pub fn hold(run: &Path, launch: Launch, lock: &OwnedFd, signals: &OwnedFd) -> io::Result<()> {
    let mut launch = launch;
    let record = spawn::record(run, &launch)?;
    let mut exit = Exit {
        version: VERSION,
        instance: launch.instance.clone(),
        outcome: Outcome::NotStarted("it was told to stop before it started".to_owned()),
        requested: true,
        failed: None,
        started_at_ms: record.started_at_ms,
        at_ms: record.started_at_ms,
        last_lines: Vec::new(),
        survivors: Vec::new(),
        exceeded: None,
    };
    if let Some(stop) = stop_file(run, &launch) {
        exit.requested = stop.failed.is_none() && stop.exceeded.is_none();
        (exit.failed, exit.exceeded) = (stop.failed, stop.exceeded);
        spawn::report("error: it was told to stop before it started");
        close(&launch);
        return finish(run, &exit);
    }
    let started = Sink::open(launch.log.clone())
        .map_err(|error| format!("cannot open the log {}: {error}", launch.log.path.display()))
        .and_then(|sink| Ok((sink, spawn::spawn(run, &launch, &record, lock)?)));
    let (mut sink, payload) = match started {
        Ok(started) => started,
        Err(why) => {
            exit.outcome = Outcome::NotStarted(why.clone());
            exit.requested = false;
            exit.at_ms = now_ms();
            close(&launch);
            // Whoever asked is told at once, also when the disk is full; looks find the record as a rule.
            let recorded = record_exit(run, &exit);
            spawn::report(&format!("error: {why}"));
            return if recorded.is_ok() { Ok(()) } else { finish(run, &exit) };
        }
    };
    // Secrets are needed no more.
    launch.env.clear();
    sink.note(&format!("{} {}", logs::STARTED, payload.identity.pid));
    spawn::report("ok");
    // Only a matter of memory.
    let _ = sys::release_file_pages();

    let leaf = launch.cgroup.as_ref();
    // One that could not be entered holds nobody.
    let entered = leaf.filter(|leaf| leaf.is_in(payload.identity.pid));
    let budget = Budget::new(&launch.limits, entered);
    if let Some(remark) = budget.as_ref().and_then(Budget::remark) {
        sink.note(remark);
    }
    let mut hold = Hold {
        run,
        launch: &launch,
        leaf,
        budget,
        exceeded: None,
        payload: payload.identity,
        phase: Phase::Running,
        ended: None,
        requested: false,
        failed: None,
    };
    hold.until_empty(&mut sink, [&payload.stdout, &payload.stderr], signals)?;
    sink.finish();
    let (outcome, at_ms) = hold.ended.take().unwrap_or((Outcome::Signal(9), now_ms()));
    sink.note(&outcome.to_string());
    exit.last_lines = logs::last_lines_of_plain(&launch.log.path, LAST_LINES).unwrap_or_default();
    exit.exceeded = hold.exceeded.or_else(|| {
        let killed = budget::killed_for_memory(&launch.limits, leaf, &outcome);
        killed.filter(|_| !hold.requested)
    });
    exit.survivors = survivors();
    exit.survivors.extend(close(&launch));
    (exit.outcome, exit.at_ms, exit.requested) = (outcome, at_ms, hold.requested);
    exit.failed = hold.failed.take().filter(|_| !hold.requested);
    finish(run, &exit)
}

/// Writes the exit record; a full disk is waited for, as nothing else can tell how it ended.
/// A run folder that is gone has no reader either.
fn finish(run: &Path, exit: &Exit) -> io::Result<()> {
    let mut result = record_exit(run, exit);
    for _ in 0..EXIT_ATTEMPTS {
        match &result {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(_) => {}
        }
        std::thread::sleep(Duration::from_secs(1));
        result = record_exit(run, exit);
    }
    result
}

fn record_exit(run: &Path, exit: &Exit) -> io::Result<()> {
    files::write_json(&run.join(EXIT_FILE), exit, Durability::Disk)
}

fn stop_file(run: &Path, launch: &Launch) -> Option<Stop> {
    // An unreadable file is as none: the launch says how to stop.
    let stop: Option<Stop> = files::read_json(&run.join(STOP_FILE)).ok().flatten();
    stop.filter(|stop| stop.instance == launch.instance)
}

impl Hold<'_> {
    fn until_empty(
        &mut self,
        sink: &mut Sink,
        streams: [&OwnedFd; 2],
        signals: &OwnedFd,
    ) -> io::Result<()> {
        for stream in streams {
            rustix::io::ioctl_fionbio(stream, true)?;
        }
        let mut open = [true, true];
        let mut buffer = vec![0_u8; READ];
        loop {
            let mut fds = vec![PollFd::new(signals, PollFlags::IN)];
            let readable: Vec<usize> = (0..2).filter(|index| open[*index]).collect();
            fds.extend(readable.iter().map(|index| PollFd::new(streams[*index], PollFlags::IN)));
            match rustix::event::poll(&mut fds, self.timeout().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for index in readable {
                open[index] = pump(streams[index], index, sink, &mut buffer)? != Pumped::Ended;
            }
            let arrived = sys::read_signals(signals)?;
            let empty = self.reap()?;
            if arrived.iter().any(|signal| *signal != libc::SIGCHLD && *signal != libc::SIGHUP) {
                self.stop();
            }
            self.spend();
            if !empty && self.ended.is_some() && matches!(self.phase, Phase::Running) {
                sink.note(LEFT_BEHIND);
            }
            if empty || !self.advance() {
                break;
            }
        }
        // What the tree has written and we have not read yet. Somebody outside of the tree may
        // hold the other end, so the end is not waited for.
        for (index, stream) in streams.into_iter().enumerate() {
            while open[index] && pump(stream, index, sink, &mut buffer)? == Pumped::Some {}
        }
        Ok(())
    }

    fn timeout(&self) -> Option<Timespec> {
        let wait = match self.phase {
            Phase::Running => self.budget.as_ref()?.wait(),
            Phase::Ending { deadline, .. } => deadline.saturating_duration_since(Instant::now()),
            Phase::Killing { .. } => KILL_ROUND,
        };
        Timespec::try_from(wait).ok()
    }

    /// Reaps all that have ended. `true`: the tree is empty.
    fn reap(&mut self) -> io::Result<bool> {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(None) => return Ok(false),
                Ok(Some((pid, status))) if pid.as_raw_pid() == self.payload.pid => {
                    let outcome = match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Outcome::Code(code),
                        (None, Some(signal)) => Outcome::Signal(signal),
                        (None, None) => continue,
                    };
                    self.ended.get_or_insert((outcome, now_ms()));
                }
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CHILD) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks the payload's process group to end; told again, with what the newer file says.
    fn stop(&mut self) {
        let (number, grace_ms, failed, exceeded) = match stop_file(self.run, self.launch) {
            Some(stop) => (stop.signal, stop.grace_ms, stop.failed, stop.exceeded),
            None => (self.launch.stop_signal, self.launch.stop_grace_ms, None, None),
        };
        if self.ended.is_none() {
            // Whoever does not want it any more has the last word.
            self.requested |= failed.is_none() && exceeded.is_none();
            self.failed = failed.or(self.failed.take());
            self.exceeded = self.exceeded.or(exceeded);
        }
        if matches!(self.phase, Phase::Killing { .. }) {
            return;
        }
        let signal = names::from_number(number).unwrap_or(Signal::TERM);
        match Pid::from_raw(self.payload.pid) {
            // Not reaped yet, so the number is still the payload's.
            Some(group) if self.ended.is_none() => {
                let _ = rustix::process::kill_process_group(group, signal);
                // One that is suspended could not answer.
                let _ = rustix::process::kill_process_group(group, Signal::CONT);
            }
            _ => signal_tree(signal),
        }
        let deadline = Instant::now() + Duration::from_millis(grace_ms);
        self.phase = Phase::Ending { deadline, rest: self.ended.is_some() };
    }

    /// Ends what uses more than it may: asked first over memory, at once over pids, which only grow meanwhile.
    fn spend(&mut self) {
        let (Phase::Running, None, Some(budget)) = (&self.phase, &self.ended, &mut self.budget)
        else {
            return;
        };
        let grace = match budget.look(&self.launch.limits, self.leaf, tree) {
            None => return,
            Some(over) => {
                self.exceeded = Some(over);
                match over {
                    Exceeded::Pids(_) => Duration::ZERO,
                    _ => Duration::from_millis(self.launch.stop_grace_ms),
                }
            }
        };
        if !grace.is_zero() {
            signal_tree(names::from_number(self.launch.stop_signal).unwrap_or(Signal::TERM));
        }
        self.phase = Phase::Ending { deadline: Instant::now() + grace, rest: true };
    }

    /// The group first: who is in it cannot fork away from that.
    fn kill(&self) {
        if let Some(leaf) = self.leaf {
            let _ = leaf.kill();
        }
        signal_tree(Signal::KILL);
    }

    /// Goes on to the next phase when it is time. `false`: given up.
    fn advance(&mut self) -> bool {
        match self.phase {
            // The payload has ended and left others behind: they are asked, then killed.
            Phase::Running if self.ended.is_some() => {
                signal_tree(Signal::TERM);
                let grace = Duration::from_millis(self.launch.stop_grace_ms);
                self.phase = Phase::Ending { deadline: Instant::now() + grace, rest: true };
            }
            Phase::Ending { deadline, rest: false } if self.ended.is_some() => {
                signal_tree(Signal::TERM);
                self.phase = Phase::Ending { deadline, rest: true };
            }
            Phase::Ending { deadline, .. } if Instant::now() >= deadline => {
                self.kill();
                self.phase = Phase::Killing { deadline: Instant::now() + KILL_PATIENCE };
            }
            Phase::Running | Phase::Ending { .. } => {}
            Phase::Killing { deadline } => {
                self.kill();
                return Instant::now() < deadline;
            }
        }
        true
    }
}

/// Removes the group of a tree that has ended; gives those in it who outlived SIGKILL.
fn close(launch: &Launch) -> Vec<i32> {
    let Some(leaf) = &launch.cgroup else { return Vec::new() };
    let left = leaf.clear(CLOSE_PATIENCE).unwrap_or_default();
    // The next start, or whoever forgets the process, tries again.
    let _ = leaf.remove();
    left.into_iter().map(|process| process.pid).collect()
}

fn signal_tree(signal: Signal) {
    for process in tree() {
        // One that has ended meanwhile is what we want; another user's is told as a survivor.
        let _ = identity::signal(process, signal);
    }
}

fn tree() -> Vec<Identity> {
    let processes = processes::snapshot().unwrap_or_default();
    processes::descendants(&processes, std::process::id().cast_signed())
}

fn survivors() -> Vec<i32> {
    tree().into_iter().map(|process| process.pid).collect()
}

#[derive(PartialEq, Eq)]
enum Pumped {
    Some,
    Nothing,
    Ended,
}

/// One read, so that a flood on one stream starves neither the other nor a stop.
fn pump(stream: &OwnedFd, index: usize, sink: &mut Sink, buffer: &mut [u8]) -> io::Result<Pumped> {
    match rustix::io::read(stream, &mut *buffer) {
        Ok(0) => Ok(Pumped::Ended),
        Ok(length) => {
            let stream = if index == 0 { Stream::Stdout } else { Stream::Stderr };
            sink.feed(stream, &buffer[..length]);
            Ok(Pumped::Some)
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(Pumped::Nothing),
        Err(error) => Err(error.into()),
    }
}
