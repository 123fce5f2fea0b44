//! Whoever tries to get away: by a second fork, a session of its own, an empty environment, closed descriptors. In each
//! way to hold processes that this host offers, by a stop and by a start after the shim was killed.

use agent_harness_shim::cgroup::Leaf;

use super::*;

/// The ways out, with `SLEEP` for a program that stays.
const ESCAPES: [(&str, &str); 5] = [
    ("double fork", "(SLEEP &)"),
    ("setsid", "setsid SLEEP &"),
    ("clean environment", "(env -i /usr/bin/env -i SLEEP &)"),
    (
        "daemon",
        "(setsid env -i /bin/sh -c 'trap \"\" TERM HUP; cd /; SLEEP & SLEEP & wait' >/dev/null 2>&1 </dev/null &)",
    ),
    (
        "daemon that closes its descriptors",
        "(setsid env -i /bin/bash -c 'cd /; for fd in /proc/self/fd/*; do fd=${fd##*/}; \
         eval \"exec $fd>&-\"; done; trap \"\" TERM HUP; SLEEP & SLEEP & wait' &)",
    ),
];

/// Programs with such a word in their command line.
fn with(word: &str) -> Vec<i32> {
    let processes = agent_harness_shim::tree::snapshot().unwrap();
    let alive = processes.values().filter(|stat| stat.is_alive()).map(|stat| stat.identity.pid);
    let has = |pid: &i32| {
        let line = crate::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    };
    alive.filter(has).collect()
}

/// A time to sleep that nobody else sleeps.
fn sleep() -> String {
    format!("1000.{}", uuid::Uuid::now_v7().as_u128() % 1_000_000_000_000)
}

fn leaf(bench: &Bench, id: &str) -> Option<Leaf> {
    bench.get(id).unwrap().leaf
}

/// No folder of ours is left: neither the leaf nor those above it.
fn assert_no_group(bench: &Bench, id: &str) {
    for folder in bench
        .supervisor
        .cgroups()
        .whole_leaf(&id.parse().unwrap())
        .into_iter()
        .flat_map(|leaf| leaf.folders)
    {
        let installation = folder.path.ancestors().nth(2).unwrap();
        assert!(!installation.exists(), "{} is left", installation.display());
    }
}

async fn escaped(way: CgroupSetting, script: &str) -> (Bench, Launch, String) {
    let bench = Bench::held_by(way);
    let time = sleep();
    let program = format!("/bin/sleep {time}");
    let script = format!("{}; exec {program}", script.replace("SLEEP", &program));
    let script = script.replace("&;", "&");
    let launch = bench.launch("agent-1/api", &script);
    bench.supervisor.start(&launch).await.unwrap();
    let all = 1 + script.matches(&program).count() - 1;
    until(|| (with(&time).len() >= all).then_some(())).await;
    if let Some(leaf) = leaf(&bench, "agent-1/api") {
        // The very processes that were seen in `/proc`, and the shells that hold some of them.
        let members: Vec<i32> = leaf.members().unwrap().iter().map(|member| member.pid).collect();
        assert!(with(&time).iter().all(|pid| members.contains(pid)), "{script}");
    }
    (bench, launch, time)
}

#[tokio::test]
async fn a_stop_ends_whoever_got_away() {
    for way in ways() {
        for (name, script) in ESCAPES {
            let (bench, launch, time) = escaped(way, script).await;
            let leaf = leaf(&bench, "agent-1/api");
            assert_eq!(leaf.is_some(), way != CgroupSetting::None);
            bench
                .supervisor
                .stop(&launch.id, Signal::TERM, Duration::from_millis(200))
                .await
                .unwrap();
            assert_eq!(with(&time), Vec::<i32>::new(), "{way:?}, {name}");
            assert!(leaf.is_none_or(|leaf| leaf.folders.iter().all(|it| !it.path.exists())));
            bench.supervisor.forget(&launch.id).await.unwrap();
            assert_no_group(&bench, "agent-1/api");
        }
    }
}

