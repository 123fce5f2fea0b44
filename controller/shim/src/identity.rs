//! Who a process is: a pid alone is reused within seconds, a pid with its start time and boot is not.
//!
//! Signals go through a pidfd whose identity was checked after it was opened, so never to a stranger.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    pub pid: i32,
    /// Start time in clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start: u64,
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub identity: Identity,
    pub parent: i32,
    pub session: i32,
    /// One letter; `Z` and `X` are dead.
    pub state: u8,
}

impl Stat {
    /// A zombie still answers to signals, but it is dead.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Names this boot and pid namespace: an identity recorded under another one is void.
pub fn boot() -> io::Result<String> {
    #[allow(clippy::disallowed_methods, reason = "/proc is no file of ours")]
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let namespace = fs::read_link("/proc/self/ns/pid")?;
    Ok(format!("{} {}", boot.trim(), namespace.display()))
}

/// Reads a process's stat; no such process is `None`, any other failure an error.
pub fn stat(pid: i32) -> io::Result<Option<Stat>> {
    let text = match crate::proc::read(pid, "stat") {
        Ok(text) => text,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    parse(pid, &text)
        .map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat")))
}

/// The identity of a process that exists.
pub fn of(pid: i32) -> io::Result<Identity> {
    match stat(pid)? {
        Some(stat) => Ok(stat.identity),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Whether this very process (not a later one with its pid) is alive.
pub fn is_alive(identity: Identity) -> io::Result<bool> {
    Ok(stat(identity.pid)?.is_some_and(|stat| stat.identity == identity && stat.is_alive()))
}

/// A pidfd of this very process; `None` when it has ended.
pub fn open(identity: Identity) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(identity.pid) else { return Ok(None) };
    let fd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    // Checked after the open: from here on the descriptor can mean no other process.
    Ok(is_alive(identity)?.then_some(fd))
}

/// Sends a signal to this very process. `Ok(false)`: it has ended.
pub fn signal(identity: Identity, signal: Signal) -> io::Result<bool> {
    let Some(fd) = open(identity)? else { return Ok(false) };
    match pidfd_send_signal(fd, signal) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

fn parse(pid: i32, text: &[u8]) -> Option<Stat> {
    // The command may hold spaces and brackets: fields count from the last bracket.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(end + 2..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(15)?.parse().ok()?;
    Some(Stat { identity: Identity { pid, start }, parent, session, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_brackets_and_spaces_is_no_field() {
        let line = b"42 (a) b (c)) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";
        assert_eq!(
            parse(42, line),
            Some(Stat {
                identity: Identity { pid: 42, start: 98765 },
                parent: 7,
                session: 40,
                state: b'S'
            })
        );
    }

    #[test]
    fn another_start_time_is_another_process() {
        let us = of(std::process::id().cast_signed()).unwrap();
        assert!(is_alive(us).unwrap());
        let stranger = Identity { start: us.start + 1, ..us };
        assert!(!is_alive(stranger).unwrap());
        // Signal 0 would tell a stranger apart; none is even sent.
        assert!(!signal(stranger, Signal::KILL).unwrap());
    }
}
