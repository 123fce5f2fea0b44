//! Somebody changes the world by hand: it comes back as it was wanted, and nothing that somebody wrote
//! is lost by that.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::process::Command;

use super::harness::{Site, succeed};
use super::host::http;

#[test]
fn what_somebody_broke_is_put_right() {
    somebody_breaks_all(Site::new());
}

/// On whichever servers.
pub fn somebody_breaks_all(mut site: Site) {
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    site.ready("agent-1");
    site.ready("agent-2");
    let untouched = site.processes(2);

    // A process killed.
    let killed = site.processes(1).into_iter().find(|(what, ..)| what == "worker").unwrap();
    succeed(Command::new("kill").args(["-9", &killed.1.to_string()]));
    site.eventually("the worker to run again", || {
        let now = site.processes(1);
        now.iter().any(|process| process.0 == "worker" && *process != killed).then_some(())
    });

    // The database dropped.
    site.sql("postgres", "DROP DATABASE agent_1 WITH (FORCE)");
    site.eventually("the database to be cloned again", || {
        let count = "SELECT count(*) FROM pg_database WHERE datname = 'agent_1'";
        (site.sql("postgres", count) == "1").then_some(())
    });
    site.eventually("the app to work on it", || {
        let notes = http(site.api + 10, "GET", "/api/v1/notes", "").ok()?.1;
        notes.contains("Welcome").then_some(())
    });
    site.ready("agent-1");

    // The bucket removed, with all that was in it.
    site.admin().remove("agent-1");
    site.eventually("the bucket to be made again", || {
        let put = http(site.api + 10, "PUT", "/api/v1/notes/1/attachment", "bytes").ok()?;
        (put.0 == 204).then_some(())
    });
    site.ready("agent-1");
    assert!(!site.admin().tags("agent-1").is_empty(), "it carries our mark");

    // The worktree's folder deleted.
    fs::remove_dir_all(site.worktree("agent-1")).unwrap();
    site.eventually("the worktree to be there again", || {
        site.worktree("agent-1").join("CLAUDE.agent.md").is_file().then_some(())
    });
    site.ready("agent-1");

    // A generated file edited: what is wanted comes back, and what was written is kept beside it.
    let file = site.worktree("agent-1").join("CLAUDE.agent.md");
    fs::write(&file, "my own words\n").unwrap();
    site.eventually("the file to be as wanted", || {
        fs::read_to_string(&file).ok().filter(|now| now.contains("You are agent-1"))
    });
    let beside = fs::read_dir(site.worktree("agent-1")).unwrap().flatten();
    let kept = beside.filter(|entry| {
        fs::read_to_string(entry.path()).is_ok_and(|text| text == "my own words\n")
    });
    assert_eq!(kept.count(), 1);
    let events = site.ctl_ok(&["events", "agent-1"]);
    assert!(events.contains("CLAUDE.agent.md") && events.contains("edited"), "{events}");

    site.ready("agent-1");
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0), "nothing is left to be done");
    assert_eq!(site.processes(2), untouched, "agent 2 had no part in it");
}

#[test]
fn a_bad_edit_changes_nothing_and_says_where() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    site.edit("agent-1.yaml", "spec: {stack: hello}", "spec: {stack: hello, prots: {api: 1}}");
    let described = site.eventually("the mistake to be shown", || {
        let described = site.ctl_ok(&["describe", "1"]);
        described.contains("prots").then_some(described)
    });
    assert!(described.contains("agent-1.yaml:5"), "{described}");
    assert!(described.contains("ports"), "the nearest right key is named: {described}");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    // Put right, and changed for real: one process is replaced, the others stay.
    site.edit(
        "agent-1.yaml",
        "spec: {stack: hello, prots: {api: 1}}",
        "spec: {stack: hello, processes: {worker: {env: {EXTRA: \"1\"}}}}",
    );
    let after = site.eventually("the worker to be replaced", || {
        let now = site.processes(1);
        (now.len() == 3 && now[2] != before[0][2]).then_some(now)
    });
    assert_eq!(after[..2], before[0][..2]);
    assert_eq!(site.processes(2), before[1]);
}

#[test]
fn drift_is_told_first_and_left_where_the_spec_says_so() {
    let mut site = Site::new();
    site.edit(
        "agent-1.yaml",
        "spec: {stack: hello",
        "spec: {drift: {file: warn, bucket: ignore}, stack: hello",
    );
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    site.ready("agent-1");
    site.ready("agent-2");

    // Left, and told.
    let file = site.worktree("agent-1").join("CLAUDE.agent.md");
    fs::write(&file, "my own words\n").unwrap();
    let drifted = site.eventually("the edit to be told", || {
        let told = site.ctl_ok(&["describe", "1"]);
        told.contains("its spec says `drift: warn`").then_some(told)
    });
    assert!(drifted.contains("Drifted"), "{drifted}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "my own words\n");
    site.ctl_ok(&["wait", "1", "--for=Ready", "--timeout=5s"]);
    site.ctl_ok(&["wait", "1", "--for=condition=Drifted", "--timeout=5s"]);

    // Left, and not told.
    site.admin().remove("agent-1");
    site.eventually("the bucket to be seen missing", || {
        let status = site.object("agent-1");
        (status["status"]["resources"]["bucket/agent-1"]["state"] == "Missing").then_some(())
    });
    assert!(!site.ctl_ok(&["describe", "1"]).contains("bucket/agent-1 was removed"));

    // Another policy, and both come back; what was written is kept beside.
    site.edit("agent-1.yaml", "drift: {file: warn, bucket: ignore}, ", "");
    site.eventually("both to be as wanted", || {
        let rendered = fs::read_to_string(&file).unwrap().contains("You are agent-1");
        (rendered && !site.admin().tags("agent-1").is_empty()).then_some(())
    });
    let events = site.ctl_ok(&["events", "agent-1"]);
    let told = events.find("was edited by somebody else: it is put right").expect(&events);
    assert!(
        told < events.find("file/CLAUDE.agent.md keep the edited one aside").unwrap(),
        "{events}"
    );

    // Somebody who does it again and again is left for a while.
    let file = site.worktree("agent-2").join("CLAUDE.agent.md");
    let restored = |site: &Site, n: u32| {
        fs::write(&file, format!("edit {n}\n")).unwrap();
        site.eventually("the file to be as wanted", || {
            fs::read_to_string(&file).ok().filter(|now| now.contains("You are agent-2"))
        });
    };
    (1..=3).for_each(|n| restored(&site, n));
    fs::write(&file, "edit 4\n").unwrap();
    site.eventually("the breaker to be told", || {
        site.ctl_ok(&["describe", "2"])
            .contains("was corrected 3 times within 10 minutes")
            .then_some(())
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), "edit 4\n");
    site.ctl_ok(&["reconcile", "2"]);
    site.eventually("the file to be as wanted", || {
        fs::read_to_string(&file).ok().filter(|now| now.contains("You are agent-2"))
    });
}
