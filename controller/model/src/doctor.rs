//! How the host stands: what is said of what was looked at. Pure; who looks is the engine.

mod tools;

use crate::admission::Amount;
use crate::api::Check;
use crate::bytes::bytes;
pub use tools::tool;

/// Files and folders that watches of a development server or two take.
const WATCHES: u64 = 65_536;
/// Programs that watch files, of all agents together.
const INSTANCES: u64 = 512;
/// Files that the controller has open with some hundred processes.
const OPEN_FILES: u64 = 4096;
/// Bytes below which a disk is soon full.
const FREE: u64 = 2 << 30;

/// What was found out about the host; `Err`: why it could not be.
#[derive(Debug, Clone)]
pub struct Host {
    /// By what processes are held, as `ctl info` says it.
    pub held_by: String,
    /// Bytes of memory, and how many of them agents were given.
    pub memory: Result<(u64, u64), String>,
    /// Bytes of the disk of the state folder, and how many are free.
    pub disk: Result<(u64, u64), String>,
    /// `fs.inotify.max_user_watches`
    pub watches: Result<u64, String>,
    /// `fs.inotify.max_user_instances`
    pub instances: Result<u64, String>,
    /// How many files the controller may have open.
    pub open_files: Option<u64>,
    /// The version of git.
    pub git: Result<String, String>,
}

/// A check for each, in this order.
pub fn checks(host: &Host) -> Vec<Check> {
    vec![
        processes(&host.held_by),
        memory(&host.memory),
        disk(&host.disk),
        kernel("inotify watches", "fs.inotify.max_user_watches", &host.watches, WATCHES, 524_288),
        kernel(
            "inotify instances",
            "fs.inotify.max_user_instances",
            &host.instances,
            INSTANCES,
            8192,
        ),
        open_files(host.open_files),
        git(&host.git),
    ]
}

/// Whether there is room for one more agent that asks for so much.
pub fn room(host: &Host, asks: Amount) -> Vec<Check> {
    let fits = |name: &str, asked: u64, free: Option<u64>, fix: &str| {
        let free = free.filter(|_| asked > 0)?;
        let message = format!("one more agent asks for {}, {} are free", bytes(asked), bytes(free));
        Some(if asked > free {
            Check::problem(name, message, fix)
        } else {
            Check::ok(name, message)
        })
    };
    let memory = host.memory.as_ref().ok().map(|(all, given)| all.saturating_sub(*given));
    let disk = host.disk.as_ref().ok().map(|(_, free)| *free);
    let less = "ask for less under `requests`, or remove an agent";
    let memory = fits("memory for an agent", asks.memory, memory, less);
    let disk =
        fits("disk for an agent", asks.disk, disk, "make room: `ctl trash` lists what is kept");
    memory.into_iter().chain(disk).collect()
}

fn processes(held_by: &str) -> Check {
    let name = "processes";
    let delegate =
        "run the controller as a service with `Delegate=yes` (contrib/systemd), or as root";
    let lacks: Vec<&str> =
        ["memory", "cpu", "pids"].into_iter().filter(|limit| !held_by.contains(limit)).collect();
    let message = format!("held by {held_by}");
    if held_by == "process groups" {
        let message = format!(
            "{message}: memory and pids are looked at every few seconds, and a process with `cpus` does not start"
        );
        Check::warning(name, message, delegate)
    } else if lacks.is_empty() {
        Check::ok(name, message)
    } else {
        let message =
            format!("{message}: the kernel holds nobody to limits of {}", lacks.join(", "));
        Check::warning(name, message, delegate)
    }
}

fn memory(found: &Result<(u64, u64), String>) -> Check {
    let name = "memory";
    match found {
        Err(why) => Check::problem(name, why, "see whether /proc is mounted"),
        Ok((all, given)) => {
            let message = format!("{}, of which agents were given {}", bytes(*all), bytes(*given));
            if given > all {
                let fix = "ask for less under `requests`, or remove an agent";
                Check::warning(name, message, fix)
            } else {
                Check::ok(name, message)
            }
        }
    }
}

fn disk(found: &Result<(u64, u64), String>) -> Check {
    let name = "disk";
    match found {
        Err(why) => Check::problem(name, why, "see whether the state folder is there"),
        Ok((size, free)) => {
            let message = format!("{} free of {}", bytes(*free), bytes(*size));
            let fix = "see what takes the room: `ctl trash` lists what is kept of deleted agents";
            match *free {
                0 => Check::problem(name, message, fix),
                free if is_nearly_full(*size, free) => Check::warning(name, message, fix),
                _ => Check::ok(name, message),
            }
        }
    }
}

