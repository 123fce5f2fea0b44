//! What processes may use, in each way to hold them that this host offers.

use agent_harness_model::kinds::process::Restart;
use agent_harness_model::kinds::{AnyTarget, End, Verdict};
use agent_harness_shim::cgroup::Controller;
use agent_harness_shim::protocol::Exceeded;

use super::world::World;
use super::*;

const LIMIT: u64 = 48 << 20;
/// A line without an end, which `tail` keeps in its memory, and nobody there to take it: 150 MB and no more.
const HOG: &str = "head -c 150000000 /dev/zero | tail | sleep 1000";

fn memory(limit: u64) -> Limits {
    Limits { memory: Some(limit), ..Limits::default() }
}

async fn end(bench: &Bench, id: &str) -> (Outcome, Option<Exceeded>) {
    until(|| match bench.state(id) {
        ProcessState::Exited { outcome, exceeded, requested, .. } => {
            assert!(!requested, "nobody asked");
            Some((outcome, exceeded))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn whoever_uses_more_than_its_memory_is_ended_and_told_so() {
    for way in ways() {
        let bench = Bench::held_by(way);
        let mut launch = bench.launch("agent-1/api", HOG);
        launch.limits = memory(LIMIT);
        bench.supervisor.start(&launch).await.unwrap();
        let (outcome, exceeded) = end(&bench, "agent-1/api").await;
        assert_eq!(exceeded, Some(Exceeded::Memory(LIMIT)), "{way:?}: {outcome}");
        assert_eq!(bench.marked(), Vec::<i32>::new(), "it ended as a whole");
        let looked_at = bench.log("agent-1/api").contains("no control group holds its memory");
        assert_eq!(looked_at, !bench.supervisor.cgroups().holds(Controller::Memory), "{way:?}");
        let process = bench.get("agent-1/api").unwrap();
        let exit = exit(&process, u64::MAX).unwrap();
        assert_eq!(exit.end, End::Failure);
        assert!(exit.how.ends_with(": it used more than its memory of 48Mi"), "{}", exit.how);
    }
}

#[tokio::test]
async fn whoever_keeps_to_its_limits_is_let_be() {
    for way in ways() {
        let bench = Bench::held_by(way);
        let mut launch = bench.launch("agent-1/api", "exit 3");
        launch.limits = Limits { memory: Some(LIMIT), pids: Some(20), ..Limits::default() };
        bench.supervisor.start(&launch).await.unwrap();
        assert_eq!(end(&bench, "agent-1/api").await, (Outcome::Code(3), None), "{way:?}");
    }
}

#[tokio::test]
async fn the_plan_says_what_was_too_much() {
    for way in ways() {
        let mut world = World::held_by(&format!("echo up; {HOG}"), way);
        world.want.limits = memory(LIMIT);
        let why = world.waits_for("used more").await;
        let ended = why.split("; ").next().unwrap();
        assert!(
            ended.starts_with("ended with signal SIG")
                && ended.ends_with(": it used more than its memory of 48Mi"),
            "{way:?}: {why}"
        );
        world.want.restart = Restart::Never;
        let Verdict::Stalled(why) = world.verdict(world.present()).await else {
            panic!("it stays")
        };
        assert!(why.contains("it used more than its memory of 48Mi"), "{why}");
        world.converge(&AnyTarget::Gone).await;
    }
}

#[tokio::test]
async fn a_fork_bomb_stays_within_its_pids() {
    const BOMB: &str = "(i=0; while [ $i -lt 300 ]; do sleep 1000 & i=$((i+1)); done); \
        echo over; exec sleep 1000";
    for way in ways() {
        let bench = Bench::held_by(way);
        let mut launch = bench.launch("agent-1/api", BOMB);
        launch.limits.pids = Some(30);
        bench.supervisor.start(&launch).await.unwrap();
        if bench.supervisor.cgroups().holds(Controller::Pids) {
            until(|| bench.log("agent-1/api").contains("stdout F over").then_some(())).await;
            let there = bench.get("agent-1/api").unwrap().leaf.unwrap().members().unwrap();
            assert!((20..=30).contains(&there.len()), "{way:?}: {}", there.len());
            bench.stop("agent-1/api").await;
        } else {
            let (outcome, exceeded) = end(&bench, "agent-1/api").await;
            assert_eq!(exceeded, Some(Exceeded::Pids(30)), "{way:?}: {outcome}");
            let how = exit(&bench.get("agent-1/api").unwrap(), 0).unwrap().how;
            assert_eq!(how, "signal SIGKILL: it was more than its 30 pids");
        }
        assert_eq!(bench.marked(), Vec::<i32>::new(), "{way:?}");
    }
}

/// Each of it starts two more, for ever.
#[tokio::test]
async fn a_fork_bomb_without_end_is_stopped() {
    for way in ways() {
        let bench = Bench::held_by(way);
        if !bench.supervisor.cgroups().holds(Controller::Pids) {
            println!("NOT TESTED: {way:?} holds nobody to pids here");
            continue;
        }
        let bomb = "bomb() { while :; do bomb & sleep 0.01; done; }; trap '' TERM; \
            bomb 2>/dev/null & wait; exec sleep 1000";
        let mut launch = bench.launch("agent-1/api", "");
        launch.argv = ["/bin/bash", "-c", bomb].map(str::to_owned).to_vec();
        launch.limits.pids = Some(40);
        bench.supervisor.start(&launch).await.unwrap();
        let leaf = bench.get("agent-1/api").unwrap().leaf.unwrap();
        until(|| (leaf.members().unwrap().len() >= 35).then_some(())).await;
        let id = "agent-1/api".parse().unwrap();
        bench.supervisor.stop(&id, Signal::TERM, Duration::from_millis(100)).await.unwrap();
        assert_eq!(bench.marked(), Vec::<i32>::new(), "{way:?}");
    }
}

#[tokio::test]
async fn open_files_and_nice_are_those_of_the_process_alone() {
    let bench = Bench::new();
    let own = rustix::process::getpriority_process(None).unwrap();
    let mut launch = bench.launch("agent-1/api", "ulimit -Sn; ulimit -Hn; nice; (nice)");
    launch.limits.open_files = Some(321);
    launch.limits.nice = Some(17);
    bench.supervisor.start(&launch).await.unwrap();
    assert_eq!(bench.outcome("agent-1/api").await, Outcome::Code(0));
    let log = bench.log("agent-1/api");
    let said: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("stdout F ")).map(|it| it.1).collect();
    assert_eq!(said, ["321", "321", "17", "17"]);
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), own);
}

#[tokio::test]
async fn what_the_host_does_not_allow_is_said() {
    let bench = Bench::new();
    let mut launch = bench.launch("agent-1/api", "exec sleep 1000");
    launch.limits.open_files = Some(u64::MAX / 2);
    let error = bench.supervisor.start(&launch).await.unwrap_err().to_string();
    assert!(error.contains("cannot set `openFiles` to 9223372036854775807; "), "{error}");
    launch.limits = Limits { milli_cpus: Some(500), ..Limits::default() };
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert!(matches!(error, SuperviseError::Unheld { what: "cpus", .. }), "{error}");
}

#[tokio::test]
async fn an_edit_to_what_nothing_holds_it_to_costs_no_process_that_works() {
    let mut world = World::new("exec sleep 1000");
    world.converge(&world.present()).await;
    let pid = world.pid().await;
    world.want.limits.milli_cpus = Some(500);
    world.want.fingerprint = "two".to_owned();
    let Verdict::Change(steps) = world.verdict(world.present()).await else { panic!("a respawn") };
    let error = world.apply(&steps[0].0).await.unwrap_err().message;
    assert!(error.contains("nothing holds it to its `cpus` here"), "{error}");
    assert_eq!(world.pid().await, pid);
    world.converge(&AnyTarget::Gone).await;
}

#[tokio::test]
async fn processors_are_shared_out_by_the_group() {
    for way in ways() {
        let bench = Bench::held_by(way);
        if !bench.supervisor.cgroups().holds(Controller::Cpu) {
            println!("NOT TESTED: {way:?} holds nobody to cpus here");
            continue;
        }
        let mut launch = bench.launch("agent-1/api", "while :; do :; done");
        launch.limits.milli_cpus = Some(100);
        launch.budget.milli_cpus = Some(50);
        bench.supervisor.start(&launch).await.unwrap();
        let leaf = bench.get("agent-1/api").unwrap().leaf.unwrap();
        let group = leaf.limit(Controller::Cpu).unwrap();
        until(|| {
            let stat = crate::fs::read_to_string(group.join("cpu.stat")).unwrap();
            let line = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "))?;
            (line != "0").then_some(())
        })
        .await;
        bench.stop("agent-1/api").await;
    }
}

/// The one that uses most is ended, and says why; its neighbour and another agent go on.
#[tokio::test]
async fn an_agent_over_its_memory_degrades_alone() {
    for way in ways() {
        let bench = Bench::held_by(way);
        let held = bench.supervisor.cgroups().holds(Controller::Memory);
        let budget = Budget { memory: Some(LIMIT), ..Budget::default() };
        for id in ["agent-1/web", "agent-2/web"] {
            let mut small = bench.launch(id, "exec sleep 1000");
            small.budget = budget;
            bench.supervisor.start(&small).await.unwrap();
        }
        let (first, second) = (bench.pid("agent-1/web"), bench.pid("agent-2/web"));
        let mut hog = bench.launch("agent-1/api", HOG);
        hog.budget = budget;
        bench.supervisor.start(&hog).await.unwrap();
        let (outcome, exceeded) = until(|| {
            if !held {
                super::super::budget::look(&bench.supervisor);
            }
            match bench.state("agent-1/api") {
                ProcessState::Exited { outcome, exceeded, requested, .. } => {
                    assert!(!requested, "nobody asked");
                    Some((outcome, exceeded))
                }
                _ => None,
            }
        })
        .await;
        assert_eq!(exceeded, Some(Exceeded::AgentMemory(LIMIT)), "{way:?}: {outcome}");
        let how = exit(&bench.get("agent-1/api").unwrap(), 0).unwrap().how;
        assert!(how.contains("of its agent used more than their memory of 48Mi"), "{how}");
        assert_eq!((bench.pid("agent-1/web"), bench.pid("agent-2/web")), (first, second));
        bench.stop("agent-1/web").await;
        bench.stop("agent-2/web").await;
    }
}

/// The same of how many there are, where only the controller counts them.
#[tokio::test]
async fn an_agent_of_too_many_processes_degrades_alone() {
    let bench = Bench::new();
    let budget = Budget { pids: Some(10), ..Budget::default() };
    for (id, script) in [
        ("agent-1/web", "exec sleep 1000"),
        ("agent-1/api", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; exec sleep 1000"),
        ("agent-2/web", "exec sleep 1000"),
    ] {
        let mut launch = bench.launch(id, script);
        launch.budget = budget;
        bench.supervisor.start(&launch).await.unwrap();
    }
    let exceeded = until(|| {
        super::super::budget::look(&bench.supervisor);
        match bench.state("agent-1/api") {
            ProcessState::Exited { exceeded, .. } => Some(exceeded),
            _ => None,
        }
    })
    .await;
    assert_eq!(exceeded, Some(Exceeded::AgentPids(10)));
    bench.pid("agent-1/web");
    bench.pid("agent-2/web");
}
