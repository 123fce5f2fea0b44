//! Who listens on a TCP port of this host, by the listening sockets and the descriptors in `/proc`.
//!
//! Only a report: nothing is ever stopped by its port.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use agent_harness_model::id::Mark;
use agent_harness_shim::identity;
use agent_harness_shim::tree::{self, MARK_VARIABLE, PROCESS_VARIABLE};

use super::error::SuperviseError;
use super::launch::ProcessId;
use super::sockets::{self, Socket};
use super::state::Process;
use super::supervisor::Supervisor;
use crate::{fs, program};

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// `None` when the holder belongs to another user and may not be seen.
    pub pid: Option<u32>,
    /// Whose the socket is.
    pub uid: u32,
    /// Its program's name, `?` when it ended meanwhile; empty of a process that may not be seen.
    pub command: String,
    /// The mark in its environment.
    pub mark: Option<Mark>,
    /// The process id of ours that it belongs to, such as `agent-3/api`.
    pub process: Option<String>,
}

impl Listener {
    /// Whether this is the process `id` itself, or something of its tree, or what is left of that: all of it is
    /// ended before the next start. A mark is believed, as it is when leftovers are ended: only root and the user
    /// that we run as can read the environment that it would have to be copied from.
    pub fn is_part_of(&self, id: &ProcessId, process: Option<&Process>) -> bool {
        let Some(process) = process else { return false };
        let is_marked = self.process.as_deref() == Some(id.as_str())
            && self.mark.as_ref().is_some_and(|mark| mark.to_string() == process.mark);
        is_marked || self.descends_from(process)
    }

    /// Whether this is a live process of a run, by its descent: what nobody can copy. Servers that write their title
    /// over their environment (nginx, Postgres) carry no mark any more.
    pub fn descends_from(&self, process: &Process) -> bool {
        match self.pid {
            Some(pid) => is_below(pid.cast_signed(), process),
            None => process.payload.is_some_and(|payload| {
                let pid = payload.pid.cast_unsigned();
                identity::is_alive(payload).unwrap_or_default()
                    && sockets_of(pid).is_err()
                    && is_of(pid, self.uid)
            }),
        }
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

    /// Who of others keeps the process `id` from listening on the port: the one rule for what runs, starts or moves.
    /// A server of an agent's is reached at `localhost`, so whoever has another address of the machine does not.
    pub fn in_the_way(
        &self,
        port: u16,
        id: &ProcessId,
        process: Option<&Process>,
    ) -> io::Result<Vec<Listener>> {
        let mut listeners = self.listeners(port)?;
        listeners.retain(|who| !who.is_part_of(id, process));
        Ok(listeners)
    }

    /// All that answer on the port at `localhost`; walks `/proc` only when somebody does.
    fn listeners(&self, port: u16) -> io::Result<Vec<Listener>> {
        let sockets: Vec<&Socket> =
            self.0.iter().filter(|socket| socket.port == port && socket.is_in_the_way()).collect();
        if sockets.is_empty() {
            return Ok(Vec::new());
        }
        let holders = holders(&sockets)?;
        // One that nobody holds is another user's, or was closed while we looked.
        let all_found = sockets.iter().all(|socket| holders.contains_key(&socket.inode));
        let still = if all_found { Vec::new() } else { sockets::listening()? };
        let is_there = |socket: &Socket| {
            holders.contains_key(&socket.inode) || still.iter().any(|it| it.inode == socket.inode)
        };
        Ok(sockets
            .iter()
            .filter(|socket| is_there(socket))
            .map(|socket| describe(socket, holders.get(&socket.inode).copied()))
            .collect())
    }
}

/// Who answers on the port at `localhost`.
pub fn listener(port: u16) -> io::Result<Option<Listener>> {
    Ok(Listening::read()?.listeners(port)?.into_iter().next())
}

/// Who keeps a process that is to be stopped for another from the port of that one. What the supervisor itself runs
/// there is no stranger: it may be about to move, and two processes may swap their ports.
pub fn stranger(
    supervisor: &Supervisor,
    id: &ProcessId,
    port: u16,
) -> Result<Option<Listener>, SuperviseError> {
    let process = supervisor.get(id)?;
    let listeners = Listening::read()
        .and_then(|listening| listening.in_the_way(port, id, process.as_ref()))
        .map_err(SuperviseError::system(id, "see who has its ports"))?;
    if listeners.is_empty() {
        return Ok(None);
    }
    let ours = supervisor.list()?;
    let is_ours = |who: &Listener| ours.values().flatten().any(|it| who.descends_from(it));
    Ok(listeners.into_iter().find(|who| !is_ours(who)))
}

/// Whether it is this process that answers at 127.0.0.1:`port`. Looks at nobody else's descriptors.
///
/// Root without the right to look into other users' processes, as in many containers, cannot see those of a server
/// that runs as another user either: then whose the socket is has to do.
pub fn holds(pid: u32, port: u16) -> io::Result<bool> {
    let mut sockets = sockets::listening()?;
    sockets.retain(|socket| socket.is_loopback() && socket.port == port);
    if sockets.is_empty() {
        return Ok(false);
    }
    Ok(match sockets_of(pid) {
        Ok(inodes) => sockets.iter().any(|socket| inodes.contains(&socket.inode)),
        Err(Hidden) => sockets.iter().any(|socket| is_of(pid, socket.uid)),
    })
}

/// Which process holds which of these sockets; the first one found where several do.
fn holders(sockets: &[&Socket]) -> io::Result<BTreeMap<u64, u32>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for inode in sockets_of(pid).unwrap_or_default() {
            if sockets.iter().any(|socket| socket.inode == inode) {
                found.entry(inode).or_insert(pid);
            }
        }
        if found.len() == sockets.len() {
            break;
        }
    }
    Ok(found)
}

