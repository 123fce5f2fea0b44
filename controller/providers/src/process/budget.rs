//! Holds agents to what their processes may use together where no control group does: looked at every few seconds.
//! Over it the process that uses most is ended, as if it had gone over a limit of its own; what becomes of it then is
//! the restart policy's affair. No other agent is touched. Nothing here can take processors away.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use agent_harness_shim::cgroup::Controller;
use agent_harness_shim::identity::Identity;
use agent_harness_shim::protocol::Exceeded;
use agent_harness_shim::tree;

use super::launch::ProcessId;
use super::{Process, ProcessState, Supervisor};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(5);

/// Looks for as long as the supervisor is there.
pub async fn keep(supervisor: Weak<Supervisor>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(supervisor) = supervisor.upgrade() else { return };
        let look = tokio::task::spawn_blocking(move || look(&supervisor));
        if let Err(error) = look.await {
            tracing::error!(%error, "a look at what agents use broke off");
        }
    }
}

/// The processes of one agent that nothing else holds to its budget.
type Agents = BTreeMap<String, Vec<(ProcessId, Process)>>;

/// Looks once, and ends what has to end.
pub(super) fn look(supervisor: &Arc<Supervisor>) {
    let mut agents = Agents::new();
    // What cannot be looked at now is looked at the next time.
    for (id, process) in supervisor.list().unwrap_or_default() {
        if let Ok(process) = process
            && matches!(process.state, ProcessState::Running { .. })
            && is_ours_to_hold(&process)
        {
            let agent = id.as_str().split('/').next().unwrap_or_default().to_owned();
            agents.entry(agent).or_default().push((id, process));
        }
    }
    if agents.is_empty() {
        return;
    }
    let Ok(snapshot) = tree::snapshot() else { return };
    for processes in agents.into_values() {
        // Whoever leaves the tree comes back to the holder, and the holder itself does not count.
        let trees: Vec<Vec<Identity>> = processes
            .iter()
            .map(|(_, process)| process.shim.map(|shim| tree::descendants(&snapshot, shim.pid)))
            .map(Option::unwrap_or_default)
            .collect();
        let least =
            |of: fn(&Process) -> Option<u64>| processes.iter().filter_map(|it| of(&it.1)).min();
        let memory = least(|process| process.limits.agent_memory).and_then(|most| {
            let sizes =
                |size: fn(&[Identity]) -> u64| trees.iter().map(|it| size(it)).collect::<Vec<_>>();
            // What several share counts for each of them at first, which costs next to nothing to find out.
            heaviest(&sizes(tree::resident), most)?;
            Some((heaviest(&sizes(tree::proportional), most)?, Exceeded::AgentMemory(most)))
        });
        let pids = least(|process| process.limits.agent_pids.map(u64::from)).and_then(|most| {
            let counts: Vec<u64> = trees.iter().map(|tree| tree.len() as u64).collect();
            let most_of_them = heaviest(&counts, most)?;
            Some((most_of_them, Exceeded::AgentPids(u32::try_from(most).unwrap_or(u32::MAX))))
        });
        if let Some((index, over)) = memory.or(pids)
            && let Some((id, process)) = processes.get(index)
        {
            tracing::warn!(process = %id, ?over, "its agent uses more than it may: the one that uses most is ended");
            if let Err(error) = supervisor.shed(id, process, over) {
                tracing::warn!(process = %id, %error, "cannot end it");
            }
        }
    }
}

fn is_ours_to_hold(process: &Process) -> bool {
    let held =
        |controller| process.leaf.as_ref().is_some_and(|leaf| leaf.limit(controller).is_some());
    let limits = &process.limits;
    (limits.agent_memory.is_some() && !held(Controller::Memory))
        || (limits.agent_pids.is_some() && !held(Controller::Pids))
}

/// The one that uses most, when all together use more than `most`.
fn heaviest(usage: &[u64], most: u64) -> Option<usize> {
    if usage.iter().sum::<u64>() <= most {
        return None;
    }
    usage.iter().enumerate().max_by_key(|(_, used)| **used).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_uses_most_goes_when_it_is_too_much_together() {
        assert_eq!(heaviest(&[], 0), None);
        assert_eq!(heaviest(&[10, 30, 20], 60), None);
        assert_eq!(heaviest(&[10, 30, 20], 59), Some(1));
    }
}
