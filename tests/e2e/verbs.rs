//! The verbs of `ctl` on a real controller: what each prints and does, and what it leaves alone.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};

use super::harness::{Site, text};
use super::host::http;

/// A `ctl` that goes on and on; what it prints is in a file. It ends with the test.
struct Running {
    child: Child,
    printed: PathBuf,
}

impl Running {
    fn new(site: &Site, arguments: &[&str]) -> Self {
        let printed = site.folder().join(format!("printed-{}", arguments.join("-")));
        let file = fs::File::create(&printed).unwrap();
        let child = site.ctl_command(arguments).stdout(file).spawn().unwrap();
        Self { child, printed }
    }

    /// Waits until it has printed something.
    fn says(&self, site: &Site, words: &[&str]) {
        site.eventually(&format!("{words:?} in {}", self.printed.display()), || {
            let printed = fs::read_to_string(&self.printed).unwrap();
            printed.lines().any(|line| words.iter().all(|it| line.contains(it))).then_some(())
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent(number: u16, spec: &str) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: hello{spec}}}\n"
    )
}

/// Runs `ctl` with something on its standard input.
fn fed(site: &Site, arguments: &[&str], input: &str) -> Output {
    let mut command = site.ctl_command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn apply_diff_and_edit_say_what_they_do_and_do_it() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    let mark = ", env: {MARK: first}";

    // What would be done, and nothing of it done.
    let file = site.folder().join("third.yaml");
    fs::write(&file, agent(3, mark)).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        site.ctl_ok(&["apply", "-f", file, "--dry-run"]),
        "agent/agent-3 created (dry run)\n"
    );
    let diff = site.ctl(&["diff", "-f", file]);
    assert_eq!(diff.status.code(), Some(1), "{}", text(&diff.stderr));
    let told = text(&diff.stdout);
    for words in ["+++ new/agent/agent-3", "+  MARK: first", "agent/agent-3 process/api"] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
    assert!(!site.object_exists("agent-3"));
    assert!(!site.specs().join("agent-3.yaml").exists());

    // From standard input, twice; then with another spec; then a folder of which one is as it was.
    let watch = Running::new(&site, &["get", "agents", "--watch"]);
    let apply = |input: &str, code| {
        let output = fed(&site, &["apply", "-f", "-"], input);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(apply(&agent(3, mark), 0), "agent/agent-3 created\n");
    assert_eq!(apply(&agent(3, mark), 0), "agent/agent-3 unchanged\n");
    site.ready("agent-3");
    watch.says(&site, &["agent-3", "Ready", &format!("http://localhost:{}", site.frontend + 30)]);
    let env = |name: &str| site.ctl_ok(&["env", name]);
    assert!(env("3").contains("MARK"), "{}", env("3"));
    assert_eq!(apply(&agent(3, ", env: {MARK: second}"), 0), "agent/agent-3 configured\n");
    let folder = site.folder().join("more");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("2.yaml"), agent(2, "")).unwrap();
    fs::write(folder.join("3.yaml"), agent(3, "")).unwrap();
    let told = site.ctl_ok(&["apply", "-f", folder.to_str().unwrap(), "--wait"]);
    assert_eq!(
        sorted(&told),
        [
            "agent/agent-2 ready",
            "agent/agent-2 unchanged",
            "agent/agent-3 configured",
            "agent/agent-3 ready"
        ]
    );
    assert!(!env("3").contains("MARK"), "{}", env("3"));
    // A file with a mistake keeps all of its folder out.
    fs::write(folder.join("2.yaml"), agent(2, ", idd: 2")).unwrap();
    fs::write(folder.join("4.yaml"), agent(4, "")).unwrap();
    assert_eq!(site.ctl(&["apply", "-f", folder.to_str().unwrap()]).status.code(), Some(1));
    assert!(!site.object_exists("agent-4"));
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));

    // In an editor; one that makes a mistake changes nothing.
    let edit = |script: &str| {
        let mut edit = site.ctl_command(&["edit", "3"]);
        edit.env("EDITOR", format!("sed -i {script}")).output().unwrap()
    };
    let output = edit("s/stack:.hello/&,\"suspnd\":true/");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("agent-3.yaml"), "{}", text(&output.stderr));
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
    let output = edit("s/stack:.hello/&,\"env\":{\"EDITED\":\"yes\"}/");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "agent/agent-3 configured\n");
    site.eventually("the edit to be in force", || env("3").contains("EDITED").then_some(()));
    site.ready("agent-3");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn logs_and_waits_follow_what_happens() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    let logs = Running::new(&site, &["logs", "1", "--follow"]);
    // The worker's first round is over: what it counts next is this note alone.
    logs.says(&site, &["worker", "counted the words of 3 notes"]);
    let note = r#"{"body":"two words"}"#;
    assert_eq!(http(site.api + 10, "POST", "/api/v1/notes", note).unwrap().0, 201);
    logs.says(&site, &["api", "POST \"/api/v1/notes\" 201"]);
    // The worker of the app does its work, on what this agent wrote.
    logs.says(&site, &["worker", "counted the words of 1 notes"]);
    let summary = || {
        let objects = site.admin().objects("agent-1");
        let summary: serde_json::Value = serde_json::from_str(objects.get("summary.json")?).ok()?;
        let count = "SELECT count(*) || ' ' || sum(words) FROM note";
        let counted = format!("{} {}", summary["notes"], summary["words"]);
        (site.sql("agent_1", count) == counted).then_some(())
    };
    site.eventually("the summary in the bucket", summary);
    let words = "SELECT words FROM note WHERE body = 'two words'";
    assert_eq!(site.sql("agent_1", words), "2");
    // One that is started anew goes on in the same log.
    site.ctl_ok(&["restart", "1", "worker"]);
    site.eventually("the worker's second beginning", || {
        let printed = fs::read_to_string(&logs.printed).unwrap();
        (printed.matches("worker waits for notes").count() >= 2).then_some(())
    });

    for goal in ["condition=Ready", "condition=synced=true", "condition=Stalled=false"] {
        site.ctl_ok(&["wait", "1", "--for", goal]);
    }
    let late = site.ctl(&["wait", "1", "--for", "condition=Suspended", "--timeout", "0s"]);
    assert_eq!(late.status.code(), Some(3), "{}", text(&late.stderr));
    let wrong = site.ctl(&["wait", "1", "--for", "condition=Redy"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    site.edit("agent-1.yaml", "spec: {stack: hello}", "spec: {stack: hello, suspend: true}");
    site.ctl_ok(&["wait", "1", "--for", "condition=Suspended"]);
    assert_eq!(site.processes(1).len(), 3, "what runs goes on");
}

#[test]
fn what_a_stack_needs_of_the_host_is_looked_for() {
    let mut site = Site::new();
    site.edit(
        "stack.yaml",
        "  verify:",
        "  requests: {disk: 1000000Gi}
  tools:
    git: {version: \">=2\"}
    node: {run: [printf, v18.19.1], version: \">=20.19\", fix: fnm install 20}
    pnpm: {run: no-such-pnpm --version, version: \">=9\", fix: corepack enable}
    dbt: {run: no-such-dbt --version, optional: true}
  verify:",
    );
    site.start();
    site.wait("infra/shared", "ready");
    let told = site.ctl(&["doctor", "--for", "stack/hello"]);
    let (table, fixes) = (text(&told.stdout), text(&told.stderr));
    assert_eq!(told.status.code(), Some(1), "{table}");
    let row = |name: &str| {
        let line = table.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name} in {table}"))
    };
    assert!(row("git ").contains("ok"), "{table}");
    assert!(row("node").contains("18.19.1 is there, and >=20.19 is wanted"), "{table}");
    let missing = "there is no program `no-such-pnpm` on the PATH of agents";
    assert!(row("pnpm").contains("problem") && row("pnpm").contains(missing), "{table}");
    assert!(row("dbt").contains("warning"), "{table}");
    assert!(row("disk for an agent").contains("problem"), "{table}");
    assert!(fixes.contains("node: fnm install 20") && fixes.contains("pnpm: corepack enable"));
    // Without a Stack nothing of it is asked for.
    assert!(!text(&site.ctl(&["doctor"]).stdout).contains("pnpm"));
}
