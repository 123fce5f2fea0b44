//! One process's leaf in the tree of control groups: who lies in it, its end, and whether it used too much.
//!
//! The supervisor makes a leaf, sets its limits and names it in `launch.json`. So the shim needs no choice of its own
//! and stays small, and a later controller, which may choose otherwise, finds what an earlier one left. Nothing but
//! what we put there can lie in a leaf, so whoever does is ours, also with an empty environment and no parent.

#![allow(clippy::disallowed_methods, reason = "these are files of the kernel, not of ours")]

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::identity::{self, Identity};

/// The folder of all that is ours, below wherever groups can be made.
pub const ROOT: &str = "agent-harness";

/// How many folders of ours are above a leaf: of the agent, of the installation, and [`ROOT`].
const ABOVE: usize = 3;
/// How long a group may take to freeze. What sleeps in the kernel for longer is killed unfrozen.
const FREEZE_PATIENCE: Duration = Duration::from_millis(500);
/// How long a group whose last process has just ended may be busy.
const REMOVE_PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);
/// How far below its limit a group may have stayed to which nothing more was given.
const CHARGED_AHEAD: u64 = 1 << 20;

/// What a group can hold its processes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Controller {
    Memory,
    Cpu,
    Pids,
}

impl Controller {
    pub const ALL: [Self; 3] = [Self::Memory, Self::Cpu, Self::Pids];

    /// As the kernel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::Pids => "pids",
        }
    }
}

/// Which form the tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Version {
    /// A tree for each controller.
    V1,
    /// One tree.
    V2,
}

/// A leaf: under v2 one folder, under v1 one for each tree that is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    pub version: Version,
    /// The first is the one that tells who is there; under v1 that of the freezer, where there is one.
    pub folders: Vec<Folder>,
}

/// One folder of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    pub path: PathBuf,
    /// The limits that are set in it.
    pub limits: BTreeSet<Controller>,
}

/// Puts the calling process into a group; it has a single thread.
///
/// Under v1 by the file that moves one thread: before it moves a whole process, the kernel waits until no processor
/// forks, which takes 10 to 20 ms.
pub fn enter(group: &Path) -> io::Result<()> {
    match write(group, "tasks", "0") {
        // v2 has none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => write(group, "cgroup.procs", "0"),
        done => done,
    }
}

impl Leaf {
    /// Puts the calling process into it: into all of it that lets it.
    pub fn enter(&self) -> io::Result<()> {
        self.folders.iter().map(|folder| enter(&folder.path)).fold(Ok(()), io::Result::and)
    }

    /// Whether a process is in all of it.
    pub fn is_in(&self, pid: i32) -> bool {
        let (pid, list) = (pid.to_string(), "cgroup.procs");
        let is_in = |folder: &Folder| match read(&folder.path, list) {
            Ok(Some(text)) => text.lines().any(|line| line == pid),
            _ => false,
        };
        self.folders.iter().all(is_in)
    }

    /// The folder that holds its processes to a limit.
    pub fn limit(&self, controller: Controller) -> Option<&Path> {
        let holds = |folder: &&Folder| folder.limits.contains(&controller);
        self.folders.iter().find(holds).map(|folder| &*folder.path)
    }

    /// The live processes in it, those in groups of their own below included. A leaf that is gone has none.
    pub fn members(&self) -> io::Result<Vec<Identity>> {
        let mut found = Vec::new();
        for pid in self.pids()? {
            if let Some(stat) = identity::stat(pid)?.filter(identity::Stat::is_alive) {
                found.push(stat.identity);
            }
        }
        // A pid may have gone to a stranger between the list and the look. One that is listed again did not: its
        // process is older than this list.
        let again = self.pids()?;
        found.retain(|member| again.contains(&member.pid));
        Ok(found)
    }

