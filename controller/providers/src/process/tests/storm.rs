//! The supervising process is killed at random points of starts, stops and restarts, and shims are, again and again.
//!
//! The parent is this test program, run anew for the one test that plays it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::Stdio;

use super::*;

const ROUNDS: u32 = 100;
/// Of the long storm: kills of the parent, each third followed by one of a shim.
const LONG: u32 = 300;
const ROOT: &str = "HARNESS_TEST_STORM_ROOT";
/// Whether the parent goes on after the first start: stops, starts and replaces until it is killed.
const ON_AND_ON: &str = "HARNESS_TEST_STORM_ON_AND_ON";
const MARK: &str = "agent-harness:storm:";

/// Starts one process and then waits to be killed. Does nothing in an ordinary run.
#[tokio::test]
async fn storm_parent() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let root = PathBuf::from(root);
    let mark = format!("{MARK}{}", root.display());
    let supervisor = Supervisor::new(root.join("run"), shim_binary()).unwrap();
    println!("ready");
    let mut launch = launch(&root, &mark, "a/x", "exec sleep 1000");
    if std::env::var_os(ON_AND_ON).is_none() {
        supervisor.start(&launch).await.unwrap();
        std::future::pending::<()>().await;
    }
    // What the one before was at may come to its end meanwhile, so any answer will do.
    for turn in 0.. {
        let _ = supervisor.start(&launch).await;
        if turn % 2 == 0 {
            let _ = supervisor.stop(&launch.id, Signal::TERM, Duration::from_millis(50)).await;
        }
        launch.fingerprint = format!("{turn}");
        let _ = supervisor.stop(&launch.id, Signal::KILL, Duration::ZERO).await;
    }
}

/// Plays the parent until it is killed after this time; from when it says that it is ready.
fn killed_after(root: &Path, on_and_on: bool, time: Duration) {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["process::tests::storm::storm_parent", "--exact", "--nocapture"]);
    command.env(ROOT, root).stdout(Stdio::piped());
    if on_and_on {
        command.env(ON_AND_ON, "yes");
    }
    let mut parent = command.spawn().unwrap();
    let mut stdout = parent.stdout.take().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"ready\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    std::thread::sleep(time);
    parent.kill().unwrap();
    parent.wait().unwrap();
}

#[tokio::test]
async fn no_kill_of_the_parent_doubles_or_loses_a_process() {
    let shim = shim_binary();
    let (mut cut_short, mut survived) = (0, 0);
    for round in 0..ROUNDS {
        let root = tempfile::tempdir().unwrap();
        let mark = format!("{MARK}{}", root.path().display());
        // Spread over the whole start, with steps that hit each phase of it.
        let time = Duration::from_micros(u64::from(round * 7919 % ROUNDS) * 40);
        killed_after(root.path(), false, time);

        let supervisor = Supervisor::new(root.path().join("run"), shim.clone()).unwrap();
        let id = "a/x".parse().unwrap();
        let before = until(|| match supervisor.get(&id).unwrap() {
            // The shim goes on without its parent.
            Some(process) if process.state == ProcessState::Starting => None,
            Some(Process { state: ProcessState::Running { pid, .. }, .. }) => Some(Some(pid)),
            _ => Some(None),
        })
        .await;
        let launch = launch(root.path(), &mark, "a/x", "exec sleep 1000");
        supervisor.start(&launch).await.unwrap();
        let Some(Process { state: ProcessState::Running { pid, .. }, .. }) =
            supervisor.get(&id).unwrap()
        else {
            panic!("round {round}: it does not run");
        };
        match before {
            Some(before) => {
                assert_eq!(before, pid, "round {round}: it was started again");
                survived += 1;
            }
            None => cut_short += 1,
        }
        // Recorded just before it is executed: its environment may come a moment later.
        let all = until(|| Some(marked(&mark)).filter(|all| !all.is_empty())).await;
        assert_eq!(all, [pid.cast_signed()], "round {round}");
        supervisor.stop(&id, Signal::KILL, Duration::ZERO).await.unwrap();
        assert_eq!(marked(&mark), Vec::<i32>::new(), "round {round}");
    }
    println!("{ROUNDS} kills: {survived} starts went through, {cut_short} were cut short");
}

