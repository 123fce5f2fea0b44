//! The supervising process is killed at random points of a start, again and again.
//!
//! The parent is this test program, run anew for the one test that plays it.

use std::io::Read as _;
use std::process::Stdio;

use super::*;

const ROUNDS: u32 = 100;
const ROOT: &str = "HARNESS_TEST_STORM_ROOT";
const MARK: &str = "agent-harness:storm:";

/// Starts one process and then waits to be killed. Does nothing in an ordinary run.
#[tokio::test]
async fn storm_parent() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let root = PathBuf::from(root);
    let mark = format!("{MARK}{}", root.display());
    let supervisor = Supervisor::new(root.join("run"), shim_binary()).unwrap();
    println!("ready");
    let launch = launch(&root, &mark, "a/x", "exec sleep 1000");
    supervisor.start(&launch).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn no_kill_of_the_parent_doubles_or_loses_a_process() {
    let shim = shim_binary();
    let (mut cut_short, mut survived) = (0, 0);
    for round in 0..ROUNDS {
        let root = tempfile::tempdir().unwrap();
        let mark = format!("{MARK}{}", root.path().display());
        let mut parent = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["process::tests::storm::storm_parent", "--exact", "--nocapture"])
            .env(ROOT, root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = parent.stdout.take().unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"ready\n") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        // Spread over the whole start, with steps that hit each phase of it.
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % ROUNDS) * 40));
        parent.kill().unwrap();
        parent.wait().unwrap();

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
