//! What a person is told of a process of this moment: what its tree uses, and what its check says.

use std::net::TcpListener;
use std::sync::Arc;

use agent_harness_model::api::{HealthNow, ServiceNow};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Check, Probe, Restart};
use agent_harness_model::kinds::{AnyTarget, Resource};
use agent_harness_model::secret::{Secret, Text};

use super::world::{World, checked, free_port, shell};
use super::*;
use crate::docker::Engine;
use crate::live::Live;
use crate::postgres::Servers;

impl World {
    fn live(&self) -> Live {
        let engine = Arc::new(Engine::at("unix:///nowhere"));
        let (supervisor, servers) = (Arc::clone(&self.supervisor), Arc::new(Servers::default()));
        Live::new(engine, supervisor, servers, self.installation.clone())
    }

    async fn now(&self, cpu: bool) -> ServiceNow {
        let want = Resource::Process(Arc::new(self.want.clone()));
        self.live().now(&[(self.id.clone(), want)], cpu).await.remove(0)
    }

    async fn health(&self) -> HealthNow {
        self.live().health(&[(self.id.clone(), &self.want)]).await.remove(0)
    }

    fn check(&mut self, check: Check) {
        self.want.ready = Some(checked(check, 1000, 1000));
    }

    fn exec(&self, script: &str) -> Check {
        let env = self.want.command.env.clone();
        let cwd = self.want.command.cwd.clone();
        Check::Exec(Command { argv: shell(script), cwd, env })
    }
}

#[tokio::test]
async fn a_process_stands_for_all_that_it_has_started() {
    let files = "exec 7</dev/null 8</dev/null 9</dev/null";
    let mut world = World::new(&format!("{files}; (while :; do :; done) & echo up; wait"));
    world.want.limits.memory = Some(1 << 30);
    let gone = world.now(true).await;
    assert_eq!(gone.state.as_deref(), Some("not there"));
    assert_eq!(
        (gone.pid, gone.memory, gone.open_files, gone.cpu_percent),
        (None, None, None, None)
    );
    world.converge(&world.present()).await;
    world.up(1).await;
    let now = world.now(true).await;
    assert_eq!(now.state.as_deref(), Some("running"));
    assert_eq!((now.name.as_str(), now.resource.as_str()), ("api", "process/api"));
    assert_eq!((now.pid, now.restarts), (Some(world.pid().await), Some(0)));
    // The shell, which waits, and the one that it has started, which works: of each three files and three more, beside
    // the lock of its run folder.
    assert_eq!(now.pids, Some(2));
    assert!(now.open_files >= Some(12), "{:?}", now.open_files);
    assert!(now.cpu_percent.unwrap() > 0.0 && now.memory.unwrap() > 0, "{now:?}");
    assert_eq!(now.memory_limit, Some(1 << 30));
    assert_eq!(world.now(false).await.cpu_percent, None, "nobody asked");
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_check_is_carried_out_now_and_keeps_secrets() {
    let mut world = World::new("exec sleep 1000");
    let told = |health: HealthNow| (health.passed, health.check, health.message);
    world.converge(&world.present()).await;
    assert_eq!(told(world.health().await), (true, None, "runs".to_owned()));
    world.check(world.exec("test -e ready || { echo \"no $KEY\" >&2; exit 3; }"));
    let command = "test -e ready || { echo \"no $KEY\" >&2; exit 3; }".to_owned();
    let Some(Probe { check: Check::Exec(exec), .. }) = &mut world.want.ready else { panic!() };
    exec.env.insert("KEY".to_owned(), Text::Secret(Secret::new("hunter2")));
    let why = format!("`{command}`: exit code 3: no ***");
    assert_eq!(told(world.health().await), (false, Some(command.clone()), why));
    crate::fs::write_atomic(world.bench.path("ready"), "", 0o644).unwrap();
    let health = world.health().await;
    assert!(health.latency_ms.unwrap() > 0.0);
    assert_eq!(told(health), (true, Some(command), String::new()));
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn what_does_not_run_is_well_only_where_its_end_was_a_good_one() {
    let mut world = World::new("exit 0");
    let port = free_port();
    let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let told = |health: HealthNow| (health.passed, health.message, health.latency_ms.is_some());
    let gone = (false, "does not run".to_owned(), false);
    assert_eq!(told(world.health().await), gone);
    world.want.restart = Restart::Never;
    world.converge(&world.present()).await;
    world.bench.outcome(process_id(&world.id).unwrap().as_str()).await;
    assert_eq!(told(world.health().await), (true, "exited with code 0".to_owned(), false));
    // What it is to do it does not do, whoever else listens there.
    world.check(Check::Tcp { port });
    assert_eq!(told(world.health().await), (false, "exited with code 0".to_owned(), false));
    world.want.ready = None;
    world.want.restart = Restart::Always;
    assert!(!world.health().await.passed);
    world.converge(&AnyTarget::Gone).await;
}
