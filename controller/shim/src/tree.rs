//! Finds the processes of a tree in `/proc`: by descent, and by the mark in their environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use crate::identity::{self, Identity, Stat};
use crate::proc::read;

/// The variable that holds the installation and object that a process belongs to.
pub const MARK_VARIABLE: &str = "HARNESS_MARK";
/// The variable that holds the id of the process that a payload belongs to.
pub const PROCESS_VARIABLE: &str = "HARNESS_PROCESS";

/// Every process of this pid namespace that we may see, by pid. Where `/proc` is mounted with `hidepid`, others'
/// are not ours to see, nor to signal.
pub fn snapshot() -> io::Result<BTreeMap<i32, Stat>> {
    let mut processes = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if let Some(stat) = visible(identity::stat(pid))? {
            processes.insert(pid, stat);
        }
    }
    Ok(processes)
}

fn visible(stat: io::Result<Option<Stat>>) -> io::Result<Option<Stat>> {
    match stat {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        other => other,
    }
}

/// The live processes below `root`, without `root` itself, children before grandchildren.
pub fn descendants(processes: &BTreeMap<i32, Stat>, root: i32) -> Vec<Identity> {
    let mut children: BTreeMap<i32, Vec<&Stat>> = BTreeMap::new();
    for stat in processes.values() {
        children.entry(stat.parent).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root]);
    let mut next = vec![root];
    while let Some(parent) = next.pop() {
        for stat in children.get(&parent).into_iter().flatten() {
            if seen.insert(stat.identity.pid) {
                // Also below a zombie: its children live on until they are handed to its reaper.
                next.push(stat.identity.pid);
                if stat.is_alive() {
                    found.push(stat.identity);
                }
            }
        }
    }
    found
}

/// Bytes of memory that processes have; what several of them share counts for each. Those that are gone have none.
pub fn resident(processes: &[Identity]) -> u64 {
    processes.iter().filter_map(|process| kilobytes(process.pid, "status", "VmRSS:")).sum::<u64>()
        * 1024
}

/// The same with what they share divided among them; as [`resident`] for those that we may not look into. It costs the
/// kernel a walk through all of their pages.
pub fn proportional(processes: &[Identity]) -> u64 {
    let one =
        |pid| kilobytes(pid, "smaps_rollup", "Pss:").or_else(|| kilobytes(pid, "status", "VmRSS:"));
    processes.iter().filter_map(|process| one(process.pid)).sum::<u64>() * 1024
}

