//! Processes that do not start, do not come to be ready, do not last, or do something that nobody expects of them.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::super::harness::Site;
use super::super::host::{Disk, started};
use super::places::fill;
use super::{agent, said, until};

/// What never ran is tried by and by.
const AGAIN: &str = "is tried again after a backoff";

/// An agent each, with one process `x`: what is wrong with it, how it is written, and words that are to be said.
const MISTAKES: [(&str, &str, &str); 16] = [
    (
        "one that is never ready",
        "{run: [/bin/sh, -c, 'echo waits for the moon; exec sleep 1000'], \
         ready: {tcp: {port: web}, period: 100ms, timeout: 300ms}}",
        "the moon",
    ),
    ("a program that is not there", "{run: no-such-program --flag}", AGAIN),
    ("a path that leads nowhere", "{run: ./nowhere/program}", AGAIN),
    ("a file that is no program", "{run: ./plain}", AGAIN),
    ("a folder", "{run: ./folder}", AGAIN),
    ("a script of an interpreter that is not there", "{run: ./of-no-interpreter}", AGAIN),
    ("a script with the line ends of Windows", "{run: ./of-windows}", AGAIN),
    ("a folder to run in that is not there", "{run: sleep 1000, cwd: nowhere}", AGAIN),
    ("a file to run in", "{run: sleep 1000, cwd: plain}", AGAIN),
    ("one that ends at once", "{run: [/bin/sh, -c, 'exit 3'], restart: never}", "exit code 3"),
    (
        "one that a signal ends",
        "{run: [/bin/sh, -c, 'kill -SEGV $$$$'], restart: never}",
        "SIGSEGV",
    ),
    (
        "one whose check hangs",
        "{run: sleep 1000, ready: {exec: {command: sleep 1000}, period: 100ms, timeout: 300ms}}",
        "no answer within",
    ),
    // Without a check it would be ready for the moment that it runs, and its agent with it.
    (
        "one that goes into the background",
        "{run: [/bin/sh, -c, 'setsid sleep 1000 & exit 0'], restart: always, ready: {tcp: {port: web}}}",
        "starts again",
    ),
    ("an argument with a NUL in it", "{run: [sleep, \"1\\0000\"]}", "NUL"),
    ("a value with a NUL in it", "{run: sleep 1000, env: {A: \"x\\0y\"}}", "NUL"),
    ("no command at all", "{run: ''}", "empty"),
];

