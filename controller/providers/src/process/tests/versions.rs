//! Run folders of other releases: what the first one wrote is understood, what a later one writes is left alone, and
//! what we write is understood by the first one's shims.
//!
//! The files are as a real shim of the first release wrote them, but for its uuids and folders.

use std::path::PathBuf;

use agent_harness_model::world::Seen;
use agent_harness_shim::files::{Durability, read_json, write_json};
use agent_harness_shim::identity;
use agent_harness_shim::protocol::{self, Exit, Record, Stop};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::World;
use super::*;

const LAUNCH: &str = include_str!("versions/launch.json");
const RECORD: &str = include_str!("versions/shim.json");
const STOP: &str = include_str!("versions/stop.json");
const EXIT: &str = include_str!("versions/exit.json");

/// The run folder of the first release, of a process `a/x`.
fn first_release(bench: &Bench, files: &[(&str, &str)]) {
    let folder = bench.path("run/a~x");
    crate::fs::create_dir_all(&folder, 0o700).unwrap();
    for (file, text) in files {
        let text = text.replace("/srv", &bench.root.path().display().to_string());
        crate::fs::write_atomic(folder.join(file), text, 0o600).unwrap();
    }
}

#[tokio::test]
async fn what_the_first_release_wrote_is_understood() {
    let bench = Bench::new();
    // It was stopped there.
    first_release(&bench, &[("launch.json", LAUNCH), ("shim.json", RECORD), ("exit.json", EXIT)]);
    let process = bench.get("a/x").unwrap();
    assert_eq!(
        (process.fingerprint.as_str(), process.mark.as_str(), process.restarts, process.failures),
        ("one", "agent-harness:test:0123456789ab", 2, 0)
    );
    assert_eq!(process.log_path, bench.path("logs/a/x.log"));
    assert_eq!(
        process.state,
        ProcessState::Exited {
            outcome: Outcome::Signal(15),
            requested: true,
            failed: None,
            at_ms: 1_780_000_001_500,
            last_lines: vec!["up".to_owned()],
            exceeded: None,
        }
    );
    // It ran when the machine was restarted.
    first_release(&bench, &[("shim.json", RECORD)]);
    crate::fs::remove_file_if_exists(bench.path("run/a~x/exit.json")).unwrap();
    let ProcessState::Lost { why, orphan, .. } = bench.state("a/x") else { panic!("it is lost") };
    assert_eq!((why, orphan), (Loss::Reboot, None));
    let stop: Stop = serde_json::from_str(STOP).unwrap();
    assert_eq!((stop.signal, stop.grace_ms, stop.failed, stop.exceeded), (15, 2_000, None, None));
    // It counts on where the first release has stopped.
    let launch = bench.launch("a/x", "exec sleep 1000");
    let again = bench.supervisor.start(&launch).await.unwrap();
    assert_eq!((again.restarts, again.fingerprint.as_str()), (3, "one"));
    bench.stop("a/x").await;
}

/// A shim of this release is handed the launch of the first one.
#[test]
fn a_launch_of_the_first_release_sets_no_limits() {
    let launch: protocol::Launch = serde_json::from_str(LAUNCH).unwrap();
    assert_eq!((launch.limits, launch.cgroup), (protocol::Limits::default(), None));
    assert_eq!((launch.restarts, launch.failures, launch.log.files), (2, 1, 3));
}

/// All that a shim or controller of the first release knows of these files.
#[expect(dead_code, reason = "that all of it can be read is what matters")]
mod first {
    use super::Deserialize;
    use agent_harness_shim::identity::Identity;
    use agent_harness_shim::protocol::{LogFile, Outcome};
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    #[derive(Debug, Deserialize)]
    pub struct Launch {
        pub version: u32,
        pub instance: String,
        pub id: String,
        pub mark: String,
        pub fingerprint: String,
        pub argv: Vec<String>,
        pub env: BTreeMap<String, String>,
        pub cwd: PathBuf,
        pub user: Option<(u32, u32)>,
        pub umask: Option<u32>,
        pub log: LogFile,
        pub stop_signal: i32,
        pub stop_grace_ms: u64,
        pub restarts: u32,
        pub failures: u32,
    }

    #[derive(Debug, Deserialize)]
    pub struct Record {
        pub version: u32,
        pub instance: String,
        pub boot: String,
        pub shim: Identity,
        pub payload: Option<Identity>,
        pub started_at_ms: u64,
    }

    #[derive(Debug, Deserialize)]
    pub struct Stop {
        pub version: u32,
        pub instance: String,
        pub signal: i32,
        pub grace_ms: u64,
    }

    #[derive(Debug, Deserialize)]
    pub struct Exit {
        pub version: u32,
        pub instance: String,
        pub outcome: Outcome,
        pub requested: bool,
        pub started_at_ms: u64,
        pub at_ms: u64,
        pub last_lines: Vec<String>,
        pub survivors: Vec<i32>,
    }
}

