//! Ends what a killed shim left behind: who is in its control group, its payload, that one's descendants, whoever
//! carries the mark, and whoever still holds the lock of its run folder.
//!
//! Where there is a control group it alone would do. Without one, who has left its parent, its environment and its
//! descriptors is not to be found.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use agent_harness_shim::identity::{self, Identity, Stat};
use agent_harness_shim::protocol::LOCK_FILE;
use agent_harness_shim::{signals, tree};
use rustix::process::Signal;

use super::launch::ProcessId;
use super::state::Process;
use crate::fs;

/// How long the leftovers may take to vanish after SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// The live processes of a run that has no shim any more. `folder`: its run folder.
pub fn leftovers(id: &ProcessId, process: &Process, folder: &Path) -> io::Result<Vec<Identity>> {
    let processes = tree::snapshot()?;
    let mut found: BTreeSet<Identity> =
        tree::marked(&processes, &process.mark, id.as_str())?.into_iter().collect();
    // A shim of this id that lives is not a leftover: it does not carry the mark.
    found.extend(process.payload.filter(|payload| {
        processes.get(&payload.pid).is_some_and(|stat| stat.identity == *payload && stat.is_alive())
    }));
    if let Some(leaf) = &process.leaf {
        found.extend(leaf.members()?);
    }
    found.extend(holders(&processes, &folder.join(LOCK_FILE)));
    let roots: Vec<i32> = found.iter().map(|process| process.pid).collect();
    for root in roots {
        found.extend(tree::descendants(&processes, root));
    }
    Ok(found.into_iter().collect())
}

/// Who has the descriptor open that holds the lock: it is handed on from shim to payload and from that to whatever it
/// starts, and nobody else can have it. We are not meant, who hold the lock while we start a process, nor what we fork
/// just then and has not executed its own program yet.
fn holders(processes: &BTreeMap<i32, Stat>, lock: &Path) -> Vec<Identity> {
    let Ok(Some(wanted)) = fs::metadata(lock) else { return Vec::new() };
    let us = std::process::id().cast_signed();
    let holds = |pid: i32| {
        // Another user's are not ours to look at, and one that ends meanwhile has none.
        let opened = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        opened.into_iter().any(|opened| {
            let Ok(found) = std::fs::metadata(opened.path()) else { return false };
            if (found.dev(), found.ino()) != (wanted.dev(), wanted.ino()) {
                return false;
            }
            let info = format!("/proc/{pid}/fdinfo/{}", opened.file_name().display());
            fs::read_to_string(info).is_ok_and(|info| info.contains("FLOCK"))
        })
    };
    let program = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let is_us = |stat: &Stat| {
        stat.identity.pid == us || (stat.parent == us && program(stat.identity.pid) == program(us))
    };
    let others = processes.values().filter(|stat| stat.is_alive() && !is_us(stat));
    others.map(|stat| stat.identity).filter(|it| holds(it.pid)).collect()
}

/// The same for who must not wait: it reads all of `/proc`, more than once where a program has only just begun.
async fn look(id: &ProcessId, process: &Process, folder: &Path) -> io::Result<Vec<Identity>> {
    let (id, process, folder) = (id.clone(), process.clone(), folder.to_owned());
    tokio::task::spawn_blocking(move || leftovers(&id, &process, &folder))
        .await
        .map_err(io::Error::other)?
}

/// Asks the leftovers to end, kills them after the grace, and waits until none is left.
///
/// Gives those that outlived SIGKILL.
pub async fn drain(
    id: &ProcessId,
    process: &Process,
    folder: &Path,
    signal: Option<(Signal, Duration)>,
) -> io::Result<Vec<Identity>> {
    let (asked, grace) = signal.unwrap_or_else(|| {
        let signal = signals::from_number(process.stop_signal).unwrap_or(Signal::TERM);
        (signal, Duration::from_millis(process.stop_grace_ms))
    });
    if let Some(leaf) = &process.leaf {
        // A shim that was killed just while it killed may have left it frozen.
        leaf.thaw()?;
    }
    let mut left = look(id, process, folder).await?;
    for one in &left {
        identity::signal(*one, asked)?;
    }
    let ask_until = Instant::now() + grace;
    let kill_until = ask_until + KILL_PATIENCE;
    while !left.is_empty() && Instant::now() < kill_until {
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = look(id, process, folder).await?;
        if Instant::now() >= ask_until {
            if let Some(leaf) = process.leaf.clone().filter(|_| !left.is_empty()) {
                tokio::task::spawn_blocking(move || leaf.kill())
                    .await
                    .map_err(io::Error::other)??;
            }
            for one in &left {
                identity::signal(*one, Signal::KILL)?;
            }
        }
    }
    if let Some(leaf) = process.leaf.as_ref().filter(|_| left.is_empty()) {
        leaf.remove()?;
    }
    Ok(left)
}