#[tokio::test]
async fn a_start_after_the_shim_was_killed_ends_whoever_got_away() {
    for way in ways() {
        for (name, script) in ESCAPES {
            if way == CgroupSetting::None && name.contains("closes") {
                // The one gap: nothing but a control group tells whose that is.
                continue;
            }
            let (bench, launch, time) = escaped(way, script).await;
            let before = bench.get("agent-1/api").unwrap();
            let (shim, payload) = (before.shim.unwrap(), before.payload.unwrap());
            for one in [shim, payload] {
                agent_harness_shim::identity::signal(one, Signal::KILL).unwrap();
                until(|| (!is_alive(one.pid)).then_some(())).await;
            }
            let lost = bench.state("agent-1/api");
            let ProcessState::Lost { orphan, .. } = lost else { panic!("{lost:?}") };
            // Seen, so that the plan ends it also where nothing is to be started again.
            assert_eq!(orphan.is_some(), way != CgroupSetting::None, "{way:?}, {name}");
            let old = with(&time);
            assert!(!old.is_empty());
            let mut next = launch.clone();
            next.argv = ["/bin/sleep", "1000"].map(str::to_owned).to_vec();
            next.stop_grace = Duration::from_millis(200);
            let started =
                bench.supervisor.stop(&launch.id, Signal::TERM, Duration::from_millis(200));
            started.await.unwrap();
            assert_eq!(with(&time), Vec::<i32>::new(), "{way:?}, {name}");
            bench.supervisor.start(&next).await.unwrap();
            bench.stop("agent-1/api").await;
            bench.supervisor.forget(&launch.id).await.unwrap();
            assert_no_group(&bench, "agent-1/api");
        }
    }
}

/// A shim that is killed while it has the group frozen: nobody in it could answer, and nobody would let it go.
#[tokio::test]
async fn a_group_that_was_left_frozen_is_ended() {
    if !ways().contains(&CgroupSetting::V1) {
        return;
    }
    let (bench, launch, time) = escaped(CgroupSetting::V1, ESCAPES[4].1).await;
    let leaf = leaf(&bench, "agent-1/api").unwrap();
    let freezer = &leaf.folders[0].path;
    if !freezer.join("freezer.state").exists() {
        println!("NOT TESTED: this host has no freezer");
        return;
    }
    let shim = bench.get("agent-1/api").unwrap().shim.unwrap();
    agent_harness_shim::identity::signal(shim, Signal::KILL).unwrap();
    until(|| (!is_alive(shim.pid)).then_some(())).await;
    agent_harness_shim::cgroup::write(freezer, "freezer.state", "FROZEN").unwrap();
    bench.supervisor.stop(&launch.id, Signal::TERM, Duration::from_millis(200)).await.unwrap();
    assert_eq!(with(&time), Vec::<i32>::new());
    assert!(!freezer.exists());
}

/// Two installations that call their agents and processes the same.
#[tokio::test]
async fn installations_do_not_meet() {
    for way in ways() {
        let (one, launch, first) = escaped(way, ESCAPES[3].1).await;
        let (other, _, second) = escaped(way, ESCAPES[3].1).await;
        one.supervisor.stop(&launch.id, Signal::TERM, Duration::from_millis(200)).await.unwrap();
        assert_eq!(with(&first), Vec::<i32>::new());
        assert_eq!(with(&second).len(), 3, "{way:?}");
        other.supervisor.stop(&launch.id, Signal::TERM, Duration::from_millis(200)).await.unwrap();
        assert_eq!(with(&second), Vec::<i32>::new());
        assert_no_group(&other, "agent-1/api");
    }
}

/// A start that was cut off between its group and its launch file: nothing names the group.
#[tokio::test]
async fn a_group_that_nothing_names_goes_with_its_process() {
    for way in ways() {
        let bench = Bench::held_by(way);
        let launch = bench.launch("agent-1/api", "exec sleep 1000");
        let limits = GroupLimits { pids: Some(10), ..GroupLimits::default() };
        let made = bench.supervisor.cgroups().make(&launch.id, &limits, &limits).unwrap();
        assert_eq!(made.is_some(), way != CgroupSetting::None);
        bench.supervisor.start(&launch).await.unwrap();
        bench.stop("agent-1/api").await;
        bench.supervisor.cgroups().make(&launch.id, &limits, &limits).unwrap();
        bench.supervisor.forget(&launch.id).await.unwrap();
        assert_no_group(&bench, "agent-1/api");
    }
}
