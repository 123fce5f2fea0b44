//! Prints how fast a shim takes what its process writes, beside `cat` into a file. Run
//! `cargo build --release && cargo bench -p agent-harness-tests --bench logs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use agent_harness_model::kinds::limits::{Budget, Limits};
use agent_harness_providers::process::{Launch, ProcessState, Supervisor};
use rustix::process::Signal;

const ROUNDS: u32 = 3;
const MIB: u64 = 1024;

fn main() {
    let kinds = [
        ("lines of 100 bytes", format!("yes {} | head -c {MIB}M", "x".repeat(99))),
        ("lines of 40 bytes", format!("yes {} | head -c {MIB}M", "x".repeat(39))),
        ("no line end at all", format!("head -c {MIB}M /dev/zero")),
    ];
    say("| Output | Through a shim | `cat` into a file | Wanted |\n|---|---|---|---|");
    for (index, (name, script)) in kinds.iter().enumerate() {
        let ours = median(&|| through_a_shim(script));
        let theirs = median(&|| through_cat(script));
        let wanted = if index == 0 { "≥ 191 MiB/s (200 MB/s)" } else { "" };
        say(&format!("| {name} | {ours:.0} MiB/s | {theirs:.0} MiB/s | {wanted} |"));
    }
}

/// MiB in a second, from the start of the process until its end is on record.
fn through_a_shim(script: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let shim = shim();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = runtime.block_on(async {
        let supervisor = Supervisor::new(folder.path().join("run"), shim).unwrap();
        let launch = launch(folder.path(), script);
        let begun = Instant::now();
        supervisor.start(&launch).await.unwrap();
        loop {
            let now = supervisor.get(&launch.id).unwrap().unwrap();
            if let ProcessState::Exited { outcome, .. } = now.state {
                assert_eq!(outcome.to_string(), "exited with code 0");
                return begun;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    rate(begun)
}

fn through_cat(script: &str) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let script = format!("{script} | cat > out");
    let done = Command::new("/bin/sh").args(["-c", &script]).current_dir(&folder).status();
    assert!(done.unwrap().success());
    rate(begun)
}

fn launch(root: &Path, script: &str) -> Launch {
    Launch {
        id: "bench/flood".parse().unwrap(),
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        cwd: root.to_owned(),
        user: None,
        umask: None,
        log_path: root.join("flood.log"),
        fingerprint: "one".to_owned(),
        mark: "agent-harness:bench:logs".to_owned(),
        stop_signal: Signal::TERM,
        stop_grace: Duration::from_secs(2),
        limits: Limits::default(),
        budget: Budget::default(),
    }
}

/// Beside this program's folder, where a release build puts it.
fn shim() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let shim = this.parent().and_then(Path::parent).unwrap().join("agent-shim");
    assert!(shim.is_file(), "agent-shim is not built: run `cargo build --release` first");
    shim
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(begun: Instant) -> f64 {
    MIB as f64 / begun.elapsed().as_secs_f64()
}

fn median(measure: &dyn Fn() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..ROUNDS).map(|_| measure()).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}