#[test]
fn what_is_wrong_with_a_process_is_said_of_its_agent_alone() {
    let mut site = Site::new();
    without_servers(&site);
    let file = |name: &str, text: &str, mode: u32| {
        let path = site.repo().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    file("plain", "nothing to run", 0o644);
    file("of-no-interpreter", "#!/no/such/interpreter -x\n", 0o755);
    file("of-windows", "#!/bin/sh\r\necho hello\r\n", 0o755);
    fs::create_dir(site.repo().join("folder")).unwrap();
    file("folder/file", "", 0o644);
    site.git(&["add", "--all"]);
    site.git(&["commit", "--quiet", "--message", "What cannot be run"]);
    let name = |number: usize| format!("agent-{}", number + 1);
    for (number, (_, process, _)) in MISTAKES.iter().enumerate() {
        let spec = format!("  processes:\n    good: {{run: sleep 1000}}\n    x: {process}\n");
        site.write_spec(&format!("{}.yaml", name(number)), &agent(&name(number), &spec));
    }
    // What its process gets is what is written, to the letter.
    let odd = "env: {ODD: \"one\\ntwo \\\"x\\\" 'y' $$HOME `z` \\\\ ü\"}";
    let spec = format!("  processes:\n    x: {{run: [printenv, ODD], restart: never, {odd}}}\n");
    site.write_spec("agent-99.yaml", &agent("agent-99", &spec));
    site.start();
    let told: Vec<String> = MISTAKES
        .iter()
        .enumerate()
        .map(|(number, (what, _, words))| {
            let said = until(words, || without_counts(&said(&site, &name(number))));
            format!("{what}\n{said}\n")
        })
        .collect();
    insta::assert_snapshot!("processes", told.join("\n"));
    site.ready("agent-99");
    let printed = site.ctl_ok(&["logs", "99", "x"]);
    assert!(printed.contains("one\ntwo \"x\" 'y' $HOME `z` \\ ü\n"), "{printed}");
    let log = site.ctl_ok(&["logs", "13", "x", "--tail", "5"]);
    assert!(log.contains("what it has left behind ends with it"), "{log}");
}

/// A log on a full disk loses lines, and nothing else: who writes them is not held up, and who takes them goes on.
#[test]
fn a_full_disk_holds_up_no_process_and_its_log_goes_on_afterwards() {
    if !Disk::is_possible() {
        eprintln!("not run: only root may mount a disk, and sudo asks for a password");
        return;
    }
    let mut site = Site::new();
    without_servers(&site);
    // More than a pipe holds, by and by; how far it is stands elsewhere.
    let script = "i=0; x=$(printf %1000s x); while :; do i=$((i+1)); echo line $i $x; echo $i >$HOME/new; \
                  mv $HOME/new $HOME/line; sleep 0.01; done";
    let spec =
        format!("  processes:\n    x: {{run: [/bin/sh, -c, '{}']}}\n", script.replace('$', "$$"));
    site.write_spec("agent-1.yaml", &agent("agent-1", &spec));
    site.state_on_a_disk(40);
    site.start();
    site.ready("agent-1");
    let at = |site: &Site| -> u32 {
        let line = fs::read_to_string(site.folder().join("home/line")).unwrap_or_default();
        line.trim().parse().unwrap_or_default()
    };
    let folder = fs::read_dir(site.state().join("run")).unwrap().flatten().next().unwrap().path();
    // The pids of its shim and of its own, while both live.
    let held = || {
        let record: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("shim.json")).ok()?).ok()?;
        let living = |who: &str| {
            let pid = u32::try_from(record[who]["pid"].as_u64()?).ok()?;
            (started(pid).parse().ok() == record[who]["start"].as_u64()).then_some(pid)
        };
        Some((living("shim")?, living("payload")?))
    };
    let before = held().unwrap();
    site.eventually("it to write", || (at(&site) > 10).then_some(()));
    let filler = fill(&site.state());
    let full = at(&site);
    site.eventually("it to write on, more than a pipe holds", || {
        (at(&site) > full + 200).then_some(())
    });
    assert_eq!(held(), Some(before), "neither it nor its shim has ended");
    fs::remove_file(&filler).unwrap();
    let room = at(&site);
    let log = site.state().join("logs/agent-agent-1/process/x.log");
    site.eventually("the log to go on", || {
        let log = fs::read_to_string(&log).unwrap();
        let (_, after) = log.split_once(" bytes could not be written and are lost\n")?;
        let last = after.lines().rfind(|line| line.contains(" stdout F line "))?;
        let number: u32 = last.split(' ').nth(4)?.parse().ok()?;
        (number > room).then_some(())
    });
    assert_eq!(held(), Some(before));

    // How it ended is known once there is room for it.
    let filler = fill(&site.state());
    let kill = Command::new("kill").args(["-9", &before.1.to_string()]).status().unwrap();
    assert!(kill.success());
    site.eventually("it to have ended", || started(before.1).is_empty().then_some(()));
    assert!(!started(before.0).is_empty(), "its shim waits for room");
    fs::remove_file(&filler).unwrap();
    site.eventually("it to run again", || held().filter(|now| *now != before));
    let events = site.ctl_ok(&["events"]);
    assert!(events.contains("process/x start: ended with signal SIGKILL"), "{events}");
}

/// Leaves nothing but a stack with a worktree and a port.
fn without_servers(site: &Site) {
    for spec in ["infra.yaml", "stack.yaml", "agent-1.yaml", "agent-2.yaml"] {
        site.remove_spec(spec);
    }
    let stack = format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {{name: hello}}\nspec:\n  \
         ports: {{web: {}}}\n  worktree: {{repo: ../../.., path: '${{harness.state}}/worktrees/${{agent.name}}'}}\n",
        site.api
    );
    site.write_spec("stack.yaml", &stack);
}

/// What is tried again counts on: without how often, and how long it waits.
fn without_counts(said: &str) -> String {
    let line = |line: &str| match line.split_once(" again after a backoff of ") {
        Some((before, _)) => format!("{before} again after a backoff"),
        None => line.to_owned(),
    };
    said.lines().map(line).collect::<Vec<_>>().join("\n")
}