    fn pids(&self) -> io::Result<BTreeSet<i32>> {
        let mut pids = BTreeSet::new();
        for folder in &self.folders {
            for group in groups(&folder.path)? {
                let Some(text) = read(&group, "cgroup.procs")? else { continue };
                // 0 is a process of another pid namespace.
                pids.extend(
                    text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|it| *it > 0),
                );
            }
        }
        Ok(pids)
    }

    /// Kills all that is in it. What cannot be forked away in between is gone soon after; call it again otherwise.
    pub fn kill(&self) -> io::Result<()> {
        let Some(first) = self.folders.first() else { return Ok(()) };
        match self.version {
            Version::V2 => match write(&first.path, "cgroup.kill", "1") {
                // Linux before 5.14.
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.signal(Signal::KILL),
                done => done,
            },
            Version::V1 => {
                // Frozen, nobody forks while the others are killed.
                let frozen = freeze(&first.path);
                let killed = self.signal(Signal::KILL);
                if frozen {
                    self.thaw()?;
                }
                killed
            }
        }
    }

    /// Sends a signal to each.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        for member in self.members()? {
            identity::signal(member, signal)?;
        }
        Ok(())
    }

    /// Lets its processes run on: whoever froze them may have been killed meanwhile.
    pub fn thaw(&self) -> io::Result<()> {
        let Some(first) = self.folders.first().filter(|_| self.version == Version::V1) else {
            return Ok(());
        };
        match write(&first.path, "freezer.state", "THAWED") {
            // Gone, or no freezer.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Kills all that is in it and waits until nobody is; gives those who outlived `patience`.
    pub fn clear(&self, patience: Duration) -> io::Result<Vec<Identity>> {
        let deadline = Instant::now() + patience;
        let mut pause = PAUSE;
        loop {
            let left = self.members()?;
            if left.is_empty() || Instant::now() >= deadline {
                return Ok(left);
            }
            self.kill()?;
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Removes it, and what is ours above it and empty. Somebody in it: an error. Gone already: fine.
    pub fn remove(&self) -> io::Result<()> {
        for folder in &self.folders {
            let deadline = Instant::now() + REMOVE_PATIENCE;
            for group in groups(&folder.path)?.iter().rev() {
                while let Err(error) = fs::remove_dir(group) {
                    match error.kind() {
                        io::ErrorKind::NotFound => break,
                        io::ErrorKind::ResourceBusy if Instant::now() < deadline => {
                            thread::sleep(PAUSE);
                        }
                        _ => return Err(error),
                    }
                }
            }
            for above in folder.path.ancestors().skip(1).take(ABOVE) {
                // Others of the same agent or installation are in it.
                if fs::remove_dir(above).is_err() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// How many of its processes the kernel has killed for want of memory, whoever's limit it was.
    pub fn oom_kills(&self) -> u64 {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let of = |folder: &Folder| count(&folder.path, file, "oom_kill");
        self.folders.iter().filter_map(of).max().unwrap_or(0)
    }

    /// Whether a group has come to its own limit of memory: this leaf's own, or with `above` its agent's.
    pub fn memory_was_reached(&self, above: bool) -> bool {
        let Some(path) = self.limit(Controller::Memory) else { return false };
        let path = if above { path.parent().unwrap_or(path) } else { path };
        match self.version {
            // Where swap counts, that limit is come to first, and not every kernel counts how often.
            Version::V1 => {
                let number = |file| read(path, file).ok()??.trim().parse::<u64>().ok();
                let (most, limit) =
                    (number("memory.max_usage_in_bytes"), number("memory.limit_in_bytes"));
                number("memory.failcnt").is_some_and(|times| times > 0)
                    || most.zip(limit).is_some_and(|(most, limit)| most + CHARGED_AHEAD >= limit)
            }
            // Its own alone; in `memory.events` those of the groups below count as well.
            Version::V2 => ["memory.events.local", "memory.events"]
                .into_iter()
                .find_map(|file| count(path, file, "oom"))
                .is_some_and(|times| times > 0),
        }
    }
}

/// Stops all that is in a group. `false`: it has no freezer.
fn freeze(path: &Path) -> bool {
    if write(path, "freezer.state", "FROZEN").is_err() {
        return false;
    }
    let deadline = Instant::now() + FREEZE_PATIENCE;
    while !matches!(read(path, "freezer.state"), Ok(Some(state)) if state.trim() == "FROZEN") {
        if Instant::now() >= deadline {
            break;
        }
        thread::sleep(PAUSE);
    }
    true
}

/// A group and those below it, each after the one that it is in. One that is gone: none.
fn groups(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = vec![path.to_owned()];
    let mut next = 0;
    while let Some(group) = all.get(next).cloned() {
        next += 1;
        let entries = match fs::read_dir(&group) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                all.push(entry.path());
            }
        }
    }
    Ok(all)
}

/// A file of a group; `None` where there is none. One that is being removed says so with ENODEV.
fn read(group: &Path, file: &str) -> io::Result<Option<String>> {
    match fs::read_to_string(group.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes to a file of a group that has it.
pub fn write(group: &Path, file: &str, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    // Neither made nor cut: the kernel has such a file or has it not.
    fs::OpenOptions::new().write(true).open(group.join(file))?.write_all(text.as_bytes())
}

/// The number after a word in a file of lines `word number`.
fn count(group: &Path, file: &str, word: &str) -> Option<u64> {
    let text = read(group, file).ok()??;
    counted(&text, word)
}

fn counted(text: &str, word: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, number) = line.split_once(' ')?;
        if name == word { number.trim().parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_that_of_the_whole_word() {
        let events = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(counted(events, "oom"), Some(3));
        assert_eq!(counted(events, "oom_kill"), Some(2));
        assert_eq!(counted(events, "gone"), None);
    }

    #[test]
    fn a_leaf_that_is_gone_has_nobody_and_is_removed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent-harness/i/a/p");
        let leaf = Leaf {
            version: Version::V2,
            folders: vec![Folder { path: path.clone(), limits: BTreeSet::new() }],
        };
        assert_eq!(leaf.members().unwrap(), []);
        assert_eq!(leaf.clear(Duration::ZERO).unwrap(), []);
        leaf.remove().unwrap();
        fs::create_dir_all(path.join("of/its/own")).unwrap();
        fs::create_dir_all(folder.path().join("agent-harness/i/b")).unwrap();
        leaf.remove().unwrap();
        assert!(!folder.path().join("agent-harness/i/a").exists());
        assert!(folder.path().join("agent-harness/i/b").exists(), "it is another agent's");
    }
}
