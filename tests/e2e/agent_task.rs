//! The jobs of `.github/workflows/agent-task.yml`: their own scripts, in the order of that file and with the secrets
//! that it gives each of them, over the hello app, a bare repository as origin, and a stand-in for the forge and for
//! the agent. What the forge itself does with a workflow is left to the forge, and the file's form to actionlint.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::forge::Forge;
use super::harness::{Site, programs, succeed, text};

/// Text that a shell, a workflow, a prompt file or a comment might trip over.
const TITLE: &str = "Fix $(touch pwned) `touch pwned` ${{ github.token }} \"it's\" @all";
const BODY: &str =
    "one\r\n\n'; touch pwned; #\n${HOME} $(touch pwned) %s \\n\n```\n<!-- ü -->\n\n ";

const KEY: &str = "sk-test-0123456789";
const TOKEN: &str = "token-of-the-forge";

/// A script of a job, as the workflow names it.
struct Step {
    job: String,
    script: String,
    /// Whether it runs also behind a step that failed.
    always: bool,
    /// Which secrets it is given.
    secrets: Vec<(&'static str, &'static str)>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The steps of the workflow that are scripts of ours, in order.
fn steps() -> Vec<Step> {
    let workflow = fs::read_to_string(root().join(".github/workflows/agent-task.yml")).unwrap();
    let (_, jobs) = workflow.split_once("\njobs:\n").unwrap();
    let mut steps = Vec::new();
    let mut job = "";
    let mut rest = jobs;
    while !rest.is_empty() {
        // A step, or the head of a job, up to the next one.
        let end = rest[1..].find("\n      - ").map_or(rest.len(), |at| at + 1);
        let (this, next) = rest.split_at(end);
        if let Some((_, after)) = this.split_once("        run: .github/agent-task/") {
            let mut secrets = Vec::new();
            for secret in [("ANTHROPIC_API_KEY", KEY), ("GITHUB_TOKEN", TOKEN)] {
                if this.contains(&format!("\n          {}: ", secret.0)) {
                    secrets.push(secret);
                }
            }
            steps.push(Step {
                job: job.to_owned(),
                script: after.lines().next().unwrap().to_owned(),
                always: this.contains("\n        if: always()"),
                secrets,
            });
        }
        let heads = this.lines().filter(|it| it.starts_with("  ") && !it.starts_with("   "));
        if let Some(name) = heads.filter_map(|it| it.trim().strip_suffix(':')).next_back() {
            job = name;
        }
        rest = next;
    }
    steps
}

/// A repository with an issue that was given the label.
struct Task {
    site: Site,
    forge: Forge,
    /// How the stand-ins behave.
    acts: Vec<(&'static str, String)>,
}

impl Task {
    fn new() -> Self {
        let site = Site::new();
        let task = Self { site, forge: Forge::new(), acts: Vec::new() };
        let folder = task.site.folder();
        for name in ["stand-ins", "runner"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        task.stand_in("claude", CLAUDE);
        task.stand_in("ctl", CTL);
        let event = json!({
            "action": "labeled",
            "label": {"name": "agent-task"},
            "sender": {"login": "some-body"},
            "issue": {"number": 12, "title": TITLE, "body": BODY},
            "repository": {"default_branch": "main"},
        });
        fs::write(folder.join("event.json"), event.to_string()).unwrap();
        let clone = |from: &Path, to: &str, how: &[&str]| {
            let mut git = task.site.command("git");
            succeed(git.args(["clone", "--quiet"]).args(how).arg(from).arg(folder.join(to)));
        };
        clone(&task.site.repo(), "origin.git", &["--bare"]);
        clone(&folder.join("origin.git"), "report", &[]);
        task
    }

    fn stand_in(&self, name: &str, script: &str) {
        let path = self.site.folder().join("stand-ins").join(name);
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn act(&mut self, name: &'static str, value: impl Into<String>) {
        self.acts.push((name, value.into()));
    }

    /// A file of the task.
    fn file(&self, name: &str) -> PathBuf {
        self.site.folder().join("runner/agent-task").join(name)
    }

    fn outcome(&self) -> Value {
        serde_json::from_slice(&fs::read(self.file("outcome.json")).unwrap()).unwrap()
    }

    /// Runs a step; whether it succeeded.
    fn step(&self, step: &Step, work: &str) -> bool {
        let folder = self.site.folder();
        let mut command = self.site.command(root().join(".github/agent-task").join(&step.script));
        let mut path = vec![folder.join("stand-ins"), programs()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let base = self.site.git(&["rev-parse", "HEAD"]);
        command
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("RUNNER_TEMP", folder.join("runner"))
            .env("GITHUB_EVENT_PATH", folder.join("event.json"))
            .env("GITHUB_OUTPUT", folder.join("output"))
            .env("GITHUB_API_URL", self.forge.url())
            .env("GITHUB_REPOSITORY", "some/app")
            .envs([("TASK_AGENT", "1"), ("TASK_BRANCH", "agent-task/issue-12-34-1")])
            .envs([("TASK_SPECS", "examples/hello/specs"), ("TASK_STACK", "hello")])
            .envs([("TASK_RUN_URL", "http://forge.test/run/34"), ("WORK_RESULT", work)])
            .env("TASK_BASE", base.trim())
            .env("REAL_CTL", programs().join("ctl"))
            .env("CLAUDE_SAW", folder.join("saw"))
            .envs(self.acts.iter().map(|(name, value)| (name, value)))
            .envs(step.secrets.iter().copied())
            .current_dir(if step.job == "report" {
                folder.join("report")
            } else {
                self.site.repo()
            });
        let output = command.output().unwrap();
        let said = [text(&output.stdout), text(&output.stderr)].concat();
        assert!(!said.contains(TOKEN) && !said.contains(KEY), "{}: {said}", step.script);
        fs::write(folder.join(format!("{}.said", step.script)), said).unwrap();
        output.status.success()
    }

    /// Runs all that the workflow would, from this script on; which of them ran, and which failed.
    fn run_from(&self, first: &str) -> Vec<String> {
        let steps = steps();
        let mut ran = Vec::new();
        let mut work = "success";
        let mut is_on = false;
        for step in &steps {
            is_on |= step.script == first;
            // What these fetch and build, the test has.
            if !is_on || ["toolchains.sh", "build.sh"].contains(&step.script.as_str()) {
                continue;
            }
            if step.job == "work" && work == "failure" && !step.always {
                continue;
            }
            let succeeded = self.step(step, work);
            ran.push(format!("{}{}", step.script, if succeeded { "" } else { " failed" }));
            if step.job == "may" {
                let output = fs::read_to_string(self.site.folder().join("output"));
                if !succeeded || output.unwrap() != "allowed=true\n" {
                    break;
                }
            } else if step.job == "work" && !succeeded {
                work = "failure";
            }
        }
        ran
    }

    fn run(&self) -> Vec<String> {
        self.run_from("may.sh")
    }

    /// The same stack for another agent: its worktree and files as they were before it began.
    fn again(&mut self) {
        for name in ["outcome.json", "verify.json", "work.bundle", "agent.json"] {
            let _ = fs::remove_file(self.file(name));
        }
        let base = fs::read_to_string(self.file("base")).unwrap();
        self.site.ctl_ok(&["exec", "1", "--", "git", "reset", "--quiet", "--hard", base.trim()]);
        let _ = self.site.ctl(&["exec", "1", "--", "git", "update-ref", "-d", RESULT]);
        self.acts.clear();
        self.forge.forget();
    }

    /// The one comment that was made.
    fn comment(&self) -> String {
        let comments = self.forge.bodies("POST /repos/some/app/issues/12/comments");
        assert_eq!(comments.len(), 1, "{}", self.said());
        comments[0]["body"].as_str().unwrap().to_owned()
    }

    /// The branches of origin.
    fn branches(&self) -> String {
        let mut git = self.site.command("git");
        git.arg("--git-dir").arg(self.site.folder().join("origin.git"));
        text(&succeed(git.args(["branch", "--format", "%(refname:short)"])).stdout)
    }

    /// All that the scripts printed.
    fn said(&self) -> String {
        let one = |step: Step| {
            let path = self.site.folder().join(format!("{}.said", step.script));
            format!("--- {}\n{}", step.script, fs::read_to_string(path).unwrap_or_default())
        };
        steps().into_iter().map(one).collect()
    }

    /// Nothing of what the issue says was run.
    fn nothing_was_run(&self) {
        let find =
            succeed(self.site.command("find").arg(self.site.folder()).args(["-name", "pwned*"]));
        assert_eq!(text(&find.stdout), "");
    }
}

const RESULT: &str = "refs/agent-task/result";

/// Plays the agent: notes what it was told and given, then does what the test says.
const CLAUDE: &str = r#"#!/usr/bin/env bash
set -eu
cat >"$CLAUDE_SAW.prompt"
env >"$CLAUDE_SAW.env"
printf '%s\n' "$@" >"$CLAUDE_SAW.words"
case "${CLAUDE_DOES-commit}" in
  commit) echo better >>README.agent; git add README.agent; git commit --quiet --message 'Better' ;;
  edit) echo better >>README.agent ;;
  leak) printf '%s' "$ANTHROPIC_API_KEY" >key; git add key; git commit --quiet --message 'A key' ;;
  print) printf 'the key is %s\n' "$ANTHROPIC_API_KEY" >&2; exit 3 ;;
  kill) kill -KILL $$ ;;
  hang) echo begun >>README.agent; exec tail -f /dev/null ;;
  error) echo '{"type":"result","is_error":true}'; exit 0 ;;
