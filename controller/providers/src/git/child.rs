//! One git command as a process: run to its end, read meanwhile, ended when it takes too long.
//!
//! Git is asked to end before it is killed, because only then does it remove its lock files. Its process
//! group is killed while its leader is not reaped yet, so never a stranger's.

use std::io::{self, Read};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// A pipe holds no more than this once its writer has ended.
const PIPE: usize = 1 << 20;
/// So much of what is said on standard error is kept: the end of it.
const SAID: usize = 64 << 10;

/// What became of a command.
pub struct Ended {
    /// How it ended; `None`: it was stopped, because it took too long.
    pub status: Option<ExitStatus>,
    /// All that it wrote.
    pub stdout: Vec<u8>,
    /// The end of what it said.
    pub stderr: Vec<u8>,
}

/// Waits for a command whose output streams are pipes, until then at most. Blocks.
///
/// What the command started and left behind may hold the pipes (as ssh does, to share its connection):
/// nobody waits for that.
pub fn finish(child: Child, until: Instant) -> io::Result<Ended> {
    let mut group = Group { child, reaped: false };
    // Not waited for yet: the pid cannot be another process's.
    let pidfd = pidfd_open(group.pid(), PidfdFlags::empty())?;
    let mut stdout = Stream::new(group.child.stdout.take(), usize::MAX);
    let mut stderr = Stream::new(group.child.stderr.take(), SAID);
    let in_time = follow(pidfd.as_fd(), &mut stdout, &mut stderr, until)?;
    if !in_time {
        group.signal(Signal::TERM);
        if !follow(pidfd.as_fd(), &mut stdout, &mut stderr, Instant::now() + GRACE)? {
            group.signal(Signal::KILL);
        }
    }
    // All that it wrote itself is in the pipes now.
    stdout.drain()?;
    stderr.drain()?;
    if !in_time {
        // Filters and helpers, which may not have heeded the first signal.
        group.signal(Signal::KILL);
    }
    let status = group.child.wait()?;
    group.reaped = true;
    Ok(Ended { status: in_time.then_some(status), stdout: stdout.bytes, stderr: stderr.bytes })
}

/// Reads until the process ends; `false`: it did not, in that time.
fn follow(
    process: BorrowedFd<'_>,
    stdout: &mut Stream<impl Read + std::os::fd::AsFd>,
    stderr: &mut Stream<impl Read + std::os::fd::AsFd>,
    until: Instant,
) -> io::Result<bool> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let (out, err, ended) = {
            let fds = [Some(process), stdout.fd(), stderr.fd()];
            let mut polled: Vec<PollFd<'_>> = fds
                .iter()
                .flatten()
                .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
                .collect();
            ready(&mut polled, left)?;
            let mut happened = polled.iter().map(|fd| !fd.revents().is_empty());
            let ended = happened.next().unwrap_or(false);
            let mut of =
                |fd: &Option<BorrowedFd<'_>>| fd.is_some() && happened.next() == Some(true);
            (of(&fds[1]), of(&fds[2]), ended)
        };
        if ended {
            return Ok(true);
        }
        if out {
            stdout.read()?;
        }
        if err {
            stderr.read()?;
        }
        if left.is_zero() {
            return Ok(false);
        }
    }
}

fn ready(fds: &mut [PollFd<'_>], within: Duration) -> io::Result<()> {
    let timeout = Timespec {
        tv_sec: i64::try_from(within.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: within.subsec_nanos().into(),
    };
    match poll(fds, Some(&timeout)) {
        // Interrupted: whoever asks looks at the time and asks again.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One of its output streams.
struct Stream<R> {
    source: Option<R>,
    bytes: Vec<u8>,
    keep: usize,
}

impl<R: Read + std::os::fd::AsFd> Stream<R> {
    fn new(source: Option<R>, keep: usize) -> Self {
        Self { source, bytes: Vec::new(), keep }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.source.as_ref().map(std::os::fd::AsFd::as_fd)
    }

    /// Reads once; something is there to be read, or the stream is at its end.
    fn read(&mut self) -> io::Result<usize> {
        let Some(source) = &mut self.source else { return Ok(0) };
        let mut chunk = [0_u8; 16 << 10];
        let count = match source.read(&mut chunk) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error),
        };
        if count == 0 {
            self.source = None;
        }
        self.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        let surplus = self.bytes.len().saturating_sub(self.keep);
        self.bytes.drain(..surplus);
        Ok(count)
    }

    /// Reads what is there, and waits for nothing.
    fn drain(&mut self) -> io::Result<()> {
        let mut read = 0;
        while read < PIPE {
            let Some(fd) = self.fd() else { return Ok(()) };
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            ready(&mut fds, Duration::ZERO)?;
            let [fd] = &fds;
            if fd.revents().is_empty() {
                return Ok(());
            }
            read += self.read()?;
        }
        Ok(())
    }
}

/// The command and what it started; whoever leaves before its end ends it.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        // All of it may have ended just now; then there is nobody to end.
        let _ = kill_process_group(self.pid(), signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
