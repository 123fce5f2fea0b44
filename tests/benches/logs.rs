//! Prints how fast a shim takes what its process writes, beside `cat` into a file, and what it needs for that. Run
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
    needs(&kinds[0].1);
}

/// What the shim needs for a flood: its processor time, and its memory before and after.
fn needs(flood: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (go, done) = (folder.path().join("go"), folder.path().join("done"));
    let wait = "while ! [ -e go ]; do sleep 0.05; done";
    let script = format!("{wait}; {flood}; touch done; exec sleep 1000");
    let launch = launch(folder.path(), &script);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let supervisor = runtime.block_on(async {
        let supervisor = Supervisor::new(folder.path().join("run"), shim()).unwrap();
        supervisor.start(&launch).await.unwrap();
        supervisor
    });
    let shim = shim_of(folder.path());
    let (idle, before) = (resident(&shim), ran(&shim));
    std::fs::write(go, "").unwrap();
    while !done.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (cpu, after) = (ran(&shim).saturating_sub(before), resident(&shim));
    runtime.block_on(supervisor.stop(&launch.id, Signal::KILL, Duration::ZERO)).unwrap();
    say(&format!(
        "| processor of the shim for 1 GiB of the first | {:.1} s |||",
        cpu.as_secs_f64()
    ));
    say(&format!("| its resident memory: idle, after that | {idle}, {after} || < 1.5 MB |"));
}

/// The folder in `/proc` of the shim whose run folder is in this one.
fn shim_of(root: &Path) -> PathBuf {
    let root = root.display().to_string();
    let is_it = |process: &PathBuf| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("agent-shim\0") && command.contains(&root)
    };
    let mut all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.find(is_it).expect("there is a shim")
}

fn ran(process: &Path) -> Duration {
    let stat = std::fs::read_to_string(process.join("schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap_or_default().parse().unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn resident(process: &Path) -> String {
    let status = std::fs::read_to_string(process.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    format!("{:.1} MB", (kib * 1024) as f64 / 1e6)
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