esac
echo '{"type":"result","is_error":false}'
"#;

/// Plays `ctl verify` where a test says what it is to say; all else is the real one.
const CTL: &str = r#"#!/usr/bin/env bash
set -eu
if [ "$1" != verify ] || [ -z "${VERIFY_CODE-}${VERIFY_SAYS-}" ]; then exec "$REAL_CTL" "$@"; fi
[ "$*" = 'verify 1 --full' ]
echo "words" >&2
printf '%s' "${VERIFY_SAYS-{\"status\":\"pass\",\"stages\":[{\"name\":\"check\",\"status\":\"pass\",\"duration_ms\":1500\}],\"total_duration_ms\":1500\}}"
exit "${VERIFY_CODE-0}"
"#;

#[test]
fn a_task_that_passes_becomes_a_pull_request() {
    let task = Task::new();
    let ran = task.run();
    let all = ["may.sh", "prompt.sh", "up.sh", "work.sh", "verify.sh", "collect.sh", "report.sh"];
    assert_eq!(ran, all, "{}", task.said());
    assert_eq!(task.outcome()["status"], "pass");

    // What people wrote reached the agent as it is, and nothing else did.
    let head = fs::read_to_string(root().join(".github/agent-task/prompt-head.md")).unwrap();
    let prompt = fs::read_to_string(task.site.folder().join("saw.prompt")).unwrap();
    assert_eq!(prompt, format!("{head}{TITLE}\n\n{BODY}\n"));
    task.nothing_was_run();

    // It had the environment of its stack and the key of its model, and no right to the forge.
    let env = fs::read_to_string(task.site.folder().join("saw.env")).unwrap();
    let has = |line: &str| env.lines().any(|it| it == line);
    assert!(has(&format!("PORT={}", task.site.api + 10)) && has("PGDATABASE=agent_1"), "{env}");
    assert!(has(&format!("ANTHROPIC_API_KEY={KEY}")));
    assert!(!env.contains(TOKEN) && !env.contains("GITHUB_TOKEN"));
    let words = fs::read_to_string(task.site.folder().join("saw.words")).unwrap();
    assert!(words.starts_with("-p\n--output-format\njson\n"), "{words}");

    // The branch is there with its commit, and there is a pull request for it.
    assert_eq!(task.branches(), "agent-task/issue-12-34-1\nmain\n");
    let mut git = task.site.command("git");
    git.arg("--git-dir").arg(task.site.folder().join("origin.git"));
    let log = succeed(git.args(["log", "--format=%s", "main..agent-task/issue-12-34-1"]));
    assert_eq!(text(&log.stdout), "Better\n");
    let pulls = task.forge.bodies("POST /repos/some/app/pulls");
    assert_eq!(pulls.len(), 1);
    assert_eq!(pulls[0]["title"], format!("#12: {TITLE}"));
    assert_eq!(pulls[0]["head"], "agent-task/issue-12-34-1");
    assert_eq!(pulls[0]["base"], "main");
    let body = pulls[0]["body"].as_str().unwrap();
    assert!(body.starts_with("Closes #12.\n") && body.contains("| check | pass | "), "{body}");
    let comment = task.comment();
    assert!(comment.contains("all stages passed: http://forge.test/pull/1"), "{comment}");
    assert!(comment.contains("http://forge.test/run/34"), "{comment}");
    assert!(task.forge.all_carried(TOKEN));
    for kept in ["work.bundle", "verify.json", "stack.log", "describe.txt", "agent.json"] {
        assert!(task.file(kept).is_file(), "{kept} is not kept");
    }
}

