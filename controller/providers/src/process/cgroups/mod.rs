//! Makes the control groups that processes are held by: chosen once by the controller, one leaf for each run.
//!
//! The controller chooses and not the shim: a choice costs tries that one process makes better than a hundred, `ctl
//! info` can show it, and the shim stays small. Which leaf a run is in stands in its `launch.json`, so it is found
//! whatever a later controller chooses. How a leaf ends is in `agent_harness_shim::cgroup`.

mod choice;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use agent_harness_shim::cgroup::{Controller, Folder, Leaf, ROOT, Version, write};

pub use choice::Setting;
use choice::{Choice, Trees, Try};

use super::launch::ProcessId;
use crate::fs;

/// How often a leaf is made anew whose folders were removed by others of the same agent that ended just then.
const TRIES: u32 = 10;
/// Microseconds within which a share of the processors counts.
const PERIOD: u64 = 100_000;

/// Those of this host; none where they cannot be read.
fn trees() -> Trees {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    Trees::read(&read("/proc/mounts"), &read("/proc/self/cgroup"))
}

/// The least of the limits of memory that we are held to ourselves.
pub fn own_memory_limit() -> Option<u64> {
    let files = trees().memory_limits();
    // v2 says `max` where there is none.
    let limits = files.iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.min()
}

/// What a group holds its processes to; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupLimits {
    pub memory: Option<u64>,
    pub milli_cpus: Option<u64>,
    pub pids: Option<u32>,
}

impl GroupLimits {
    fn asks(&self, controller: Controller) -> bool {
        match controller {
            Controller::Memory => self.memory.is_some(),
            Controller::Cpu => self.milli_cpus.is_some(),
            Controller::Pids => self.pids.is_some(),
        }
    }
}

/// The control groups of one installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cgroups {
    choice: Choice,
    installation: String,
}

impl Cgroups {
    /// Looks at this host, and tries. An installation's name is a word.
    pub fn choose(setting: Setting, installation: &str) -> Self {
        let choice = trees().choose(setting, &Kernel);
        Self { choice, installation: installation.to_owned() }
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        self.choice == Choice::None
    }

    /// Whether a limit can be held to.
    pub fn holds(&self, controller: Controller) -> bool {
        match &self.choice {
            Choice::None => false,
            Choice::V2 { limits, .. } => limits.contains(&controller),
            Choice::V1 { limits, .. } => limits.contains_key(&controller),
        }
    }

    /// Makes the leaf of a process, with its limits and those of its agent. `None`: there are no groups here. A limit
    /// that could not be set is not in the leaf.
    pub fn make(
        &self,
        id: &ProcessId,
        own: &GroupLimits,
        agent: &GroupLimits,
    ) -> io::Result<Option<Leaf>> {
        let asks = |controller| own.asks(controller) || agent.asks(controller);
        let Some(leaf) = self.leaf(id, asks) else { return Ok(None) };
        let mut tries = 0;
        loop {
            match self.make_once(&leaf, own, agent) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                }
                made => return made.map(Some),
            }
        }
    }

    /// Every folder that a leaf of this process may have been given, whether or not it is there.
    pub fn whole_leaf(&self, id: &ProcessId) -> Option<Leaf> {
        self.leaf(id, |_| true)
    }

    fn leaf(&self, id: &ProcessId, asks: impl Fn(Controller) -> bool) -> Option<Leaf> {
        let (agent, process) = id.as_str().split_once('/').unwrap_or(("", id.as_str()));
        let agent = if agent.is_empty() { "-" } else { agent };
        let below =
            Path::new(ROOT).join(&self.installation).join(agent).join(process.replace('/', "~"));
        let none = BTreeSet::new();
        match &self.choice {
            Choice::None => None,
            Choice::V2 { base, limits } => {
                let limits = limits.iter().copied().filter(|it| asks(*it)).collect();
                let folders = vec![Folder { path: base.join(below), limits }];
                Some(Leaf { version: Version::V2, folders })
            }
            Choice::V1 { freezer, limits } => {
                let mut folders: BTreeMap<PathBuf, BTreeSet<Controller>> = BTreeMap::new();
                for (controller, base) in limits.iter().filter(|(controller, _)| asks(**controller))
                {
                    folders.entry(base.join(&below)).or_default().insert(*controller);
                }
                let freezer = freezer
                    .iter()
                    .map(|base| Folder { path: base.join(&below), limits: none.clone() });
                let limited = folders.into_iter().map(|(path, limits)| Folder { path, limits });
                let folders: Vec<Folder> = freezer.chain(limited).collect();
                (!folders.is_empty()).then_some(Leaf { version: Version::V1, folders })
            }
        }
    }

    fn make_once(&self, leaf: &Leaf, own: &GroupLimits, agent: &GroupLimits) -> io::Result<Leaf> {
        let mut made = Leaf { version: leaf.version, folders: Vec::new() };
        for folder in &leaf.folders {
            let above: Vec<&Path> = folder.path.ancestors().skip(1).take(3).collect();
            for group in above.iter().rev() {
                make_group(group)?;
                if leaf.version == Version::V2 {
                    self.pass_on(group);
                }
            }
            if let Some(group) = above.first() {
                for controller in Controller::ALL {
                    // What is not limited any more loses its limit.
                    let _ = limit(leaf.version, group, controller, agent);
                }
            }
            make_group(&folder.path)?;
            // Whoever goes over it goes as a whole, and alone: not so the group of the agent.
            let _ = write(&folder.path, "memory.oom.group", "1");
            let mut limits = BTreeSet::new();
            for controller in &folder.limits {
                let within = within(*controller, leaf.version, own, agent);
                match limit(leaf.version, &folder.path, *controller, &within) {
                    Ok(()) => drop(limits.insert(*controller)),
                    Err(error) => tracing::warn!(
                        group = %folder.path.display(),
                        %error,
                        "cannot set the limit of `{}`",
                        controller.name()
                    ),
                }
            }
            made.folders.push(Folder { path: folder.path.clone(), limits });
        }
        Ok(made)
    }

    /// Lets the groups below one have limits.
    fn pass_on(&self, group: &Path) {
        for controller in Controller::ALL.into_iter().filter(|it| self.holds(*it)) {
            let _ = write(group, "cgroup.subtree_control", &format!("+{}", controller.name()));
        }
    }
}

