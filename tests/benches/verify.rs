//! What `ctl verify` costs beside the same commands by bash with `&`: printed, in the form of `docs/figures.md`.
//!
//! The commands sleep, so that what is measured is not how well they share the processors. All of what `verify` does is
//! in it: the start of `ctl`, the receipt, the log, the report.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a program for developers, which ends at the first thing that is not as it should be"
)]

mod site;

use std::process::Command;
use std::time::{Duration, Instant};

use site::harness::{Site, succeed};

/// How often each is taken.
const ROUNDS: usize = 15;
/// How long each command sleeps, in seconds.
const SLEEP: &str = "0.2";

fn main() {
    let mut site = Site::new();
    let stack = std::fs::read_to_string(site.specs().join("stack.yaml")).expect("a stack");
    let (before, _) = stack.split_once("  verify:").expect("a verify");
    let sleep = format!("sleep {SLEEP}");
    site.write_spec(
        "stack.yaml",
        &format!(
            "{before}  verify:\n    one: {{run: {sleep}}}\n    three: {{parallel: {{a: {sleep}, b: {sleep}, c: {sleep}}}}}\n"
        ),
    );
    site.start_with(&[("HARNESS_JOBS", "3")]);
    site.ready("agent-1");
    println!(
        "| `ctl verify` beside bash, {ROUNDS} times in turns, median | bash | verify | overhead | wanted |"
    );
    println!("|---|---|---|---|---|");
    let stages = [
        ("one command", "one", sleep.clone()),
        ("three at the same time", "three", format!("{sleep} & {sleep} & {sleep} & wait")),
        ("both stages", "", format!("{sleep}; {sleep} & {sleep} & {sleep} & wait")),
    ];
    for (what, stage, script) in stages {
        let (mut bash, mut verify) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let tree = site.worktree("agent-1");
            let mut command = site.command("bash");
            bash.push(took(command.args(["-c", &script]).current_dir(tree)));
            let mut words = vec!["verify", "1"];
            if !stage.is_empty() {
                words.extend(["--stage", stage]);
            }
            verify.push(took(&mut site.ctl_command(&words)));
        }
        let (bash, verify) = (median(bash), median(verify));
        let over = verify.saturating_sub(bash);
        println!(
            "| {what} | {} ms | {} ms | {} ms | < 50 ms |",
            bash.as_millis(),
            verify.as_millis(),
            over.as_millis()
        );
    }
}

fn took(command: &mut Command) -> Duration {
    let begun = Instant::now();
    succeed(command);
    begun.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
