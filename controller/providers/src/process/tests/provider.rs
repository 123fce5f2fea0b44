//! The `Process` kind end to end: what is seen, what the model makes of it, and what that does.

use std::net::TcpListener;
use std::sync::Arc;

use agent_harness_model::kinds::process::{Check, Observed, Restart};
use agent_harness_model::kinds::{AnyTarget, Have, Readiness, Verdict};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::Seen;

use super::world::{World, checked, free_port, shell};
use super::*;

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

    // One end is an accident; the next one in a row waits.
    kill(second).await;
    world.converge(&world.present()).await;
    let third = world.pid().await;
    assert_ne!(third, second);
    world.up(3).await;
    kill(third).await;
    let why = world.waits_for("signal").await;
    let ended = "ended with signal SIGKILL; starts again after a backoff of 1 s (restart 2)";
    assert_eq!(why, ended);
    world.up(3).await;
    world.converge(&world.present()).await;
    assert_ne!(world.pid().await, third);
    world.up(4).await;

    world.converge(&AnyTarget::Gone).await;
    assert_eq!(world.see(false).await, Seen::Known(None));
    assert_eq!(world.bench.marked(), Vec::<i32>::new());
    assert!(crate::fs::list_dir(world.bench.path("run")).unwrap().is_empty());
}

async fn kill(pid: u32) {
    let identity = agent_harness_shim::identity::of(pid.cast_signed()).unwrap();
    agent_harness_shim::identity::signal(identity, Signal::KILL).unwrap();
    until(|| (!is_alive(pid.cast_signed())).then_some(())).await;
}

#[tokio::test]
async fn a_process_is_ready_when_its_probe_says_so_and_a_hint_is_given() {
    let mut world = World::new("exec sleep 1000");
    let port = free_port();
    world.want.ready = Some(checked(Check::Tcp { port }, 50, 200));
    let mut hints = world.supervisor.subscribe();
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a start") };
    world.apply(&steps[0].0).await.unwrap();
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
async fn what_runs_on_without_its_holder_is_ended_also_when_it_is_never_restarted() {
    let mut world = World::new("exec sleep 1000");
    world.want.restart = Restart::Never;
    world.converge(&world.present()).await;
    let orphan = world.orphaned().await;
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
        "was lost: its holder (agent-shim) was killed, and its spec says `restart: never`"
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
    world.want.ready = Some(checked(Check::Tcp { port: free_port() }, 50, 1));
    let late = world.waits_for("not within").await;
    assert!(late.ends_with("; its log ends with: ***"), "{late}");
    let mut command = world.want.command.clone();
    command.argv = shell("echo \"$PASSWORD is wrong\" >&2; exit 1");
    world.want.ready = Some(checked(Check::Exec(command), 50, 9_000));
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
    let ended = "ended with exit code 3; starts again after a backoff of 1 s (restart 2)";
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
