//! Who listens on a TCP port of this host, by the listening sockets and the descriptors in `/proc`.
//!
//! Only a report: nothing is ever stopped by its port.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use agent_harness_model::id::Mark;
use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::tree::{self, MARK_VARIABLE, PROCESS_VARIABLE};

use super::launch::ProcessId;
use super::sockets::{self, Socket};
use super::state::Process;
use crate::program;

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `None` when the holder belongs to another user and may not be seen.
    pub pid: Option<u32>,
    /// Its program's name; empty when unknown.
    pub command: String,
    /// The mark in its environment.
    pub mark: Option<Mark>,
    /// The process id of ours that it belongs to, such as `agent-3/api`.
    pub process: Option<String>,
}

impl Listener {
    /// Whether this is the process `id` itself, or something of its tree.
    pub fn is_part_of(&self, id: &ProcessId, process: Option<&Process>) -> bool {
        let Some(process) = process else { return false };
        let is_payload =
            process.payload.is_some_and(|payload| self.pid == Some(payload.pid.cast_unsigned()));
        let is_marked = self.process.as_deref() == Some(id.as_str())
            && self.mark.as_ref().is_some_and(|mark| mark.to_string() == process.mark);
        // Servers that write their title over their environment (nginx, Postgres) carry no mark any more.
        let is_below = || match (self.pid, process.shim) {
            (Some(pid), Some(shim)) => is_below(pid.cast_signed(), shim),
            _ => false,
        };
        is_payload || is_marked || is_below()
    }

    /// Whether this is a process that the installation itself started. Two that are wanted never have the same
    /// port, so this one leaves, or moves to another port.
    pub fn is_of(&self, installation: &str) -> bool {
        self.process.is_some()
            && self.mark.as_ref().is_some_and(|mark| mark.installation == installation)
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.process) {
            (Some(pid), Some(process)) => write!(f, "{process} (pid {pid}, {})", self.command),
            (Some(pid), None) => write!(f, "pid {pid} ({})", self.command),
            (None, _) => f.write_str("a process of another user"),
        }
    }
}

/// One look at all listening sockets.
pub struct Listening(Vec<Socket>);

impl Listening {
    /// Reads the listening sockets of this network namespace.
    pub fn read() -> io::Result<Self> {
        sockets::listening().map(Self)
    }

    /// All that listen on the port, on whatever addresses; walks `/proc` only when somebody does.
    pub fn listeners(&self, port: u16) -> io::Result<Vec<Listener>> {
        let inodes: Vec<u64> =
            self.0.iter().filter(|socket| socket.port == port).map(|socket| socket.inode).collect();
        if inodes.is_empty() {
            return Ok(Vec::new());
        }
        let holders = holders(&inodes)?;
        // One that nobody holds is another user's, or was closed while we looked.
        let all_found = inodes.iter().all(|inode| holders.contains_key(inode));
        let still = if all_found { Vec::new() } else { sockets::listening()? };
        let is_there = |inode: &u64| {
            holders.contains_key(inode) || still.iter().any(|socket| socket.inode == *inode)
        };
        Ok(inodes
            .iter()
            .filter(|inode| is_there(inode))
            .map(|inode| match holders.get(inode) {
                Some(pid) => describe(*pid),
                None => Listener { pid: None, command: String::new(), mark: None, process: None },
            })
            .collect())
    }
}

/// Who listens on the port, on any address.
pub fn listener(port: u16) -> io::Result<Option<Listener>> {
    Ok(Listening::read()?.listeners(port)?.into_iter().next())
}

/// Whether it is this process that answers at 127.0.0.1:`port`. Looks at nobody else's descriptors.
pub fn holds(pid: u32, port: u16) -> io::Result<bool> {
    let inodes: Vec<u64> = sockets::listening()?
        .iter()
        .filter(|socket| socket.loopback && socket.port == port)
        .map(|socket| socket.inode)
        .collect();
    Ok(!inodes.is_empty() && sockets_of(pid).any(|inode| inodes.contains(&inode)))
}

/// Which process holds which of these sockets; the first one found where several do.
fn holders(inodes: &[u64]) -> io::Result<BTreeMap<u64, u32>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for inode in sockets_of(pid).filter(|inode| inodes.contains(inode)) {
            found.entry(inode).or_insert(pid);
        }
        if found.len() == inodes.len() {
            break;
        }
    }
    Ok(found)
}

/// The sockets that a process has open. None of one that is gone, or of another user's: that one cannot be named.
fn sockets_of(pid: u32) -> impl Iterator<Item = u64> {
    std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().filter_map(
        |descriptor| {
            let target = std::fs::read_link(descriptor.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        },
    )
}

/// Whether a process descends from a shim that lives. Whoever loses a parent there is handed to the shim.
fn is_below(mut pid: i32, shim: Identity) -> bool {
    // Each parent is read anew, so a process that goes away meanwhile must not make us walk for ever.
    for _ in 0..1000 {
        match identity::stat(pid) {
            Ok(Some(stat)) if stat.identity == shim => return true,
            Ok(Some(stat)) if stat.parent > 0 => pid = stat.parent,
            _ => return false,
        }
    }
    false
}

fn describe(pid: u32) -> Listener {
    let words = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let environment =
        words(tree::environment(pid.cast_signed()).ok().flatten().unwrap_or_default());
    let variable = |name: &str| {
        environment
            .iter()
            .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    Listener {
        pid: Some(pid),
        command: program::name(pid.cast_signed()),
        mark: variable(MARK_VARIABLE).and_then(|mark| Mark::parse(&mark)),
        process: variable(PROCESS_VARIABLE),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_named_with_its_pid_and_command() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = listener(port).unwrap().unwrap();
        assert_eq!(found.pid, Some(std::process::id()));
        let program = std::env::current_exe().unwrap();
        assert_eq!(program.file_name().unwrap().to_str(), Some(found.command.as_str()));
        drop(socket);
        // A program that another test starts has it for the moment between its fork and its exec.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while listener(port).unwrap().is_some() {
            assert!(std::time::Instant::now() < deadline, "it is closed");
        }
    }

    /// A stranger who listens on the same port of another address is not whom a connection to 127.0.0.1 reaches.
    #[test]
    fn who_answers_on_loopback_is_told_from_who_has_the_port_elsewhere() {
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = here.local_addr().unwrap().port();
        let script = format!(
            "my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.9:{port}', Listen => 5) or die; \
             print qq(up\\n); close STDOUT; sleep 1000"
        );
        let mut other = std::process::Command::new("perl")
            .args(["-MIO::Socket::INET", "-e", &script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = String::new();
        let mut stdout = std::io::BufReader::new(other.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut up).unwrap();
        assert_eq!(up, "up\n");
        let pids: Vec<_> = Listening::read()
            .unwrap()
            .listeners(port)
            .unwrap()
            .into_iter()
            .map(|who| who.pid.unwrap())
            .collect();
        assert_eq!(pids.len(), 2, "{pids:?}");
        assert!(holds(std::process::id(), port).unwrap());
        assert!(!holds(other.id(), port).unwrap());
        drop(here);
        assert!(!holds(std::process::id(), port).unwrap(), "not ours any more");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