/// As `ctl info` shows it: `cgroup v1 (memory, cpu, pids)`.
impl fmt::Display for Cgroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match &self.choice {
            Choice::None => return f.write_str("process groups"),
            Choice::V2 { .. } => "cgroup v2",
            Choice::V1 { .. } => "cgroup v1",
        };
        let held: Vec<&str> = Controller::ALL
            .into_iter()
            .filter(|controller| self.holds(*controller))
            .map(Controller::name)
            .collect();
        match held.as_slice() {
            [] => f.write_str(version),
            held => write!(f, "{version} ({})", held.join(", ")),
        }
    }
}

/// Under v1 no group may have more processors than the one around it.
fn within(
    controller: Controller,
    version: Version,
    own: &GroupLimits,
    agent: &GroupLimits,
) -> GroupLimits {
    if (controller, version) != (Controller::Cpu, Version::V1) {
        return *own;
    }
    let least = [own.milli_cpus, agent.milli_cpus].into_iter().flatten().min();
    GroupLimits { milli_cpus: own.milli_cpus.and(least), ..*own }
}

/// Sets a limit of a group, or takes it away.
fn limit(
    version: Version,
    group: &Path,
    controller: Controller,
    limits: &GroupLimits,
) -> io::Result<()> {
    let or = |number: Option<u64>, none: &str| number.map_or(none.to_owned(), |it| it.to_string());
    let quota = limits.milli_cpus.map(|milli| (milli * PERIOD / 1000).max(1000));
    match (version, controller) {
        (Version::V2, Controller::Memory) => {
            write(group, "memory.max", &or(limits.memory, "max"))?;
            // What is in the swap would not count.
            let swap = if limits.memory.is_some() { "0" } else { "max" };
            let _ = write(group, "memory.swap.max", swap);
            Ok(())
        }
        (Version::V2, Controller::Cpu) => {
            write(group, "cpu.max", &format!("{} {PERIOD}", or(quota, "max")))
        }
        (Version::V1, Controller::Memory) => {
            let most = or(limits.memory, "-1");
            // Only where swap is counted; it may be no less than the other, so it goes first when it grows.
            let _ = write(group, "memory.memsw.limit_in_bytes", "-1");
            write(group, "memory.limit_in_bytes", &most)?;
            let _ = write(group, "memory.memsw.limit_in_bytes", &most);
            Ok(())
        }
        (Version::V1, Controller::Cpu) => {
            write(group, "cpu.cfs_period_us", &PERIOD.to_string())?;
            write(group, "cpu.cfs_quota_us", &or(quota, "-1"))
        }
        (_, Controller::Pids) => write(group, "pids.max", &or(limits.pids.map(u64::from), "max")),
    }
}

fn make_group(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    }
}

/// The kernel of this host.
struct Kernel;

impl Try for Kernel {
    fn v1(&self, base: &Path) -> bool {
        can_be_made(base)
    }

    fn v2(&self, base: &Path) -> Option<BTreeSet<Controller>> {
        // Whoever moves a process has to be let write to this file of the group around both places.
        let procs = base.join("cgroup.procs");
        if rustix::fs::access(&procs, rustix::fs::Access::WRITE_OK).is_err() || !can_be_made(base) {
            return None;
        }
        let read = |file| fs::read_to_string(base.join(file)).unwrap_or_default();
        let has = |text: &str, controller: Controller| {
            text.split_whitespace().any(|word| word == controller.name())
        };
        let there = read("cgroup.controllers");
        for controller in Controller::ALL.into_iter().filter(|it| has(&there, *it)) {
            let _ = write(base, "cgroup.subtree_control", &format!("+{}", controller.name()));
        }
        let passed_on = read("cgroup.subtree_control");
        Some(Controller::ALL.into_iter().filter(|it| has(&passed_on, *it)).collect())
    }
}

/// Whether a group can be made in another. That of ours is removed again unless somebody's is in it.
fn can_be_made(base: &Path) -> bool {
    let ours = base.join(ROOT);
    let made = make_group(&ours).is_ok();
    let _ = std::fs::remove_dir(&ours);
    made
}