/// The descriptors of a process are not ours to see.
struct Hidden;

/// The sockets that a process has open. One that is gone has none.
fn sockets_of(pid: u32) -> Result<Vec<u64>, Hidden> {
    let hidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let descriptors = match std::fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(descriptors) => descriptors,
        Err(error) if hidden(&error) => return Err(Hidden),
        Err(_) => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for descriptor in descriptors.flatten() {
        let target = match std::fs::read_link(descriptor.path()) {
            Ok(target) => target,
            Err(error) if hidden(&error) => return Err(Hidden),
            Err(_) => continue,
        };
        let number = || target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']');
        found.extend(number().and_then(|number| number.parse::<u64>().ok()));
    }
    Ok(found)
}

/// Whether a process runs as this user.
fn is_of(pid: u32, uid: u32) -> bool {
    let metadata = fs::metadata(format!("/proc/{pid}"));
    metadata.is_ok_and(|metadata| metadata.is_some_and(|metadata| metadata.uid() == uid))
}

/// Whether a process descends from the shim of a run, or from the payload that a killed one left. Whoever loses a
/// parent is handed to the shim.
fn is_below(mut pid: i32, process: &Process) -> bool {
    let roots = [process.shim, process.payload];
    // Each parent is read anew, so a process that goes away meanwhile must not make us walk for ever.
    for _ in 0..1000 {
        match identity::stat(pid) {
            Ok(Some(stat)) if roots.contains(&Some(stat.identity)) => return true,
            Ok(Some(stat)) if stat.parent > 0 => pid = stat.parent,
            _ => return false,
        }
    }
    false
}

fn describe(socket: &Socket, pid: Option<u32>) -> Listener {
    let uid = socket.uid;
    let Some(pid) = pid else {
        return Listener { pid, uid, command: String::new(), mark: None, process: None };
    };
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
        uid,
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
        let pids = || -> Vec<_> {
            let listeners = Listening::read().unwrap().listeners(port).unwrap();
            listeners.into_iter().map(|who| who.pid.unwrap()).collect()
        };
        assert_eq!(pids(), [std::process::id()], "whoever has another address is in nobody's way");
        assert!(holds(std::process::id(), port).unwrap());
        assert!(!holds(other.id(), port).unwrap());
        drop(here);
        assert!(!holds(std::process::id(), port).unwrap(), "not ours any more");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    /// A program of nobody's that listens, and its port.
    fn start_as_nobody() -> (std::process::Child, u16) {
        let script = "my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:0', Listen => 5) or die; \
                      print $s->sockport, qq(\\n); close STDOUT; sleep 1000";
        let mut program = std::process::Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["perl", "-MIO::Socket::INET", "-e", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut stdout = std::io::BufReader::new(program.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut port).unwrap();
        (program, port.trim().parse().unwrap())
    }

    /// Root may not look into the processes of others in many a container, and is told apart from them all the same.
    #[test]
    fn a_server_that_may_not_be_looked_into_is_known_by_whose_it_is() {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

        // Whoever is not root has only the first process to try it on.
        if !rustix::process::geteuid().is_root() {
            assert!(sockets_of(1).is_err() && is_of(1, 0));
            return;
        }
        let (mut program, port) = start_as_nobody();
        let pid = program.id();
        let process = |payload: u32| Process {
            fingerprint: String::new(),
            mark: String::new(),
            log_path: std::path::PathBuf::new(),
            restarts: 0,
            failures: 0,
            state: super::super::ProcessState::Ending,
            instance: String::new(),
            shim: None,
            payload: Some(identity::of(payload.cast_signed()).unwrap()),
            stop_signal: 15,
            stop_grace_ms: 0,
            limits: agent_harness_shim::protocol::Limits::default(),
            leaf: None,
        };
        let id: ProcessId = "infra-shared/postgres".parse().unwrap();
        // What a thread may not do is its own affair.
        std::thread::scope(|scope| {
            let look = || {
                let mut sets = capabilities(None).unwrap();
                sets.effective.remove(CapabilitySet::SYS_PTRACE);
                set_capabilities(None, sets).unwrap();
                assert!(sockets_of(pid).is_err(), "it may not be looked into");
                assert!(holds(pid, port).unwrap());
                assert!(!holds(std::process::id(), port).unwrap());
                let others = |process: &Process| {
                    let listening = Listening::read().unwrap();
                    listening.in_the_way(port, &id, Some(process)).unwrap().len()
                };
                assert_eq!(others(&process(pid)), 0);
                assert_eq!(others(&process(std::process::id())), 1, "somebody else's");
            };
            scope.spawn(look).join().unwrap();
        });
        program.kill().unwrap();
        program.wait().unwrap();
    }
}
