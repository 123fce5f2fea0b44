//! `ctl verify` on a real controller: what it prints, what it stops, and what it leaves.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::process::{Output, Stdio};

use serde_json::Value;

use super::harness::{Site, succeed, text};
use super::host::running;

/// A site whose agents are verified with these stages.
fn site(stages: &str) -> Site {
    let site = Site::new();
    let stack = fs::read_to_string(site.specs().join("stack.yaml")).unwrap();
    let (before, _) = stack.split_once("  verify:").unwrap();
    site.write_spec("stack.yaml", &format!("{before}  verify:\n{stages}"));
    site
}

fn started(stages: &str) -> Site {
    let mut site = site(stages);
    site.start();
    site.ready("agent-1");
    site
}

/// The report, and the exit code with it.
fn verify(site: &Site, more: &[&str]) -> (Value, i32) {
    report(&site.ctl(&[&["verify", "1"], more].concat()))
}

fn report(output: &Output) -> (Value, i32) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}\n{}\n{}", text(&output.stdout), text(&output.stderr))
    });
    (report, output.status.code().unwrap())
}

fn stages(report: &Value) -> Vec<String> {
    let one = |stage: &Value| {
        format!("{} {}", stage["name"].as_str().unwrap(), stage["status"].as_str().unwrap())
    };
    report["stages"].as_array().unwrap().iter().map(one).collect()
}

fn command<'a>(report: &'a Value, stage: usize, name: &str) -> &'a Value {
    let commands = report["stages"][stage]["commands"].as_array().unwrap();
    commands.iter().find(|command| command["name"] == name).unwrap()
}

/// Waits until a program with this word on its command line runs, or does not run any more.
fn until_runs(site: &Site, word: &str, runs: bool) {
    site.eventually(&format!("{word} running: {runs}"), || {
        (is_running(word) == runs).then_some(())
    });
}

fn is_running(word: &str) -> bool {
    running().iter().any(|it| it.command.iter().any(|it| it == word))
}

#[test]
fn the_work_of_an_agent_is_verified_in_its_tree() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let (report, code) = verify(&site, &[]);
    assert_eq!((code, &report["status"]), (0, &"pass".into()), "{report:#}");
    assert_eq!(stages(&report), ["files pass", "smoke pass"]);
    assert!(report["total_duration_ms"].as_u64().is_some());
    assert!(report["stages"][0]["duration_ms"].as_u64().is_some());
    let tree = site.worktree("agent-1");
    let git = |words: &[&str]| {
        text(&succeed(site.command("git").args(words).current_dir(&tree)).stdout).trim().to_owned()
    };
    assert_eq!(report["receipt"]["commit"], git(&["rev-parse", "HEAD"]).as_str());
    assert_eq!(report["receipt"]["tree"], git(&["rev-parse", "HEAD^{tree}"]).as_str());
    assert_eq!(report["receipt"]["dirty"], false);
    assert_eq!(report["receipt"]["spec_generation"], 1);
    assert!(report["receipt"]["database_generation"].as_str().is_some());

    let (report, code) = verify(&site, &["--full"]);
    assert_eq!(
        (code, stages(&report)),
        (0, vec!["files pass".into(), "smoke pass".into(), "check pass".into()])
    );
    assert!(
        site.ctl_ok(&["logs", "1", "verify/check"]).contains("api, page, database and bucket work")
    );
    let status = &site.object("agent-1")["status"]["verify"];
    assert_eq!((&status["status"], &status["full"]), (&"pass".into(), &true.into()));
    let table = site.ctl_ok(&["get", "agents"]);
    let row = |name| table.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(table.lines().next().unwrap().contains("VERIFIED"), "{table}");
    assert!(row("agent-1").contains("pass") && !row("agent-2").contains("pass"), "{table}");
    assert!(site.ctl_ok(&["describe", "1"]).contains("Verified"));

    // What an agent wrote, and only that of this one.
    let migration = "examples/hello/app/migrations/0009_gone.sql";
    fs::write(tree.join(migration), "-- DROP TABLE note;\n").unwrap();
    let (report, code) = verify(&site, &[]);
    assert_eq!((code, stages(&report)), (1, vec!["files fail".into()]));
    assert_eq!(report["skipped"], serde_json::json!(["smoke"]));
    assert!(
        report["stages"][0]["first_error"].as_str().unwrap().contains("DROP TABLE"),
        "{report:#}"
    );
    assert_eq!(report["receipt"]["dirty"], true);
    git(&["add", "--all"]);
    assert_eq!(report["receipt"]["tree"], git(&["write-tree"]).as_str());
    assert_eq!(report["receipt"].get("changed_meanwhile"), None);
    let (last, code) = verify(&site, &["--last"]);
    assert_eq!((last, code), (report, 1));
    let of_two = report_of(&site, &["verify", "2"]);
    assert_eq!(of_two.0["status"], "pass");

    // It outlives the controller, and goes with the agent.
    fs::remove_file(tree.join(migration)).unwrap();
    site.kill();
    let (down, code) = verify(&site, &[]);
    assert_eq!((code, &down["status"]), (3, &"error".into()));
    assert!(down["error"].as_str().unwrap().contains("the controller does not run"));
    site.start();
    site.ready("agent-1");
    assert_eq!(site.object("agent-1")["status"]["verify"]["status"], "fail");
    site.ctl_ok(&["delete", "1", "--purge", "--yes", "--wait"]);
    let left = fs::read_dir(site.state().join("verify")).unwrap();
    let left: Vec<_> = left.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| name.starts_with("agent-agent-2@")), "{left:?}");
}

