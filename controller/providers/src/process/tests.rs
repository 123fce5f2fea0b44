//! Real processes under the real shim.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::limits::{Budget, Limits};
use agent_harness_shim::protocol::Outcome;
use rustix::process::Signal;

use super::*;

mod changes;
mod escapes;
mod figures;
mod holding;
mod limits;
mod listening;
mod lost;
mod output;
mod probing;
mod provider;
mod reuse;
mod storm;
mod versions;
mod watchers;
mod world;

/// The program `agent-shim`, built from this source.
///
/// Cargo builds another package's program for no test, so the first caller asks it to.
pub(crate) fn shim_binary() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let status = std::process::Command::new(env!("CARGO"))
                .args([
                    "build",
                    "--quiet",
                    "--package",
                    "agent-harness-shim",
                    "--bin",
                    "agent-shim",
                ])
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .expect("cargo runs");
            assert!(status.success(), "agent-shim does not build");
            // target/debug/deps/TEST → target/debug/agent-shim
            let test = std::env::current_exe().expect("a test has a path");
            let shim = test.ancestors().nth(2).expect("a target folder").join("agent-shim");
            assert!(shim.exists(), "{} is missing", shim.display());
            shim
        })
        .clone()
}

/// A state folder of its own, whose processes end with it.
struct Bench {
    root: tempfile::TempDir,
    supervisor: Arc<Supervisor>,
    mark: String,
}

impl Bench {
    fn new() -> Self {
        Self::held_by(CgroupSetting::None)
    }

    /// The same, held in one of the ways that a user can ask for.
    fn held_by(setting: CgroupSetting) -> Self {
        let root = tempfile::tempdir().unwrap();
        let cgroups = Cgroups::choose(setting, &format!("test-{}", uuid::Uuid::now_v7()));
        let run = root.path().join("run");
        let supervisor = Supervisor::with_cgroups(run, shim_binary(), cgroups).unwrap();
        let supervisor = Arc::new(supervisor);
        let mark = format!("agent-harness:test:{}", uuid::Uuid::now_v7());
        Self { root, supervisor, mark }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn launch(&self, id: &str, script: &str) -> Launch {
        launch(self.root.path(), &self.mark, id, script)
    }

    fn get(&self, id: &str) -> Option<Process> {
        self.supervisor.get(&id.parse().unwrap()).unwrap()
    }

    fn state(&self, id: &str) -> ProcessState {
        self.get(id).unwrap().state
    }

    fn pid(&self, id: &str) -> u32 {
        match self.state(id) {
            ProcessState::Running { pid, .. } => pid,
            other => panic!("{id} does not run: {other:?}"),
        }
    }

    async fn stop(&self, id: &str) {
        self.supervisor
            .stop(&id.parse().unwrap(), Signal::TERM, Duration::from_secs(2))
            .await
            .unwrap();
    }

    async fn outcome(&self, id: &str) -> Outcome {
        until(|| match self.state(id) {
            ProcessState::Exited { outcome, .. } => Some(outcome),
            _ => None,
        })
        .await
    }

    fn log(&self, id: &str) -> String {
        crate::fs::read_to_string(self.path(&format!("logs/{id}.log"))).unwrap()
    }

    /// Every live process that carries the mark of this bench.
    fn marked(&self) -> Vec<i32> {
        marked(&self.mark)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for process in self.supervisor.list().unwrap_or_default().into_values().flatten() {
            if let Some(leaf) = &process.leaf {
                let _ = leaf.clear(Duration::from_secs(10));
                let _ = leaf.remove();
            }
            if let Some(payload) = process.payload {
                let _ = agent_harness_shim::identity::signal(payload, Signal::KILL);
            }
        }
        let processes = agent_harness_shim::tree::snapshot().unwrap();
        for pid in self.marked() {
            if let Some(stat) = processes.get(&pid) {
                let _ = agent_harness_shim::identity::signal(stat.identity, Signal::KILL);
            }
        }
    }
}

fn launch(root: &Path, mark: &str, id: &str, script: &str) -> Launch {
    Launch {
        id: id.parse().unwrap(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: root.to_owned(),
        user: None,
        umask: None,
        log_path: root.join(format!("logs/{id}.log")),
        fingerprint: "one".to_owned(),
        mark: mark.to_owned(),
        stop_signal: Signal::TERM,
        stop_grace: Duration::from_secs(2),
        limits: Limits::default(),
        budget: Budget::default(),
    }
}

fn marked(mark: &str) -> Vec<i32> {
    let wanted = format!("HARNESS_MARK={mark}");
    agent_harness_shim::tree::snapshot()
        .unwrap()
        .values()
        .filter(|stat| stat.is_alive())
        .map(|stat| stat.identity.pid)
        .filter(|pid| {
            crate::fs::read(format!("/proc/{pid}/environ"))
                .unwrap_or_default()
                .split(|byte| *byte == 0)
                .any(|entry| entry == wanted.as_bytes())
        })
        .collect()
}

/// The ways to hold processes that this host offers. One that it does not offer is said, and tested elsewhere.
fn ways() -> Vec<CgroupSetting> {
    let mut ways = vec![CgroupSetting::None];
    for way in [CgroupSetting::V1, CgroupSetting::V2] {
        if Cgroups::choose(way, "test").is_none() {
            println!("NOT TESTED: this host lets no control groups {way:?} be made");
        } else {
            ways.push(way);
        }
    }
    ways
}

/// Looks until there is an answer; fails after half a minute.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not happen within 30 s");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_alive(pid: i32) -> bool {
    agent_harness_shim::identity::stat(pid).unwrap().is_some_and(|stat| stat.is_alive())
}
