//! The `Process` kind end to end: what is seen, what the model makes of it, and what that does.

use std::net::TcpListener;
use std::sync::Arc;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::{Check, Desired, Observed, Place, Probe, Restart};
use agent_harness_model::kinds::{self, AnyTarget, Have, Readiness, Resource, Verdict};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};

use super::super::ports::listener;
use super::*;
use crate::provider::{Context, Provider as _};

struct World {
    bench: Bench,
    supervisor: Arc<Supervisor>,
    provider: ProcessProvider,
    connections: Connections,
    installation: String,
    id: ResourceId,
    want: Desired,
}

impl World {
    fn new(script: &str) -> Self {
        let mut bench = Bench::new();
        let supervisor = Arc::new(Supervisor::new(bench.path("run"), shim_binary()).unwrap());
        let installation = uuid::Uuid::now_v7().to_string();
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
            ready: None,
            restart: Restart::Always,
            memory: None,
        };
        let provider = ProcessProvider::new(Arc::clone(&supervisor), bench.path("logs"));
        let connections = Connections::default();
        Self { bench, supervisor, provider, connections, installation, id, want }
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.connections, &self.installation)
    }

    async fn see(&self, wanted: bool) -> Seen<Option<Have>> {
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

    async fn verdict(&self, target: AnyTarget) -> Verdict<kinds::Action> {
        let wanted = matches!(target, AnyTarget::Present(_));
        let Seen::Known(have) = self.see(wanted).await else { panic!("it is known") };
        let place = kinds::Place::Process(self.want.place.clone());
        kinds::diff(&target, &place, have.as_ref())
    }

    fn present(&self) -> AnyTarget {
        AnyTarget::Present(Resource::Process(Arc::new(self.want.clone())))
    }

    async fn apply(&self, action: &kinds::Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), &self.id, action).await
    }

    /// Does what the model says until it has nothing more to say.
    async fn converge(&self, target: &AnyTarget) {
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
    async fn waits_for(&self, words: &str) -> String {
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
    async fn up(&self, times: usize) {
        let path = self.bench.path("logs/agent-agent-3/process/api.log");
        until(|| {
            let log = crate::fs::read_to_string(&path).unwrap();
            (log.matches("stdout F up").count() == times).then_some(())
        })
        .await;
    }

    async fn pid(&self) -> u32 {
        match self.see(true).await {
            Seen::Known(Some(Have::Process(Observed::Running { pid, .. }))) => pid,
            other => panic!("it does not run: {other:?}"),
        }
    }
}

#[tokio::test]
async fn create_edit_crash_and_removal() {
    let mut world = World::new("echo up; exec sleep 1000");
    world.converge(&world.present()).await;
    let first = world.pid().await;
    world.up(1).await;
    // Nothing more to do, and a new controller sees the same.
    assert_eq!(world.verdict(world.present()).await, Verdict::Settled);
    world.provider = ProcessProvider::new(Arc::clone(&world.supervisor), world.bench.path("logs"));
    assert_eq!(world.verdict(world.present()).await, Verdict::Settled);
    assert_eq!(world.pid().await, first);

    world.want.fingerprint = "two".to_owned();
    world.converge(&world.present()).await;
    let second = world.pid().await;
    assert_ne!(second, first);
    world.up(2).await;
    assert!(!is_alive(first.cast_signed()));

    let identity = agent_harness_shim::identity::of(second.cast_signed()).unwrap();
    agent_harness_shim::identity::signal(identity, Signal::KILL).unwrap();
    until(|| (!is_alive(second.cast_signed())).then_some(())).await;
    let why = world.waits_for("signal").await;
    let ended = "ended with signal SIGKILL; starts again after a backoff of 1 s (restart 1)";
    assert_eq!(why, ended);
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, second);
    world.up(3).await;

    world.converge(&AnyTarget::Gone).await;
    assert_eq!(world.see(false).await, Seen::Known(None));
    assert_eq!(world.bench.marked(), Vec::<i32>::new());
    assert!(crate::fs::list_dir(world.bench.path("run")).unwrap().is_empty());
}