fn kilobytes(pid: i32, file: &str, word: &str) -> Option<u64> {
    let text = read(pid, file).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The live processes whose environment carries both the mark and the process id.
///
/// A process of another user that we may not read is left out. To an ordinary user it is not ours. Root without the
/// right to look into others' processes may have started it as that user: it is found by its descent from its payload,
/// and one that has lost that too still holds the lock of its run.
pub fn marked(
    processes: &BTreeMap<i32, Stat>,
    mark: &str,
    process: &str,
) -> io::Result<Vec<Identity>> {
    let mark = format!("{MARK_VARIABLE}={mark}");
    let process = format!("{PROCESS_VARIABLE}={process}");
    let environments = environments(processes.values())?;
    let has = |pid: i32, wanted: &str| {
        let environment = environments.get(&pid).map(Vec::as_slice).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    let identities = processes.values().map(|stat| stat.identity);
    Ok(identities.filter(|it| has(it.pid, &mark) && has(it.pid, &process)).collect())
}

/// The environments that live processes were started with, as `/proc/PID/environ` has them. Those that are gone
/// meanwhile, or another user's, are left out.
///
/// While a process takes up another program it has no environment yet (`execve` sets it last), and would pass for
/// somebody else's. So an empty one is believed only when it is seen again, of the same program; waited for together,
/// since our own shims have none for good.
pub fn environments<'a>(
    processes: impl Iterator<Item = &'a Stat>,
) -> io::Result<BTreeMap<i32, Vec<u8>>> {
    let alive = processes.filter(|stat| stat.is_alive());
    look_until_known(alive.map(|stat| stat.identity.pid))
}

/// The same of one process; `None` when it is gone, or another user's.
pub fn environment(pid: i32) -> io::Result<Option<Vec<u8>>> {
    Ok(look_until_known(std::iter::once(pid))?.remove(&pid))
}

fn look_until_known(pids: impl Iterator<Item = i32>) -> io::Result<BTreeMap<i32, Vec<u8>>> {
    const LOOKS: u32 = 20;
    let mut found = BTreeMap::new();
    let mut empty: BTreeMap<i32, Option<String>> = pids.map(|pid| (pid, None)).collect();
    for look in 0..LOOKS {
        if look > 0 && !empty.is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        for (pid, before) in std::mem::take(&mut empty) {
            match look_at(pid) {
                Ok(Look::Known(environment)) => drop(found.insert(pid, environment)),
                Ok(Look::Empty(program)) if program.is_some() && program == before => {
                    found.insert(pid, Vec::new());
                }
                Ok(Look::Empty(program)) => drop(empty.insert(pid, program)),
                Err(error) if identity::is_gone(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// What a look at an environment shows.
enum Look {
    /// It is this.
    Known(Vec<u8>),
    /// Nothing. Where it is, which differs from program to program; `None` while it is not set up.
    Empty(Option<String>),
}

fn look_at(pid: i32) -> io::Result<Look> {
    let environment = read(pid, "environ")?;
    // What has no program, as the kernel's own threads, has nothing to wait for either.
    if !environment.is_empty() || fs::read_link(format!("/proc/{pid}/exe")).is_err() {
        return Ok(Look::Known(environment));
    }
    // Fields 50 and 51 say where it begins and ends. The name, which may hold anything, is the second one.
    let stat = read(pid, "stat")?;
    let stat = String::from_utf8_lossy(&stat);
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(47);
    let place = match (fields.next(), fields.next()) {
        (Some(begin), Some(end)) if begin == end && begin != "0" => Some(begin.to_owned()),
        _ => None,
    };
    Ok(Look::Empty(place))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn stat(pid: i32, parent: i32, state: u8) -> (i32, Stat) {
        let identity = Identity { pid, start: 1 };
        (pid, Stat { identity, parent, session: 1, state })
    }

    #[test]
    fn a_process_that_may_not_be_seen_is_no_reason_to_see_none() {
        let error = |number| Err(io::Error::from_raw_os_error(number));
        for hidden in [rustix::io::Errno::PERM, rustix::io::Errno::ACCESS] {
            assert_eq!(visible(error(hidden.raw_os_error())).unwrap(), None);
        }
        assert!(visible(error(rustix::io::Errno::NFILE.raw_os_error())).is_err());
    }

    #[test]
    fn a_process_that_runs_another_program_just_now_is_not_overlooked() {
        // Nothing but one program after another, with the same environment.
        const AGAIN: &str = r#"exec /bin/sh -c "$0" "$0""#;
        let mut child = Command::new("/bin/sh")
            .args(["-c", AGAIN, AGAIN])
            .env(MARK_VARIABLE, "here uid")
            .env(PROCESS_VARIABLE, "again")
            .spawn()
            .unwrap();
        let pid = child.id().cast_signed();
        let missed = (0..5_000).filter(|_| {
            let stat = identity::stat(pid).unwrap().unwrap();
            marked(&BTreeMap::from([(pid, stat)]), "here uid", "again").unwrap().is_empty()
        });
        let missed = missed.count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(missed, 0);
    }

    #[test]
    fn an_environment_of_no_length_is_not_waited_for() {
        let mut child = Command::new("/bin/sleep").arg("600").env_clear().spawn().unwrap();
        let pid = child.id().cast_signed();
        let found = environment(pid);
        let last = look_at(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.unwrap().unwrap(), b"");
        assert!(matches!(last.unwrap(), Look::Empty(Some(_))), "it was seen to be set up");
        let us = std::process::id().cast_signed();
        assert!(matches!(look_at(us).unwrap(), Look::Known(own) if !own.is_empty()));
    }

    #[test]
    fn descent_goes_through_zombies_and_leaves_out_strangers() {
        let processes = BTreeMap::from([
            stat(1, 0, b'S'),
            stat(10, 1, b'S'),
            stat(11, 10, b'Z'),
            stat(12, 11, b'R'),
            stat(20, 1, b'S'),
        ]);
        let pids: Vec<i32> = descendants(&processes, 10).iter().map(|found| found.pid).collect();
        assert_eq!(pids, [12]);
    }
}
