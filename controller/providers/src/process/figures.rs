//! What processes of ours use: processor time, memory and open files of their whole trees, from `/proc`.

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::{Stat, all_processes};

use super::{Process, ProcessState};
use crate::fs;

/// What a tree uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since its processes were started; of those that live.
    pub cpu: Duration,
    /// Bytes; what several of them share counts once, where the kernel tells.
    pub memory: u64,
    /// How many processes.
    pub pids: u64,
    /// How many files they have open, sockets and pipes among them; of those that we may look at.
    pub files: u64,
}

/// All processes of the host, by their parents.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<i32, Vec<Stat>>);

impl Table {
    /// Reads it. What ends meanwhile is left out.
    pub fn read() -> Self {
        let mut by_parent: BTreeMap<i32, Vec<Stat>> = BTreeMap::new();
        for process in all_processes().into_iter().flatten().flatten() {
            if let Ok(stat) = process.stat() {
                by_parent.entry(stat.ppid).or_default().push(stat);
            }
        }
        Self(by_parent)
    }

    /// What the tree of a process uses; `None`: it does not run. Its holder takes in whoever leaves the tree, so all
    /// that is below the holder counts, and the holder itself does not.
    pub fn usage(&self, process: &Process) -> Option<Usage> {
        let ProcessState::Running { .. } = process.state else { return None };
        let holder = process.shim?.pid;
        let mut usage = Usage::default();
        let mut open = vec![holder];
        while let Some(parent) = open.pop() {
            for stat in self.0.get(&parent).into_iter().flatten() {
                open.push(stat.pid);
                let ticks = stat.utime + stat.stime;
                usage.cpu += Duration::from_secs(ticks) / ticks_per_second();
                usage.memory += proportional(stat.pid).unwrap_or(stat.rss * procfs::page_size());
                usage.pids += 1;
                usage.files += open_files(stat.pid);
            }
        }
        Some(usage)
    }
}

fn ticks_per_second() -> u32 {
    u32::try_from(procfs::ticks_per_second()).unwrap_or(100).max(1)
}

/// None of one that ended meanwhile, or is not ours to look at.
fn open_files(pid: i32) -> u64 {
    let count = procfs::process::Process::new(pid).and_then(|process| process.fd_count());
    count.ok().and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

/// Memory with its part of what it shares with others: servers share most of theirs among their processes.
fn proportional(pid: i32) -> Option<u64> {
    let text = fs::read_to_string_if_exists(format!("/proc/{pid}/smaps_rollup")).ok()??;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
