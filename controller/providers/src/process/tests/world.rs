//! One process of an agent, with the provider that looks after it and the model that says what is to be done.

use std::net::TcpListener;
use std::sync::Arc;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Check, Desired, Observed, Place, Probe, Restart};
use agent_harness_model::kinds::{self, AnyTarget, Have, Resource, Verdict};
use agent_harness_model::world::{ApplyError, Ask, Record, Seen};

use super::*;
use crate::provider::{Context, Provider as _};

pub struct World {
    pub bench: Bench,
    pub supervisor: Arc<Supervisor>,
    pub provider: ProcessProvider,
    pub connections: Connections,
    pub installation: String,
    pub id: ResourceId,
    pub want: Desired,
}

impl World {
    pub fn new(script: &str) -> Self {
        Self::held_by(script, CgroupSetting::None)
    }

    /// The same, held in one of the ways that a user can ask for.
    pub fn held_by(script: &str, setting: CgroupSetting) -> Self {
        let mut bench = Bench::new();
        let installation = uuid::Uuid::now_v7().to_string();
        let cgroups = Cgroups::choose(setting, &installation);
        let supervisor =
            Supervisor::with_cgroups(bench.path("run"), shim_binary(), cgroups).unwrap();
        let supervisor = Arc::new(supervisor);
        let id = ResourceId {
            owner: ObjectKey::agent("agent-3"),
            uid: Uid::new("0123456789ab"),
            kind: ResourceKind::Process,
            name: "api".to_owned(),
        };
        bench.mark = format!("agent-harness:{installation}:0123456789ab");
        let want = Desired {
            place: Place { stop_signal: "SIGTERM".to_owned(), stop_grace_ms: 2_000 },
            fingerprint: "one".to_owned(),
            command: Command {
                argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
                cwd: bench.root.path().to_owned(),
                env: [("PATH".to_owned(), "/usr/bin:/bin".into())].into(),
            },
            ports: Vec::new(),
            startup: None,
            ready: None,
            live: None,
            watch: None,
            restart: Restart::Always,
            limits: Limits::default(),
            budget: Budget::default(),
        };
        let provider = ProcessProvider::new(Arc::clone(&supervisor), bench.path("logs"));
        let connections = Connections::default();
        Self { bench, supervisor, provider, connections, installation, id, want }
    }

    pub fn context(&self) -> Context<'_> {
        Context::new(&self.connections, &self.installation)
    }

    pub async fn see(&self, wanted: bool) -> Seen<Option<Have>> {
        let want = Resource::Process(Arc::new(self.want.clone()));
        let place = want.place();
        let record = Record::default();
        let ask =
            Ask { id: &self.id, place: &place, want: wanted.then_some(&want), record: &record };
        let seen = self.provider.observe(&self.context(), &[ask]).await;
        match seen.get(&self.id) {
            Seen::Known(have) => Seen::Known(have.cloned()),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    pub async fn verdict(&self, target: AnyTarget) -> Verdict<kinds::Action> {
        let wanted = matches!(target, AnyTarget::Present(_));
        let Seen::Known(have) = self.see(wanted).await else { panic!("it is known") };
        let place = kinds::Place::Process(self.want.place.clone());
        kinds::diff(&target, &place, have.as_ref())
    }

    pub fn present(&self) -> AnyTarget {
        AnyTarget::Present(Resource::Process(Arc::new(self.want.clone())))
    }

    pub async fn apply(&self, action: &kinds::Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), &self.id, action).await
    }

    /// Does what the model says until it has nothing more to say.
    pub async fn converge(&self, target: &AnyTarget) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.verdict(target.clone()).await {
                Verdict::Settled => return,
                Verdict::Change(steps) => {
                    for (action, _) in steps {
                        self.apply(&action).await.unwrap();
                    }
                }
                Verdict::Wait(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other:?}"),
            }
            assert!(Instant::now() < deadline, "it did not settle within 30 s");
        }
    }

    /// Does what the model says until it waits for something whose name has `words` in it.
    pub async fn waits_for(&self, words: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.verdict(self.present()).await {
                Verdict::Wait(why) if why.contains(words) => return why,
                Verdict::Change(steps) => {
                    for (action, _) in steps {
                        self.apply(&action).await.unwrap();
                    }
                }
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
            assert!(Instant::now() < deadline, "it does not wait for {words}");
        }
    }

    /// Waits until the log has this many lines `up`, over all runs.
    pub async fn up(&self, times: usize) {
        let path = self.bench.path("logs/agent-agent-3/process/api.log");
        until(|| {
            let log = crate::fs::read_to_string(&path).unwrap();
            (log.matches("stdout F up").count() == times).then_some(())
        })
        .await;
    }

    pub async fn pid(&self) -> u32 {
        match self.see(true).await {
            Seen::Known(Some(Have::Process(Observed::Running { pid, .. }))) => pid,
            other => panic!("it does not run: {other:?}"),
        }
    }

    /// Kills what holds it, which runs on: its pid.
    pub async fn orphaned(&self) -> i32 {
        let orphan = self.pid().await.cast_signed();
        let id = process_id(&self.id).unwrap();
        let shim = self.supervisor.get(&id).unwrap().unwrap().shim.unwrap();
        agent_harness_shim::identity::signal(shim, Signal::KILL).unwrap();
        until(|| (!is_alive(shim.pid)).then_some(())).await;
        assert!(is_alive(orphan));
        orphan
    }
}

/// A check with this period and timeout, in milliseconds.
pub fn checked(check: Check, period_ms: u64, timeout_ms: u64) -> Probe {
    Probe { period_ms, timeout_ms, ..Probe::of(check) }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}