#[test]
fn who_may_not_write_begins_nothing() {
    for answer in [
        (200, json!({"permission": "read"})),
        (200, json!({"permission": "none"})),
        (404, json!({"message": "Not Found", "status": "404"})),
        (500, json!({"message": "Server Error"})),
    ] {
        let task = Task::new();
        task.forge.permission(answer.0, &answer.1);
        let ran = task.run();
        let one = if answer.0 == 500 { "may.sh failed" } else { "may.sh" };
        assert_eq!(ran, [one], "{answer:?}");
        assert!(!task.site.state().exists());
        let asked = "GET /repos/some/app/collaborators/some-body/permission";
        assert!(task.forge.seen().iter().all(|it| it == asked), "{:?}", task.forge.seen());
    }
}

#[test]
fn whatever_becomes_of_a_task_the_issue_is_told() {
    let mut task = Task::new();

    // The checks fail: nothing is pushed, and the first error is quoted so that nothing in it is markup.
    task.act("VERIFY_CODE", "1");
    let first = "src/a.ts:42 it's \"not\" `good` @all $(touch pwned)\n| a | ```\n# b";
    let stages = json!([
        {"name": "typecheck", "status": "pass", "duration_ms": 3200},
        {"name": "lint", "status": "fail", "duration_ms": 1800, "first_error": first},
    ]);
    let verdict = json!({"status": "fail", "stages": stages, "total_duration_ms": 5000});
    task.act("VERIFY_SAYS", verdict.to_string());
    let ran = task.run();
    assert_eq!(ran[4..], ["verify.sh failed", "collect.sh", "report.sh"], "{}", task.said());
    let comment = task.comment();
    assert!(comment.starts_with("Not done: the checks fail"), "{comment}");
    assert!(comment.contains("| lint | fail | 1.8 |"), "{comment}");
    for line in first.lines() {
        assert!(comment.contains(&format!("\n    {line}\n")), "{comment}");
    }
    task.nothing_was_run();

    // The same for whatever else goes wrong: what happens, and what the comment says of it.
    let table: [(&[(&'static str, &str)], &str); 10] = [
        (&[("CLAUDE_DOES", "nothing")], "The agent ended without a change"),
        (&[("CLAUDE_DOES", "kill")], "    it was ended by signal 9"),
        (&[("CLAUDE_DOES", "print")], "    it failed with exit code 3"),
        (&[("CLAUDE_DOES", "error")], "    it failed with exit code 1"),
        (&[("CLAUDE_DOES", "hang"), ("AGENT_SECONDS", "1")], "    it was not through after 1 s"),
        (&[("CLAUDE_DOES", "leak")], "    a commit of the agent holds the key of its model"),
        (&[("VERIFY_CODE", "3"), ("VERIFY_SAYS", "")], "    `ctl verify` could not be run: words"),
        (
            &[
                ("VERIFY_CODE", "3"),
                ("VERIFY_SAYS", r#"{"status": "error", "stages": [], "error": "no tree"}"#),
            ],
            "    `ctl verify` could not be run: no tree",
        ),
        (&[("VERIFY_CODE", "0"), ("VERIFY_SAYS", "x")], "    `ctl verify` gave no verdict"),
        (&[("VERIFY_CODE", "1")], "    `ctl verify` gave no verdict"),
    ];
    for (acts, says) in table {
        task.again();
        for (name, value) in acts {
            task.act(name, *value);
        }
        let ran = task.run_from("work.sh");
        assert!(ran.ends_with(&["collect.sh".to_owned(), "report.sh".to_owned()]), "{ran:?}");
        let comment = task.comment();
        assert!(comment.contains(says), "{acts:?}: {comment}\n{}", task.said());
        let is_leak = says.contains("key");
        // What was begun is kept, except where it is a secret.
        let has_work = task.file("work.bundle").exists();
        assert_eq!(
            has_work,
            says.contains("not through")
                || says.contains("verd")
                || says.contains("could not be run"),
            "{acts:?}"
        );
        assert!(!is_leak || !has_work);
    }
    let log = fs::read_to_string(task.file("agent.log")).unwrap();
    assert!(!log.contains(KEY), "{log}");
    assert_eq!(task.branches(), "main\n");
    assert_eq!(task.forge.bodies("POST /repos/some/app/pulls").len(), 0);

    // Without the program.
    task.again();
    fs::remove_file(task.site.folder().join("stand-ins/claude")).unwrap();
    task.run_from("work.sh");
    assert!(task.comment().contains("there is no program `claude`"), "{}", task.comment());

    // The job was cut before it had a result.
    task.again();
    task.run_from("report.sh");
    assert!(task.comment().contains("ended before it came to a result (success)"));
}

#[test]
fn what_was_not_committed_is_pushed_too_and_a_refused_pull_request_is_told() {
    let mut task = Task::new();
    task.act("CLAUDE_DOES", "edit");
    task.forge.refuse_pulls();
    let ran = task.run();
    assert_eq!(ran.last().unwrap(), "report.sh failed", "{}", task.said());
    assert_eq!(task.branches(), "agent-task/issue-12-34-1\nmain\n");
    let comment = task.comment();
    assert!(comment.contains("on the branch agent-task/issue-12-34-1, but no pull"), "{comment}");
    assert!(comment.contains("\n    not permitted to create"), "{comment}");
}