fn report_of(site: &Site, words: &[&str]) -> (Value, i32) {
    report(&site.ctl(words))
}

/// What upstream's `verify.sh` broke its JSON with, and more.
const COMPILER: &str = r#"printf 'src/a.ts(3,9): error TS2322: it'\''s "bad" $HOME `id` \\ \377\376 \033[31mred\033[0m\nsecond line\n' >&2; exit 2"#;

#[test]
fn a_failure_stops_its_siblings_and_is_told_with_its_place() {
    let site = started(&format!(
        "    types:\n      parallel:\n        compiler: {}\n        sibling: sleep 86399\n    later: {{run: \"true\"}}\n",
        serde_json::to_string(COMPILER).unwrap()
    ));
    let file = site.worktree("agent-1").join("packages/backend/src");
    fs::create_dir_all(&file).unwrap();
    fs::write(file.join("a.ts"), "").unwrap();
    succeed(site.command("git").args(["add", "packages"]).current_dir(site.worktree("agent-1")));
    let (report, code) = verify(&site, &[]);
    assert_eq!((code, stages(&report)), (1, vec!["types fail".into()]), "{report:#}");
    let message = "it's \"bad\" $HOME `id` \\ \u{fffd}\u{fffd} red";
    assert_eq!(
        report["stages"][0]["first_error"],
        format!("packages/backend/src/a.ts:3:9 TS2322: {message}")
    );
    let compiler = command(&report, 0, "compiler");
    assert_eq!(compiler["exit_code"], 2);
    let problem = &compiler["problems"][0];
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["column"], &problem["severity"]),
        (&"packages/backend/src/a.ts".into(), &3.into(), &9.into(), &"error".into())
    );
    assert_eq!(command(&report, 0, "sibling")["status"], "cancelled");
    assert!(!is_running("86399"), "the sibling is stopped");
    assert_eq!(report["skipped"], serde_json::json!(["later"]));
    let log = compiler["log"].as_str().unwrap();
    assert!(text(&fs::read(log).unwrap()).contains("second line"));

    site.edit("stack.yaml", "sleep 86399", "'true'");
    let (report, code) = verify(&site, &["--keep-going"]);
    assert_eq!((code, stages(&report)), (1, vec!["types fail".into(), "later pass".into()]));
    let (report, code) = verify(&site, &["--stage", "later"]);
    assert_eq!((code, stages(&report)), (0, vec!["later pass".into()]));
    let output = site.ctl(&["verify", "1", "--stage", "latter"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean `later`?"), "{}", text(&output.stderr));

    let output = site.ctl(&["verify", "1", "-o", "junit"]);
    assert_eq!(output.status.code(), Some(1));
    let xml = text(&output.stdout);
    assert!(xml.contains("<testsuite name=\"types\" tests=\"2\""), "{xml}");
    assert!(xml.contains("it&apos;s") || xml.contains("it's"), "{xml}");
    assert!(xml.contains("<skipped"), "{xml}");
}

#[test]
fn whatever_a_command_does_there_is_a_report() {
    let site = started(
        "    hangs: {run: sleep 86398, timeout: 1s}
    killed: {run: [sh, -c, 'kill -9 $$$$']}
    prints: {run: [sh, -c, 'yes \"src/a.ts(1,1): error TS1: again\" | head -c 1G; echo the end; exit 3']}
    missing: {run: no-such-tool --version}
    leaves: {run: [sh, -c, 'setsid env -i sleep 86397 & exit 0']}
    probe: {probes: {nobody: {tcp: {port: api}, timeout: 200ms}, wrong: {http: {port: api, path: /no/such}, timeout: 200ms}}}
",
    );
    let (report, code) = verify(&site, &["--keep-going"]);
    assert_eq!(
        stages(&report),
        ["hangs fail", "killed fail", "prints fail", "missing error", "leaves pass", "probe fail"],
        "{report:#}"
    );
    assert_eq!(code, 1);
    let first = |stage: usize| report["stages"][stage]["first_error"].as_str().unwrap_or_default();
    assert!(first(0).contains("was stopped after 1s"), "{}", first(0));
    assert_eq!(first(1), "`sh -c 'kill -9 $$'` ended with signal SIGKILL");
    assert_eq!(first(2), "src/a.ts:1:1 TS1: again");
    let log = command(&report, 2, "prints")["log"].as_str().unwrap();
    let size = fs::metadata(log).unwrap().len();
    assert!(size < 70 << 20, "the log has {size} bytes");
    assert!(first(3).contains("no-such-tool"), "{}", first(3));
    assert!(first(5).contains("404"), "{}", first(5));
    assert!(!is_running("86398") && !is_running("86397"));
    // Alone, a tool that is missing says nothing of the work.
    assert_eq!(verify(&site, &["--stage", "missing"]).1, 3);

    // In the control group of its agent, where there are any.
    if site.ctl_ok(&["info"]).contains("cgroup v") {
        site.edit("stack.yaml", "sleep 86398, timeout: 1s", "cat /proc/self/cgroup");
        verify(&site, &["--stage", "hangs"]);
        let said = site.ctl_ok(&["logs", "1", "verify/hangs"]);
        assert!(said.contains("/verify.hangs"), "{said}");
    }
}

#[test]
fn whoever_stops_it_stops_all_of_it_and_is_told() {
    let mut site = started(
        "    long: {parallel: {a: sleep 86396, b: sleep 86395}}\n    later: {run: 'true'}\n",
    );
    let begin = || {
        let mut command = site.ctl_command(&["verify", "1"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until_runs(&site, "86395", true);
        until_runs(&site, "86396", true);
        child
    };
    let signal = |child: &std::process::Child, signal: &str| {
        succeed(site.command("kill").args([signal, &child.id().to_string()]));
    };
    // Ctrl-C.
    let child = begin();
    signal(&child, "-INT");
    let (told, code) = report(&child.wait_with_output().unwrap());
    assert_eq!((code, &told["status"]), (130, &"cancelled".into()), "{told:#}");
    assert_eq!(stages(&told), ["long cancelled"]);
    assert!(told["error"].as_str().unwrap().contains("stopped"));
    assert_eq!(told["skipped"], serde_json::json!(["later"]));
    assert!(!is_running("86395") && !is_running("86396"));

    // Nobody waits for it any more.
    let mut child = begin();
    child.kill().unwrap();
    child.wait().unwrap();
    until_runs(&site, "86395", false);
    until_runs(&site, "86396", false);

    // Its agent is deleted.
    let child = begin();
    site.ctl_ok(&["delete", "1", "--wait"]);
    let (told, code) = report(&child.wait_with_output().unwrap());
    assert_eq!((code, &told["status"]), (3, &"cancelled".into()));
    assert!(told["error"].as_str().unwrap().contains("is being deleted"), "{told:#}");
    site.ctl_ok(&["undelete", "1", "--wait"]);

    // The controller is killed: the next one ends what was left.
    let child = begin();
    site.kill();
    let (told, code) = report(&child.wait_with_output().unwrap());
    assert_eq!((code, &told["status"]), (3, &"error".into()));
    site.start();
    site.ready("agent-1");
    until_runs(&site, "86395", false);
    until_runs(&site, "86396", false);
}

#[test]
fn verifies_of_one_host_wait_for_each_other() {
    // Each notes when it begins and ends; two at once would show.
    let note = "echo begin >> ../../notes && sleep 0.3 && echo end >> ../../notes";
    let mut site = site(&format!("    one: {{parallel: {{a: {note}, b: {note}}}}}\n"));
    site.start_with(&[("HARNESS_JOBS", "1")]);
    site.ready("agent-1");
    site.ready("agent-2");
    let begin = |name| {
        let mut command = site.ctl_command(&["verify", name]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The commands of one stage run side by side; those of another run wait.
    let runs = [begin("1"), begin("2"), begin("2")];
    let told = runs.map(|run| report(&run.wait_with_output().unwrap()));
    for (report, code) in &told {
        assert_eq!((*code, &report["status"]), (0, &"pass".into()), "{report:#}");
    }
    let waited = told.iter().filter(|(report, _)| report["queued_ms"].as_u64().unwrap() >= 100);
    assert_eq!(waited.count(), 2, "{told:#?}");
    let notes = fs::read_to_string(site.state().join("notes")).unwrap();
    let mut open = 0;
    for line in notes.lines() {
        open += if line == "begin" { 1 } else { -1 };
        assert!(open <= 2, "commands of two runs at the same time:\n{notes}");
    }
    assert_eq!(notes.lines().count(), 12);
    // One command at a time of one run.
    fs::remove_file(site.state().join("notes")).unwrap();
    verify(&site, &["--jobs", "1"]);
    let notes = fs::read_to_string(site.state().join("notes")).unwrap();
    assert_eq!(notes.lines().collect::<Vec<_>>(), ["begin", "end", "begin", "end"]);
}

#[test]
fn what_cannot_be_verified_says_why() {
    let mut site = site("    one: {run: 'true'}\n");
    site.edit("agent-2.yaml", "{stack: hello}", "{stack: hello, suspend: true}");
    site.write_spec(
        "bare.yaml",
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: bare}\nspec: {}\n---\n\
         apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: agent-7}\nspec: {stack: bare}\n",
    );
    site.start();
    site.ready("agent-1");
    site.ready("agent-7");
    site.wait("agent-2", "condition=Suspended");
    let mut said = String::new();
    for name in ["2", "7", "9"] {
        let (report, code) = report_of(&site, &["verify", name]);
        said = format!("{said}{code} {} {}\n", report["status"], report["error"].as_str().unwrap());
    }
    insta::assert_snapshot!(said, @r#"
    3 "error" agent/agent-2 is suspended (its spec says `suspend: true`): nothing of it is started
    3 "error" there is nothing to verify agent/agent-7 with: its Stack has no `verify`; `ctl explain stack.spec.verify`
    3 "error" there is no agent/agent-9
    "#);
}