/// A shim of the first release is told to end by us; a controller of it reads what our shims write.
#[tokio::test]
async fn the_first_release_understands_what_this_one_writes() {
    let bench = Bench::new();
    let mut launch = bench.launch("a/x", "echo up; exec sleep 1000");
    launch.limits.open_files = Some(100);
    let started = bench.supervisor.start(&launch).await.unwrap();
    let id = &launch.id;
    until(|| bench.log("a/x").contains("stdout F up").then_some(())).await;
    let why = "it does not do its work";
    bench.supervisor.fail(id, Signal::INT, Duration::from_secs(3), why).await.unwrap();

    let text = |file: &str| crate::fs::read_to_string(bench.path("run/a~x").join(file)).unwrap();
    let read = |file: &str| serde_json::from_str::<Value>(&text(file)).unwrap();
    let first::Launch { version, instance, id, argv, .. } =
        serde_json::from_str(&text("launch.json")).unwrap();
    assert_eq!((version, id.as_str(), &argv), (1, "a/x", &launch.argv));
    let record: first::Record = serde_json::from_str(&text("shim.json")).unwrap();
    assert_eq!((record.version, &record.instance), (1, &instance));
    assert_eq!(record.payload, started.payload);
    let stop: first::Stop = serde_json::from_str(&text("stop.json")).unwrap();
    assert_eq!(
        (stop.version, &stop.instance, stop.signal, stop.grace_ms),
        (1, &instance, 2, 3_000)
    );
    assert_eq!(read("stop.json")["failed"], json!(why), "what the first one does not know");
    let exit: first::Exit = serde_json::from_str(&text("exit.json")).unwrap();
    assert_eq!((exit.version, exit.outcome, exit.requested), (1, Outcome::Signal(2), false));
    assert_eq!((exit.last_lines, exit.survivors), (vec!["up".to_owned()], Vec::new()));
    assert_eq!(protocol::VERSION, 1, "what is new has a default, so the first release reads it");
}

/// Each file of a run folder, of a version that nobody knows yet and with nothing else in it that anybody knows.
#[tokio::test]
async fn what_a_newer_release_holds_is_left_alone_and_said() {
    let world = World::new("exec sleep 1000");
    world.converge(&world.present()).await;
    let id = process_id(&world.id).unwrap();
    let before = world.supervisor.get(&id).unwrap().unwrap();
    let folder = world.bench.path("run").join(id.folder());
    let newer = json!({"version": 2, "all": "is another way"});
    for (file, is_refused) in [("launch.json", true), ("shim.json", true), ("exit.json", false)] {
        let path: PathBuf = folder.join(file);
        let old: Option<Value> = read_json(&path).unwrap();
        write_json(&path, &newer, Durability::Boot).unwrap();
        // A process that runs has not ended: nobody asks how it did.
        if is_refused {
            let expected = format!(
                "process agent-3.456789ab/api: a newer controller has started it: its {file} has version 2, \
                 and this controller knows 1. It is left as it is; use the newer controller"
            );
            let said = |error: SuperviseError| assert_eq!(error.to_string(), expected);
            said(world.supervisor.get(&id).unwrap_err());
            said(world.supervisor.stop(&id, Signal::KILL, Duration::ZERO).await.unwrap_err());
            said(world.supervisor.forget(&id).await.unwrap_err());
            let mut launch = world.bench.launch(id.as_str(), "exec sleep 1000");
            launch.mark.clone_from(&before.mark);
            said(world.supervisor.start(&launch).await.unwrap_err());
            for wanted in [true, false] {
                assert_eq!(world.see(wanted).await, Seen::Unknown(expected.clone()), "{file}");
            }
        }
        for identity in [before.shim.unwrap(), before.payload.unwrap()] {
            assert!(identity::is_alive(identity).unwrap(), "{file}");
        }
        match old {
            Some(old) => write_json(&path, &old, Durability::Boot).unwrap(),
            None => drop(crate::fs::remove_file_if_exists(&path).unwrap()),
        }
        assert_eq!(world.supervisor.get(&id).unwrap().as_ref(), Some(&before), "{file}");
    }
    world.converge(&agent_harness_model::kinds::AnyTarget::Gone).await;

    // One that has ended: how, only the newer one can read.
    let bench = &world.bench;
    bench.supervisor.start(&bench.launch("a/x", "exit 3")).await.unwrap();
    bench.outcome("a/x").await;
    let exit: Exit = read_json(&bench.path("run/a~x/exit.json")).unwrap().unwrap();
    write_json(&bench.path("run/a~x/exit.json"), &newer, Durability::Boot).unwrap();
    let error = bench.supervisor.get(&"a/x".parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("its exit.json has version 2"), "{error}");
    write_json(&bench.path("run/a~x/exit.json"), &exit, Durability::Boot).unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(3));
    let _: Record = read_json(&bench.path("run/a~x/shim.json")).unwrap().unwrap();
}

/// The start is given up, with what to do.
#[tokio::test]
async fn a_shim_that_is_older_than_its_controller_says_so() {
    let bench = Bench::new();
    let folder = bench.path("run/a~x");
    crate::fs::create_dir_all(&folder, 0o700).unwrap();
    crate::fs::write_atomic(folder.join("launch.json"), r#"{"version": 2, "new": []}"#, 0o600)
        .unwrap();
    let lock = super::super::lock::try_lock(&folder).unwrap().unwrap();
    let shim = std::process::Command::new(shim_binary()).arg(&folder).stdin(lock).output().unwrap();
    assert_eq!(
        String::from_utf8(shim.stdout).unwrap(),
        "error: launch.json has version 2, this shim knows 1: install the shim that came with the controller\n"
    );
}
