//! This host as everybody sees it: its ports, its processes, its files, and the disks that a test puts there.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use agent_harness_providers::process::ports::listener;

use super::harness::{Site, succeed, text};

/// When a process started, in the kernel's own unit; nothing when there is none.
pub fn started(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The 22nd field, counted from behind the name, which may hold anything.
    let started = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20));
    started.unwrap_or_default().to_owned()
}

/// A process of this host.
pub struct Running {
    pub pid: u32,
    pub parent: u32,
    pub command: Vec<String>,
    pub environment: Vec<String>,
}

/// All of them; nothing of one that ends just now, or is not ours to look at.
pub fn running() -> Vec<Running> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let words = |name| read(name).split(|byte| *byte == 0).map(text).collect();
        let stat = text(&read("stat"));
        // The 4th field, counted from behind the name, which may hold anything.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(2));
        found.push(Running {
            pid,
            parent: parent.and_then(|parent| parent.parse().ok()).unwrap_or(0),
            command: words("cmdline"),
            environment: words("environ"),
        });
    }
    found
}

impl Site {
    /// The processes of an agent of the hello app: what each is, its pid and when it started.
    pub fn processes(&self, agent: u16) -> Vec<(String, u32, String)> {
        let port = format!("PORT={}", self.api + agent * 10);
        let mut found: Vec<_> = running()
            .into_iter()
            .filter(|it| it.command[0].ends_with("/hello") && it.environment.contains(&port))
            .map(|it| (it.command[1].clone(), it.pid, started(it.pid)))
            .collect();
        found.sort();
        found
    }

    /// The process that listens on a port.
    pub fn pid_on(port: u16) -> u32 {
        listener(port).unwrap().and_then(|listener| listener.pid).expect("somebody listens")
    }
}

/// The answer to one HTTP request: status and body.
pub fn http(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
    let answer = request(port, method, path, &[("Host", "localhost")], body)?;
    Ok((answer.status, answer.body))
}

/// An answer as a whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// The answer to one HTTP request with these headers, `Host` among them.
pub fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\n");
    if headers.iter().all(|(name, _)| *name != "Content-Type") {
        head.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = text(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A file system of its own that is mounted on a folder.
pub struct Disk(PathBuf);

impl Disk {
    /// Whether this user may mount one at all. Where everything is checked it has to be so.
    pub fn is_possible() -> bool {
        let possible = as_root("true").output().is_ok_and(|output| output.status.success());
        assert!(possible || std::env::var_os("CI").is_none(), "only root may mount a disk");
        possible
    }

    /// In memory, and of the user who runs the tests.
    pub fn mount(folder: PathBuf, megabytes: u32) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        let owner = format!("uid={},gid={}", user.as_raw(), group.as_raw());
        let options = format!("size={megabytes}m,mode=755,{owner}");
        succeed(as_root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder));
        Self(folder)
    }

    /// Gives it more room; what is on it stays.
    pub fn grow(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        succeed(as_root("mount").args(["-o", &options]).arg(&self.0));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A program that only root may run: whoever is not root needs a `sudo` that asks for nothing.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

/// Two ports for servers, and two bases whose agents 1 to 9 are free, below those that the system hands out.
/// Each block is handed out once per test run, so that tests at the same time do not meet; runs at the same time
/// begin at different ones.
pub fn free_ports() -> [u16; 4] {
    let first = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
    // Nobody else of this process has one of them, also while nothing listens there.
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    for turn in 0..BLOCKS {
        let block = 20_000 + (first + taken.1 + turn) % BLOCKS * 200;
        let ports = [block, block + 1, block + 2, block + 102];
        let agents = (1..10).flat_map(|n| [ports[2] + n * 10, ports[3] + n * 10]);
        if !taken.0.contains(&block) && ports.into_iter().chain(agents).all(is_free) {
            taken.0.insert(block);
            // What was used last may still be closing.
            taken.1 = (taken.1 + turn + 1) % BLOCKS;
            return ports;
        }
    }
    panic!("no free ports from 20000 to 32000");
}

/// Lets others have ports again, by the first of them.
pub fn give_back(first: u16) {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&first);
}

const BLOCKS: u16 = 60;
/// The blocks that somebody of this process has, by their first port; and where to look next.
static TAKEN: Mutex<(BTreeSet<u16>, u16)> = Mutex::new((BTreeSet::new(), 0));

/// Whether nobody listens on a port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The files of a folder, without its folders.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}
