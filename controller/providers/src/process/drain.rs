//! Ends what a killed shim left behind: its payload, that one's descendants, and whoever carries the mark.
//!
//! The seam for control groups: where a process has one, its emptiness is the better test.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use agent_harness_shim::identity::{self, Identity};
use agent_harness_shim::{signals, tree};
use rustix::process::Signal;

use super::launch::ProcessId;
use super::state::Process;

/// How long the leftovers may take to vanish after SIGKILL.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// The live processes of a run that has no shim any more.
pub fn leftovers(id: &ProcessId, process: &Process) -> io::Result<Vec<Identity>> {
    let processes = tree::snapshot()?;
    let mut found: BTreeSet<Identity> =
        tree::marked(&processes, &process.mark, id.as_str())?.into_iter().collect();
    // A shim of this id that lives is not a leftover: it does not carry the mark.
    found.extend(process.payload.filter(|payload| {
        processes.get(&payload.pid).is_some_and(|stat| stat.identity == *payload && stat.is_alive())
    }));
    let roots: Vec<i32> = found.iter().map(|process| process.pid).collect();
    for root in roots {
        found.extend(tree::descendants(&processes, root));
    }
    Ok(found.into_iter().collect())
}

/// The same for who must not wait: it reads all of `/proc`, more than once where a program has only just begun.
async fn look(id: &ProcessId, process: &Process) -> io::Result<Vec<Identity>> {
    let (id, process) = (id.clone(), process.clone());
    tokio::task::spawn_blocking(move || leftovers(&id, &process)).await.map_err(io::Error::other)?
}

/// Asks the leftovers to end, kills them after the grace, and waits until none is left.
///
/// Gives those that outlived SIGKILL.
pub async fn drain(
    id: &ProcessId,
    process: &Process,
    signal: Option<(Signal, Duration)>,
) -> io::Result<Vec<Identity>> {
    let (asked, grace) = signal.unwrap_or_else(|| {
        let signal = signals::from_number(process.stop_signal).unwrap_or(Signal::TERM);
        (signal, Duration::from_millis(process.stop_grace_ms))
    });
    let mut left = look(id, process).await?;
    for one in &left {
        identity::signal(*one, asked)?;
    }
    let ask_until = Instant::now() + grace;
    let kill_until = ask_until + KILL_PATIENCE;
    while !left.is_empty() && Instant::now() < kill_until {
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = look(id, process).await?;
        if Instant::now() >= ask_until {
            for one in &left {
                identity::signal(*one, Signal::KILL)?;
            }
        }
    }
    Ok(left)
}