/// Whether a disk of so many bytes is soon full.
pub fn is_nearly_full(size: u64, free: u64) -> bool {
    free < FREE.min(size / 10)
}

fn kernel(
    name: &str,
    setting: &str,
    found: &Result<u64, String>,
    least: u64,
    better: u64,
) -> Check {
    match found {
        Err(why) => Check::warning(name, why, "see whether /proc is mounted"),
        Ok(most) if *most < least => Check::warning(
            name,
            format!("a user has {most}; watches of many agents need more"),
            format!("sysctl -w {setting}={better}, and the same in /etc/sysctl.d"),
        ),
        Ok(most) => Check::ok(name, most.to_string()),
    }
}

fn open_files(most: Option<u64>) -> Check {
    let name = "open files";
    match most {
        None => Check::ok(name, "no limit"),
        Some(most) if most < OPEN_FILES => Check::warning(
            name,
            format!("the controller may have {most}"),
            "raise `LimitNOFILE=` of its service, or `ulimit -n`",
        ),
        Some(most) => Check::ok(name, most.to_string()),
    }
}

fn git(found: &Result<String, String>) -> Check {
    match found {
        Ok(version) => Check::ok("git", version),
        Err(why) => Check::problem("git", why, "install git: worktrees are made with it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &Host) -> String {
        let line = |check: Check| {
            let fix = check.fix.map(|fix| format!(" -> {fix}")).unwrap_or_default();
            format!("{:?} {}: {}{fix}\n", check.verdict, check.name, check.message)
        };
        checks(host).into_iter().map(line).collect()
    }

    #[test]
    fn a_host_that_has_all() {
        let host = Host {
            held_by: "cgroup v2 (memory, cpu, pids)".into(),
            memory: Ok((16 << 30, 6 << 30)),
            disk: Ok((200 << 30, 90 << 30)),
            watches: Ok(524_288),
            instances: Ok(8192),
            open_files: None,
            git: Ok("2.39.5".into()),
        };
        insta::assert_snapshot!(told(&host), @"
        Ok processes: held by cgroup v2 (memory, cpu, pids)
        Ok memory: 16Gi, of which agents were given 6.0Gi
        Ok disk: 90Gi free of 200Gi
        Ok inotify watches: 524288
        Ok inotify instances: 8192
        Ok open files: no limit
        Ok git: 2.39.5
        ");
    }

    #[test]
    fn a_host_that_lacks_something_and_what_to_do_about_it() {
        let mut host = Host {
            held_by: "process groups".into(),
            memory: Ok((16 << 30, 20 << 30)),
            disk: Ok((200 << 30, 1 << 30)),
            watches: Ok(8192),
            instances: Ok(128),
            open_files: Some(1024),
            git: Err("there is no program `git` on this host".into()),
        };
        insta::assert_snapshot!(told(&host), @"
        Warning processes: held by process groups: memory and pids are looked at every few seconds, and a process with `cpus` does not start -> run the controller as a service with `Delegate=yes` (contrib/systemd), or as root
        Warning memory: 16Gi, of which agents were given 20Gi -> ask for less under `requests`, or remove an agent
        Warning disk: 1.0Gi free of 200Gi -> see what takes the room: `ctl trash` lists what is kept of deleted agents
        Warning inotify watches: a user has 8192; watches of many agents need more -> sysctl -w fs.inotify.max_user_watches=524288, and the same in /etc/sysctl.d
        Warning inotify instances: a user has 128; watches of many agents need more -> sysctl -w fs.inotify.max_user_instances=8192, and the same in /etc/sysctl.d
        Warning open files: the controller may have 1024 -> raise `LimitNOFILE=` of its service, or `ulimit -n`
        Problem git: there is no program `git` on this host -> install git: worktrees are made with it
        ");
        host.held_by = "cgroup v2".into();
        host.memory = Err("cannot read /proc/meminfo".into());
        host.disk = Ok((200 << 30, 0));
        insta::assert_snapshot!(told(&host).lines().take(3).collect::<Vec<_>>().join("\n"), @"
        Warning processes: held by cgroup v2: the kernel holds nobody to limits of memory, cpu, pids -> run the controller as a service with `Delegate=yes` (contrib/systemd), or as root
        Problem memory: cannot read /proc/meminfo -> see whether /proc is mounted
        Problem disk: 0B free of 200Gi -> see what takes the room: `ctl trash` lists what is kept of deleted agents
        ");
    }
}