/// What runs of `a/x`; `None`: nothing does, and nothing is about to.
async fn settled(supervisor: &Supervisor, id: &ProcessId) -> Option<u32> {
    until(|| match supervisor.get(id).unwrap().map(|process| process.state) {
        // The shim goes on without its parent.
        Some(ProcessState::Starting | ProcessState::Ending) => None,
        Some(ProcessState::Running { pid, .. }) => Some(Some(pid)),
        Some(ProcessState::Exited { .. } | ProcessState::Lost { .. }) | None => Some(None),
    })
    .await
}

#[tokio::test]
async fn a_storm_of_kills_doubles_nothing_leaves_nothing_and_touches_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let mark = format!("{MARK}{}", root.path().display());
    let supervisor = Supervisor::new(root.path().join("run"), shim_binary()).unwrap();
    let id: ProcessId = "a/x".parse().unwrap();
    let lasting = launch(root.path(), &mark, "a/lasting", "exec sleep 1000");
    let lasting = supervisor.start(&lasting).await.unwrap().payload.unwrap();
    // Like ours in all but the mark.
    let mut stranger = Stranger(std::process::Command::new("sleep").arg("1000").spawn().unwrap());
    let (mut found, mut cut_short, mut shims) = (0, 0, 0);
    for round in 0..LONG {
        // The longest of these steps takes 50 ms: all of them are hit.
        let time = Duration::from_micros(u64::from(round * 7919 % LONG) * 400);
        killed_after(root.path(), true, time);
        let runs = settled(&supervisor, &id).await;
        match runs {
            Some(_) => found += 1,
            None => cut_short += 1,
        }
        let mut launch = launch(root.path(), &mark, "a/x", "exec sleep 1000");
        if round % 3 == 0 {
            launch.fingerprint = format!("of round {round}");
            supervisor.stop(&id, Signal::KILL, Duration::ZERO).await.unwrap();
            let started = supervisor.start(&launch).await.unwrap();
            agent_harness_shim::identity::signal(started.shim.unwrap(), Signal::KILL).unwrap();
            shims += 1;
            // It was orphaned, and is ended before it is started again.
            let again = until_started(&supervisor, &launch).await;
            assert_ne!(again, started.payload.unwrap().pid, "round {round}");
        }
        // Whoever was told to end when the parent was killed still runs at the first looks.
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let runs = settled(&supervisor, &id).await.map(u32::cast_signed);
            let expected: BTreeSet<i32> = runs.into_iter().chain([lasting.pid]).collect();
            if marked(&mark).into_iter().eq(expected) {
                break;
            }
            assert!(Instant::now() < deadline, "round {round}: {:?} run", marked(&mark));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let still = agent_harness_shim::identity::of(lasting.pid).unwrap();
        assert_eq!(still, lasting, "round {round}: another pid or start time");
        assert_eq!(stranger.0.try_wait().unwrap(), None, "round {round}: a stranger was ended");
    }
    println!(
        "{LONG} kills of the parent: it ran after {found}, and did not after {cut_short}; \
         {shims} kills of shims; no double, no orphan, one lasting process with its pid and start time"
    );
    for id in [id, "a/lasting".parse().unwrap()] {
        supervisor.stop(&id, Signal::KILL, Duration::ZERO).await.unwrap();
    }
    assert_eq!(marked(&mark), Vec::<i32>::new());
}

/// Somebody else's process, for as long as the test takes.
struct Stranger(std::process::Child);

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it once the end of its shim was seen: its pid.
async fn until_started(supervisor: &Supervisor, launch: &Launch) -> i32 {
    until(|| match supervisor.get(&launch.id).unwrap().map(|process| process.state) {
        Some(ProcessState::Lost { .. }) => Some(()),
        _ => None,
    })
    .await;
    supervisor.start(launch).await.unwrap().payload.unwrap().pid
}