#[tokio::test]
async fn a_process_is_ready_when_its_probe_says_so_and_a_hint_is_given() {
    let mut world = World::new("exec sleep 1000");
    let port = free_port();
    world.want.ready = Some(Probe { check: Check::Tcp { port }, period_ms: 50, timeout_ms: 200 });
    let mut hints = world.supervisor.subscribe();
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a start") };
    world.provider.apply(&world.context(), &world.id, &steps[0].0).await.unwrap();
    let late = loop {
        match world.verdict(world.present()).await {
            Verdict::Wait(why) if why.contains("not within") => break why,
            Verdict::Wait(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        late,
        format!(
            "is not ready: not within 0.2 s: connecting to 127.0.0.1:{port}: \
             nothing listens there yet; its log is empty"
        )
    );
    while hints.try_recv().is_ok() {}
    let _socket = TcpListener::bind(("127.0.0.1", port)).unwrap();
    tokio::time::timeout(Duration::from_secs(30), hints.recv()).await.unwrap().unwrap();
    let Seen::Known(Some(Have::Process(Observed::Running { ready, .. }))) = world.see(true).await
    else {
        panic!("it runs");
    };
    assert_eq!(ready, Readiness::Ready);
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_port_that_a_stranger_has_is_a_conflict_that_names_it() {
    let mut world = World::new("exec sleep 1000");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    world.want.ports = vec![("api".to_owned(), port)];
    let Verdict::Conflict(why) = world.verdict(world.present()).await else { panic!("taken") };
    let pid = std::process::id();
    assert!(why.starts_with(&format!("port {port} (api) is taken by pid {pid} (")), "{why}");
    drop(socket);
    // A program that another test starts has it for the moment between its fork and its exec.
    until(|| listener(port).unwrap().is_none().then_some(())).await;
    world.converge(&world.present()).await;
    world.converge(&AnyTarget::Gone).await;
}

/// A script that listens on a port until it is ended, and dies at once where it cannot.
fn listen_on(port: u16) -> String {
    format!(
        "exec perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(\
         LocalAddr => \"127.0.0.1:{port}\", Listen => 5, ReuseAddr => 1) or die; sleep 1000'"
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn an_edit_to_a_port_that_a_stranger_has_keeps_the_old_process() {
    let old = free_port();
    let mut world = World::new(&listen_on(old));
    world.want.ports = vec![("api".to_owned(), old)];
    world.converge(&world.present()).await;
    let pid = world.pid().await;

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let new = stranger.local_addr().unwrap().port();
    world.want.fingerprint = "two".to_owned();
    world.want.command.argv = shell(&listen_on(new));
    world.want.ports = vec![("api".to_owned(), new)];
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a respawn") };
    let error = world.apply(&steps[0].0).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    let us = std::process::id();
    assert!(
        error.message.starts_with(&format!("port {new} (api) is taken by pid {us} (")),
        "{error}"
    );
    assert_eq!(world.pid().await, pid, "the old one runs on");

    drop(stranger);
    until(|| listener(new).unwrap().is_none().then_some(())).await;
    world.apply(&steps[0].0).await.unwrap();
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

/// It comes up on its port, and another one in its place, once its spec is another.
async fn is_replaced_on(mut world: World, port: u16) {
    world.want.ports = vec![("api".to_owned(), port)];
    world.want.ready = Some(Probe { check: Check::Tcp { port }, period_ms: 50, timeout_ms: 9_000 });
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    world.want.fingerprint = "two".to_owned();
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_child_without_our_mark_that_has_the_port_is_part_of_its_process() {
    let port = free_port();
    let listen = listen_on(port).replacen("exec ", "", 1);
    let world = World::new(&format!("env -i PATH=/usr/bin setsid {listen} & wait"));
    is_replaced_on(world, port).await;
}

/// Whoever listens on another address of the machine is in nobody's way at `localhost`, neither of what runs nor of
/// what is to come in its place.
#[tokio::test]
async fn a_stranger_on_another_address_holds_up_no_respawn() {
    let port = free_port();
    let _stranger = TcpListener::bind(("127.0.0.9", port)).unwrap();
    is_replaced_on(World::new(&listen_on(port)), port).await;
}

#[tokio::test]
async fn a_stranger_with_a_copy_of_our_environment_is_a_stranger() {
    let old = free_port();
    let mut world = World::new(&listen_on(old));
    world.want.ports = vec![("api".to_owned(), old)];
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    let new = free_port();
    let mut stranger = std::process::Command::new("/bin/sh")
        .args(["-c", &listen_on(new)])
        .env("HARNESS_MARK", &world.bench.mark)
        .env("HARNESS_PROCESS", "agent-3.456789ab/worker")
        .spawn()
        .unwrap();
    until(|| listener(new).unwrap()).await;
    world.want.fingerprint = "two".to_owned();
    world.want.command.argv = shell(&listen_on(new));
    world.want.ports = vec![("api".to_owned(), new)];
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a respawn") };
    let error = world.apply(&steps[0].0).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    assert_eq!(world.pid().await, pid, "the old one runs on");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn two_processes_of_ours_can_swap_their_ports() {
    let mut one = World::new("");
    let mut two = World::new("");
    two.id.name = "worker".to_owned();
    two.installation.clone_from(&one.installation);
    two.bench.mark.clone_from(&one.bench.mark);
    two.provider = ProcessProvider::new(Arc::clone(&one.supervisor), one.bench.path("logs"));
    let ports = [free_port(), free_port()];
    for fingerprint in ["one", "two"] {
        let ports = if fingerprint == "one" { ports } else { [ports[1], ports[0]] };
        for (world, port) in [(&mut one, ports[0]), (&mut two, ports[1])] {
            world.want.fingerprint = fingerprint.to_owned();
            world.want.command.argv = shell(&listen_on(port));
            world.want.ports = vec![("port".to_owned(), port)];
            let check = Check::Tcp { port };
            world.want.ready = Some(Probe { check, period_ms: 50, timeout_ms: 9_000 });
        }
        // Neither can wait for the other to be done.
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut settled = 0;
            for world in [&one, &two] {
                match world.verdict(world.present()).await {
                    Verdict::Settled => settled += 1,
                    Verdict::Change(steps) => {
                        for (action, _) in steps {
                            world.apply(&action).await.unwrap();
                        }
                    }
                    Verdict::Wait(_) | Verdict::Conflict(_) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    other @ (Verdict::Drift(_) | Verdict::Stalled(_)) => panic!("{other:?}"),
                }
            }
            if settled == 2 {
                break;
            }
            assert!(Instant::now() < deadline, "they never settle");
        }
    }
    one.converge(&AnyTarget::Gone).await;
    two.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn an_orphan_that_has_the_port_is_replaced_and_no_conflict() {
    let port = free_port();
    orphan_is_replaced(port, &listen_on(port)).await;
    // A server that wrote over its environment, as it is started by many a script.
    let listen = listen_on(port).replacen("exec ", "", 1);
    orphan_is_replaced(port, &format!("env -i PATH=/usr/bin {listen} & wait")).await;
}

async fn orphan_is_replaced(port: u16, script: &str) {
    let mut world = World::new(script);
    world.want.ports = vec![("api".to_owned(), port)];
    world.want.ready = Some(Probe { check: Check::Tcp { port }, period_ms: 50, timeout_ms: 9_000 });
    world.converge(&world.present()).await;
    let orphan = world.pid().await.cast_signed();
    let id = process_id(&world.id).unwrap();
    let shim = world.supervisor.get(&id).unwrap().unwrap().shim.unwrap();
    agent_harness_shim::identity::signal(shim, Signal::KILL).unwrap();
    until(|| (!is_alive(shim.pid)).then_some(())).await;
    assert!(is_alive(orphan));
    world.converge(&world.present()).await;
    assert!(!is_alive(orphan));
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn what_runs_on_without_its_holder_is_ended_also_when_it_is_never_restarted() {
    let mut world = World::new("exec sleep 1000");
    world.want.restart = Restart::Never;
    world.converge(&world.present()).await;
    let orphan = world.pid().await.cast_signed();
    let id = process_id(&world.id).unwrap();
    let shim = world.supervisor.get(&id).unwrap().unwrap().shim.unwrap();
    agent_harness_shim::identity::signal(shim, Signal::KILL).unwrap();
    until(|| (!is_alive(shim.pid)).then_some(())).await;
    let Verdict::Change(steps) = world.verdict(world.present()).await else {
        panic!("it is to be ended")
    };
    for (action, _) in steps {
        world.apply(&action).await.unwrap();
    }
    assert!(!is_alive(orphan));
    let Verdict::Stalled(why) = world.verdict(world.present()).await else { panic!("it stays") };
    assert_eq!(
        why,
        "ended with lost: its holder (agent-shim) was killed, and its spec says `restart: never`"
    );
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn what_never_ran_is_tried_again_also_when_it_is_never_restarted() {
    let mut world = World::new("exec sleep 1000");
    world.want.restart = Restart::Never;
    let program = world.bench.path("late");
    world.want.command.argv = vec![program.display().to_string()];
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a start") };
    world.apply(&steps[0].0).await.unwrap_err();
    crate::fs::write_atomic(&program, "#!/bin/sh\nexec sleep 1000\n", 0o700).unwrap();
    world.converge(&world.present()).await;
    assert!(is_alive(world.pid().await.cast_signed()));
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn a_run_folder_with_another_mark_is_not_touched() {
    let world = World::new("exec sleep 1000");
    let id = process_id(&world.id).unwrap();
    let mut stranger = world.bench.launch(id.as_str(), "exec sleep 1000");
    stranger.mark = "agent-harness:somebody:else-12345678".to_owned();
    world.supervisor.start(&stranger).await.unwrap();
    let Seen::Unknown(why) = world.see(false).await else { panic!("it is unknown") };
    assert_eq!(
        why,
        "the run folder of process agent-3.456789ab/api carries another mark \
         (agent-harness:somebody:else-12345678)"
    );
    world.supervisor.stop(&id, Signal::KILL, Duration::ZERO).await.unwrap();
}

/// What a process prints is the last resort of whoever looks for a cause, and goes into a status.
#[tokio::test]
async fn no_secret_that_a_process_prints_reaches_a_status() {
    let mut world =
        World::new("echo \"key $KEY\"; echo \"$PASSWORD\"; [ -e end ] || exec sleep 1000");
    let secret = |value: &str| Text::Secret(Secret::new(value));
    world.want.command.env.insert("PASSWORD".to_owned(), secret("hunter2"));
    world.want.command.env.insert("KEY".to_owned(), secret("-----\nMIIEabc\n-----"));
    world.converge(&world.present()).await;
    let log = world.bench.path("logs/agent-agent-3/process/api.log");
    until(|| crate::fs::read_to_string(&log).unwrap().contains("hunter2").then_some(())).await;
    // A probe that is late quotes the log; one that fails, itself.
    world.want.ready =
        Some(Probe { check: Check::Tcp { port: free_port() }, period_ms: 50, timeout_ms: 1 });
    let late = world.waits_for("not within").await;
    assert!(late.ends_with("; its log ends with: ***"), "{late}");
    let mut command = world.want.command.clone();
    command.argv = shell("echo \"$PASSWORD is wrong\" >&2; exit 1");
    world.want.ready =
        Some(Probe { check: Check::Exec(command), period_ms: 50, timeout_ms: 9_000 });
    let failed = world.waits_for("exit code 1").await;
    assert!(failed.ends_with("exit code 1: *** is wrong"), "{failed}");

    crate::fs::write_atomic(world.bench.path("end"), "", 0o600).unwrap();
    world.want.fingerprint = "two".to_owned();
    world.waits_for("exit code 0").await;
    let Seen::Known(Some(Have::Process(Observed::Exited { exit, .. }))) = world.see(true).await
    else {
        panic!("it has ended")
    };
    assert_eq!(exit.last_lines, ["key ***", "***", "***", "***"]);
    // Nobody knows the secrets of what is not wanted any more.
    let Seen::Known(Some(Have::Process(Observed::Exited { exit, .. }))) = world.see(false).await
    else {
        panic!("it has ended")
    };
    assert_eq!(exit.last_lines, [""; 0]);
    world.converge(&AnyTarget::Gone).await;
}

/// What is said of a process that waits is the same at each look: a status is written when it means something new.
#[tokio::test]
async fn a_wait_reads_the_same_at_each_look() {
    let script = "trap '' TERM; setsid sh -c \"trap '' TERM; while ! [ -e end ]; do sleep 0.02; done\" & \
                  until [ -e up ]; do sleep 0.02; done; exit 3";
    let mut world = World::new(script);
    world.want.place.stop_grace_ms = 60_000;
    world.converge(&world.present()).await;
    crate::fs::write_atomic(world.bench.path("up"), "", 0o600).unwrap();
    let ending = "is not ready: it has ended, and what it started is being ended";
    assert_eq!(world.waits_for("it has ended").await, ending);
    crate::fs::write_atomic(world.bench.path("end"), "", 0o600).unwrap();
    let ended = "ended with exit code 3; starts again after a backoff of 1 s (restart 1)";
    assert_eq!(world.waits_for("exit code 3").await, ended);
    loop {
        match world.verdict(world.present()).await {
            Verdict::Wait(why) => assert_eq!(why, ended),
            Verdict::Change(steps) => break assert_eq!(steps[0].1, "ended with exit code 3"),
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
