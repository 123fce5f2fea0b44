//! What a process may write without harm: much, fast, without an end, nothing that is text, or nothing any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use agent_harness_shim::logs::{Follower, From, Line, Stream};

use super::*;
use crate::logs::{Limits, tidy};

fn lines(bench: &Bench, id: &str) -> Vec<Line> {
    Follower::open(&bench.path(&format!("logs/{id}.log")), From::default()).unwrap().1
}

#[tokio::test]
async fn binary_output_is_in_the_log_byte_for_byte() {
    let bench = Bench::new();
    let script =
        "head -c 3000000 /dev/urandom | tee written; head -c 300000 /dev/urandom >&2; echo";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(0));
    let mut logged = Vec::new();
    for line in lines(&bench, "a/x").iter().filter(|line| line.stream == Stream::Stdout) {
        logged.extend_from_slice(&line.text);
        logged.push(b'\n');
    }
    let mut written = crate::fs::read(bench.path("written")).unwrap();
    written.push(b'\n');
    assert!(logged == written, "{} and {} bytes", logged.len(), written.len());
}

#[tokio::test]
async fn a_process_that_closes_its_output_runs_on_and_is_stopped_as_any_other() {
    let bench = Bench::new();
    let script = "echo last; exec >&- 2>&-; mkfifo closed; exec sleep 1000";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    let fifo = bench.path("closed");
    until(|| fifo.exists().then_some(())).await;
    let shim = bench.get("a/x").unwrap().shim.unwrap().pid;
    // A stream that has ended is not asked again and again: the shim sleeps.
    until(|| {
        let state = crate::fs::read_to_string(format!("/proc/{shim}/stat")).unwrap();
        state.contains(") S ").then_some(())
    })
    .await;
    assert!(is_alive(bench.pid("a/x").cast_signed()));
    bench.stop("a/x").await;
    let texts: Vec<Vec<u8>> = lines(&bench, "a/x").into_iter().map(|line| line.text).collect();
    assert_eq!(texts[1], b"last");
    assert_eq!(texts[2], b"ended by SIGTERM");
}

#[tokio::test]
async fn a_gigabyte_at_once_is_taken_and_its_end_is_kept() {
    let bench = Bench::new();
    let script = "head -c 1000000000 /dev/zero; echo; echo done";
    bench.supervisor.start(&bench.launch("a/x", script)).await.unwrap();
    assert_eq!(bench.outcome("a/x").await, Outcome::Code(0));
    let files = crate::fs::list_dir(bench.path("logs/a")).unwrap();
    assert_eq!(files.len(), 8, "{files:?}");
    let size = |path: &PathBuf| crate::fs::metadata(path).unwrap().unwrap().len();
    assert!(files.iter().all(|path| size(path) <= 10 << 20), "{files:?}");
    let log = bench.path("logs/a/x.log");
    let (_, last) = Follower::open(&log, From { tail: Some(2), since_ms: None }).unwrap();
    let texts: Vec<&[u8]> = last.iter().map(|line| line.text.as_slice()).collect();
    assert_eq!(texts, [&b"done"[..], b"exited with code 0"]);
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_while_it_is_rotated_compressed_and_followed() {
    const LINES: u64 = 600_000;
    let bench = Bench::new();
    let root = bench.path("logs");
    let log = root.join("a/process/x.log");
    let mut launch = bench.launch("a/x", &format!("seq 1 {LINES}"));
    launch.log_path = log.clone();
    bench.supervisor.start(&launch).await.unwrap();
    let ended = std::sync::Arc::new(AtomicBool::new(false));
    let done = std::sync::Arc::clone(&ended);
    let tidying = std::thread::spawn(move || {
        while !done.load(Ordering::SeqCst) {
            let errors = tidy(&root, Limits::USUAL, SystemTime::now(), &|| false);
            assert!(errors.is_empty(), "{errors:?}");
        }
        tidy(&root, Limits::USUAL, SystemTime::now(), &|| false)
    });
    let numbers = |lines: Vec<Line>| -> Vec<u64> {
        let texts = lines.into_iter().filter(|line| line.stream == Stream::Stdout);
        texts.map(|line| String::from_utf8(line.text).unwrap().parse().unwrap()).collect()
    };
    let (mut follower, first) = Follower::open(&log, From::default()).unwrap();
    let mut followed = numbers(first);
    let outcome = until(|| {
        followed.extend(numbers(follower.next_lines().unwrap()));
        match bench.state("a/x") {
            ProcessState::Exited { outcome, .. } => Some(outcome),
            _ => None,
        }
    })
    .await;
    ended.store(true, Ordering::SeqCst);
    assert_eq!(outcome, Outcome::Code(0));
    followed.extend(numbers(follower.next_lines().unwrap()));
    assert!(tidying.join().unwrap().is_empty());
    assert!(followed.iter().copied().eq(1..=LINES), "{} lines followed", followed.len());
    let names = crate::fs::list_dir(bench.path("logs/a/process")).unwrap();
    assert!(
        names.len() > 2 && names.contains(&bench.path("logs/a/process/x.log.1.gz")),
        "{names:?}"
    );
    let (_, all) = Follower::open(&log, From::default()).unwrap();
    assert!(numbers(all).into_iter().eq(1..=LINES), "all are there afterwards");
}
