//! A shim that was killed: its payload is found, ended and never doubled.

use super::*;

async fn kill_shim(bench: &Bench, id: &str) {
    let shim = bench.get(id).unwrap().shim.unwrap();
    assert!(agent_harness_shim::identity::signal(shim, Signal::KILL).unwrap());
    until(|| (!is_alive(shim.pid)).then_some(())).await;
}

#[tokio::test]
async fn the_orphan_is_seen_and_the_next_start_replaces_it() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "setsid sleep 1001 & exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    until(|| (bench.marked().len() == 2).then_some(())).await;
    let before = bench.pid("a/x");
    kill_shim(&bench, "a/x").await;
    let ProcessState::Lost { why, orphan, .. } = bench.state("a/x") else { panic!("it is lost") };
    assert_eq!((why, orphan), (Loss::HolderKilled, Some(before)));
    bench.supervisor.start(&launch).await.unwrap();
    until(|| (bench.marked().len() == 2).then_some(())).await;
    assert_ne!(bench.pid("a/x"), before);
    assert!(!is_alive(before.cast_signed()));
    bench.stop("a/x").await;
    assert_eq!(bench.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stop_ends_the_orphan_too() {
    let bench = Bench::new();
    let script = "trap '' TERM; (setsid sleep 1001 &); while :; do sleep 1; done";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    until(|| (bench.marked().len() >= 3).then_some(())).await;
    kill_shim(&bench, "a/x").await;
    let id = "a/x".parse().unwrap();
    bench.supervisor.stop(&id, Signal::TERM, Duration::from_millis(100)).await.unwrap();
    assert_eq!(bench.marked(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stranger_with_the_recorded_pid_is_left_alone() {
    use agent_harness_shim::files::{Durability, read_json, write_json};
    use agent_harness_shim::identity::Identity;
    use agent_harness_shim::protocol::Record;
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    bench.stop("a/x").await;
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    // As after a wrap of the pid space: the record's pids are a stranger's now. A wrap takes longer than
    // a tick of the start time; what this test starts one after the other may well share one.
    let reused = agent_harness_shim::identity::of(stranger.id().cast_signed()).unwrap();
    let before = Identity { start: reused.start - 1, ..reused };
    let folder = bench.path("run/a~x");
    let path = folder.join("shim.json");
    let mut record: Record = read_json(&path).unwrap().unwrap();
    (record.shim, record.payload) = (before, Some(before));
    write_json(&path, &record, Durability::Boot).unwrap();
    crate::fs::remove_file_if_exists(folder.join("exit.json")).unwrap();
    assert!(matches!(bench.state("a/x"), ProcessState::Lost { orphan: None, .. }));
    bench.stop("a/x").await;
    bench.supervisor.start(&launch).await.unwrap();
    bench.stop("a/x").await;
    assert!(stranger.try_wait().unwrap().is_none());
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn another_boot_makes_the_record_void() {
    use agent_harness_shim::files::{Durability, read_json, write_json};
    use agent_harness_shim::protocol::Record;
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    let path = bench.path("run/a~x/shim.json");
    let record: Record = read_json(&path).unwrap().unwrap();
    let other = Record { boot: "another boot".to_owned(), ..record.clone() };
    write_json(&path, &other, Durability::Boot).unwrap();
    let ProcessState::Lost { why, orphan, .. } = bench.state("a/x") else { panic!("it is lost") };
    assert_eq!((why, orphan), (Loss::Reboot, None));
    write_json(&path, &record, Durability::Boot).unwrap();
    bench.stop("a/x").await;
}

/// After a reboot pids and ticks since the boot begin anew: somebody may have just the recorded ones.
#[tokio::test]
async fn a_stranger_with_the_identity_of_another_boot_is_left_alone() {
    use agent_harness_shim::files::{Durability, read_json, write_json};
    use agent_harness_shim::protocol::Record;
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let same = agent_harness_shim::identity::of(stranger.id().cast_signed()).unwrap();
    let path = bench.path("run/a~x/shim.json");
    let reboot = || {
        let mut record: Record = read_json(&path).unwrap().unwrap();
        (record.shim, record.payload) = (same, Some(same));
        record.boot = "another boot".to_owned();
        write_json(&path, &record, Durability::Boot).unwrap();
        crate::fs::remove_file_if_exists(bench.path("run/a~x/exit.json")).unwrap();
    };
    bench.supervisor.start(&launch).await.unwrap();
    bench.stop("a/x").await;
    reboot();
    let process = bench.get("a/x").unwrap();
    assert!(matches!(process.state, ProcessState::Lost { why: Loss::Reboot, .. }));
    let socket = ports::Listener {
        pid: Some(stranger.id()),
        uid: 0,
        command: String::new(),
        mark: None,
        process: None,
    };
    assert!(!socket.descends_from(&process), "what it listens on is not ours");
    bench.stop("a/x").await;
    assert!(stranger.try_wait().unwrap().is_none(), "a stop reaches it");
    bench.supervisor.start(&launch).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "a start reaches it");
    bench.stop("a/x").await;
    reboot();
    bench.supervisor.start(&launch).await.unwrap();
    assert!(stranger.try_wait().unwrap().is_none(), "a start reaches it");
    bench.stop("a/x").await;
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_payload_that_nothing_names_any_more_still_holds_the_lock() {
    use agent_harness_shim::files::{Durability, read_json, write_json};
    use agent_harness_shim::protocol::Record;
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec env -i sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    until(|| bench.marked().is_empty().then_some(())).await;
    let pid = bench.pid("a/x").cast_signed();
    kill_shim(&bench, "a/x").await;
    let path = bench.path("run/a~x/shim.json");
    let record: Record = read_json(&path).unwrap().unwrap();
    write_json(&path, &Record { payload: None, ..record.clone() }, Durability::Boot).unwrap();
    bench.supervisor.start(&launch).await.unwrap();
    assert!(!is_alive(pid), "it was found by the lock, and ended");
    bench.stop("a/x").await;
    // One that nobody can be found for stays in the way.
    let lock = until(|| super::super::lock::try_lock(&bench.path("run/a~x")).unwrap()).await;
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert!(matches!(error, SuperviseError::Held { .. }), "{error}");
    drop(lock);
}

/// A power cut right after a start: the files were not on the disk yet, and are there with nothing in them.
#[tokio::test]
async fn files_that_a_power_cut_emptied_are_as_good_as_none() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    let empty = |file: &str| {
        crate::fs::write_atomic(bench.path("run/a~x").join(file), "", 0o600).unwrap();
    };
    for (files, expected) in [
        (&["shim.json"][..], Some(Loss::StartCutOff)),
        (&["shim.json", "exit.json"], Some(Loss::StartCutOff)),
        (&["launch.json", "shim.json"], None),
    ] {
        bench.supervisor.start(&launch).await.unwrap();
        bench.stop("a/x").await;
        crate::fs::remove_file_if_exists(bench.path("run/a~x/exit.json")).unwrap();
        files.iter().copied().for_each(empty);
        // Its shim may still be on its way out, and hold the lock.
        let process = until(|| bench.supervisor.get(&"a/x".parse().unwrap()).ok()).await;
        let seen = process.map(|process| match process.state {
            ProcessState::Lost { why, .. } => why,
            other => panic!("{files:?}: {other:?}"),
        });
        assert_eq!(seen, expected, "{files:?}");
        bench.stop("a/x").await;
    }
    bench.supervisor.start(&launch).await.unwrap();
    let pid = bench.pid("a/x");
    // While somebody holds the lock there is somebody, and what is written of him cannot be read.
    let record = crate::fs::read(bench.path("run/a~x/shim.json")).unwrap();
    empty("shim.json");
    let error = bench.supervisor.get(&"a/x".parse().unwrap()).unwrap_err();
    assert!(matches!(error, SuperviseError::Unknown { .. }), "{error}");
    crate::fs::write_atomic(bench.path("run/a~x/shim.json"), record, 0o600).unwrap();
    assert_eq!(bench.pid("a/x"), pid);
    bench.stop("a/x").await;
}

#[tokio::test]
async fn a_whole_file_that_is_not_understood_is_not_taken_for_none() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    bench.stop("a/x").await;
    bench.supervisor.forget(&launch.id).await.unwrap();
    let folder = bench.path("run/a~x");
    crate::fs::create_dir_all(&folder, 0o700).unwrap();
    crate::fs::write_atomic(folder.join("launch.json"), "{\"version\": 99}", 0o600).unwrap();
    let error = bench.supervisor.get(&launch.id).unwrap_err();
    assert!(matches!(error, SuperviseError::Unknown { .. }), "{error}");
    let error = bench.supervisor.start(&launch).await.unwrap_err();
    assert!(matches!(error, SuperviseError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn whoever_has_the_lock_is_not_taken_for_another_one_that_starts() {
    let bench = Bench::new();
    let launch = bench.launch("a/x", "exec sleep 1000");
    bench.supervisor.start(&launch).await.unwrap();
    bench.stop("a/x").await;
    let folder = bench.path("run/a~x");
    let held = until(|| super::super::lock::try_lock(&folder).unwrap()).await;
    for file in ["shim.json", "exit.json"] {
        crate::fs::remove_file_if_exists(folder.join(file)).unwrap();
    }
    let look = |lock| state::look(&folder, "boot", lock).unwrap().unwrap().state;
    assert_eq!(look(state::Lock::Unknown), ProcessState::Starting);
    let lost = ProcessState::Lost { why: Loss::StartCutOff, orphan: None, at_ms: 0 };
    assert_eq!(look(state::Lock::Ours), lost);
    drop(held);
}
