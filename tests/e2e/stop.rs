//! What runs for long is not waited for once something else is wanted.

use super::harness::{Site, text};

/// Waits until a step that was told to say so runs.
fn running(site: &Site, log: &[&str], word: &str) {
    site.eventually(&format!("{log:?} to say {word}"), || {
        text(&site.ctl(&[&["logs"], log].concat()).stdout).contains(word).then_some(())
    });
}

#[test]
fn a_long_step_stops_when_it_is_not_wanted_any_more() {
    let mut site = Site::new();
    let quick = "\"git --version && ${harness.bin}/hello --version\"";
    let long = "\"echo begins; sleep 3000\"";
    site.edit("stack.yaml", quick, long);
    site.start();
    running(&site, &["1", "setup/versions"], "begins");
    running(&site, &["2", "setup/versions"], "begins");

    // One leaves, and the other one gets another step.
    site.ctl_ok(&["delete", "2"]);
    site.wait("agent-2", "deleted");
    assert!(!site.worktree("agent-2").exists());
    site.edit("stack.yaml", long, "\"echo other; sleep 4000\"");
    running(&site, &["1", "setup/versions"], "other");

    // The same while a template is built: the next generation is what is wanted, not the end of this one.
    site.edit("stack.yaml", "\"echo other; sleep 4000\"", quick);
    site.ready("agent-1");
    let seed = "seed: {run: \"${harness.bin}/hello seed\"";
    let long = "seed: {run: \"echo builds; sleep 5000\"";
    site.edit("stack.yaml", seed, long);
    running(&site, &["stack/hello", "template/seed"], "builds");
    site.edit("stack.yaml", long, "seed: {run: \"${harness.bin}/hello seed; echo done\"");
    running(&site, &["stack/hello", "template/seed"], "done");
    site.ready("stack/hello");
    let told = site.ctl_ok(&["events"]);
    assert!(!told.contains("something else is wanted"), "that is no failure:\n{told}");
}
