//! What the kernel says of a process and of this thread, and one request to the control socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::site::harness::{Site, text};

/// A process by its id.
pub struct Process(u32);

impl Process {
    /// The controller of a place.
    pub fn of(site: &Site) -> Self {
        Self::all(site, "/controller", Some("run")).pop().expect("the controller runs")
    }

    /// One that is known otherwise.
    pub fn with_id(pid: u32) -> Self {
        Self(pid)
    }

    /// The shims of a place.
    pub fn shims(site: &Site) -> Vec<Self> {
        Self::all(site, "/agent-shim", None)
    }

    /// Those that run a program, with a word as its first argument.
    fn all(site: &Site, program: &str, word: Option<&str>) -> Vec<Self> {
        let state = site.state().display().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let read = |name: &str| text(&fs::read(entry.path().join(name)).unwrap_or_default());
            let (command, environment) = (read("cmdline"), read("environ"));
            let ours = command.contains(&state) || environment.contains(&state);
            let mut words = command.split('\0');
            let is_program = words.next().is_some_and(|first| first.ends_with(program));
            if ours && is_program && word.is_none_or(|word| words.next() == Some(word)) {
                found.push(Self(pid));
            }
        }
        found
    }

    /// Processor time so far, in user and in system.
    pub fn cpu(&self) -> Duration {
        // Fields 14 and 15, counted from behind the name, in hundredths of a second; threads that
        // have ended count as well, other than in `schedstat`.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// The same to the nanosecond, for what needs next to nothing; without the threads that have ended.
    pub fn ran(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap().flatten();
        tasks.map(|task| ran(&task.path().join("schedstat"))).sum()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        self.memory("status", "VmRSS:")
    }

    /// Resident memory, of which what is shared counts in part, in bytes.
    pub fn proportional(&self) -> u64 {
        self.memory("smaps_rollup", "Pss:")
    }

    /// Bytes that it has written, to files and elsewhere.
    pub fn written(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/io", self.0)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
        line.and_then(|bytes| bytes.parse().ok()).expect("the kernel counts")
    }

    fn memory(&self, file: &str, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.0)).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|n| n.parse().ok());
        kib.map(|kib: u64| kib * 1024).expect("the process has ended")
    }
}

/// Processor time of this thread so far.
pub fn thread_cpu() -> Duration {
    ran(Path::new("/proc/thread-self/schedstat"))
}

/// Nothing of a thread that has ended.
fn ran(schedstat: &Path) -> Duration {
    let stat = fs::read_to_string(schedstat).unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|ran| ran.parse().ok()).unwrap_or(0))
}

/// A POST without a body; any answer will do.
pub fn post(socket: &Path, path: &str) {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2')), "{answer}");
}
