//! Whether the tree uses more than it may. What no group holds it to is looked at every second or two; where groups
//! hold it to everything, or nothing is limited, there is nothing to look at and no timer.

use std::time::{Duration, Instant};

use agent_harness_shim::cgroup::{Controller, Leaf, Version};
use agent_harness_shim::identity::Identity;
use agent_harness_shim::protocol::{Exceeded, Limits, Outcome};
use agent_harness_shim::tree;

/// Between two looks at memory.
const MEMORY_PERIOD: Duration = Duration::from_secs(2);
/// Between two looks at how many there are: they may double in no time.
const PIDS_PERIOD: Duration = Duration::from_secs(1);

/// What is looked at while the payload runs.
pub struct Budget {
    memory: Option<u64>,
    pids: Option<u32>,
    /// Under v1 the kernel kills one process of a group that has no memory left, and the rest limps on.
    kills: bool,
    period: Duration,
    next: Instant,
}

impl Budget {
    /// `None`: nothing is to be looked at. `leaf`: the one that the payload is in.
    pub fn new(limits: &Limits, leaf: Option<&Leaf>) -> Option<Self> {
        let held = |controller| leaf.is_some_and(|leaf| leaf.limit(controller).is_some());
        let memory = limits.memory.filter(|_| !held(Controller::Memory));
        let pids = limits.pids.filter(|_| !held(Controller::Pids));
        let kills =
            held(Controller::Memory) && leaf.is_some_and(|leaf| leaf.version == Version::V1);
        if memory.is_none() && pids.is_none() && !kills {
            return None;
        }
        let period = if pids.is_some() { PIDS_PERIOD } else { MEMORY_PERIOD };
        Some(Self { memory, pids, kills, period, next: Instant::now() + period })
    }

    /// What is only looked at, in words for the log.
    pub fn remark(&self) -> Option<&'static str> {
        match (self.memory, self.pids) {
            (None, None) => None,
            (Some(_), None) => Some("no control group holds its memory: it is looked at"),
            (None, Some(_)) => Some("no control group holds its pids: they are counted"),
            (Some(_), Some(_)) => {
                Some("no control group holds its memory and pids: both are looked at")
            }
        }
    }

    /// How long until the next look.
    pub fn wait(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Looks, when it is time. `tree`: the processes that count.
    pub fn look(
        &mut self,
        limits: &Limits,
        leaf: Option<&Leaf>,
        tree: impl FnOnce() -> Vec<Identity>,
    ) -> Option<Exceeded> {
        if !self.wait().is_zero() {
            return None;
        }
        self.next = Instant::now() + self.period;
        if let Some(leaf) = leaf.filter(|leaf| self.kills && leaf.oom_kills() > 0) {
            return Some(memory(limits, leaf));
        }
        if self.memory.is_none() && self.pids.is_none() {
            return None;
        }
        let tree = tree();
        if let Some(most) = self.pids
            && u32::try_from(tree.len()).unwrap_or(u32::MAX) > most
        {
            return Some(Exceeded::Pids(most));
        }
        let most = self.memory?;
        // What several share counts for each of them at first, which costs next to nothing to find out.
        let over = tree::resident(&tree) > most && tree::proportional(&tree) > most;
        over.then_some(Exceeded::Memory(most))
    }
}

/// Whether the payload came to this end because the kernel killed it, or one of its own, for want of memory.
pub fn killed_for_memory(
    limits: &Limits,
    leaf: Option<&Leaf>,
    outcome: &Outcome,
) -> Option<Exceeded> {
    let leaf = leaf.filter(|leaf| leaf.oom_kills() > 0)?;
    match outcome {
        Outcome::Code(0) | Outcome::NotStarted(_) => None,
        Outcome::Code(_) | Outcome::Signal(_) => Some(memory(limits, leaf)),
    }
}

/// Whose limit it was.
fn memory(limits: &Limits, leaf: &Leaf) -> Exceeded {
    match (limits.memory, limits.agent_memory) {
        (Some(own), _) if leaf.memory_was_reached(false) => Exceeded::Memory(own),
        (_, Some(all)) if leaf.memory_was_reached(true) => Exceeded::AgentMemory(all),
        _ => Exceeded::HostMemory,
    }
}
