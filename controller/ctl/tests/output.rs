//! Exit codes, closed pipes, colours.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{Controller, ctl};

#[test]
fn exit_codes_tell_usage_from_failure() {
    let state = tempfile::tempdir().unwrap();
    ctl(state.path()).arg("--help").assert().success();
    ctl(state.path()).args(["help", "get"]).assert().success();
    ctl(state.path()).assert().code(2);
    ctl(state.path()).args(["get", "pod/x"]).assert().code(2);
    ctl(state.path()).args(["wait", "1", "--timeout", "soon"]).assert().code(2);
    ctl(state.path()).args(["get", "1"]).assert().code(1);
    ctl(state.path()).args(["diff"]).assert().code(2);
}

#[test]
fn a_usage_asks_for_what_is_missing_alone() {
    let state = tempfile::tempdir().unwrap();
    let done = ctl(state.path()).arg("edit").assert().code(2);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.contains("\nUsage: ctl edit <NAME>\n"), "{words}");
}

#[test]
fn a_closed_pipe_ends_it_well_and_quietly() {
    let state = tempfile::tempdir().unwrap();
    // More than a pipe holds, so that the write is still going on when the reader leaves.
    let mut child = Command::new(env!("CARGO_BIN_EXE_ctl"))
        .env("HARNESS_STATE", state.path())
        .args(["schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    let whole = ctl(state.path()).arg("schema").output().unwrap().stdout;
    assert!(whole.len() > 65_536, "{} bytes fit into a pipe: take a longer output", whole.len());
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let state = tempfile::tempdir().unwrap();
    let has_colour = |words: &[&str]| {
        let done = ctl(state.path()).args(words).assert().success();
        done.get_output().stdout.contains(&0x1b)
    };
    assert!(!has_colour(&["explain", "agent"]));
    assert!(has_colour(&["explain", "agent", "--color", "always"]));
}

#[test]
fn a_socket_with_a_path_longer_than_an_address_is_reached() {
    let controller = Controller::with_environment(&[("PORT", "8010")]);
    let deep = controller.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(deep.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(controller.path(), &deep).unwrap();
    ctl(&deep).args(["env", "1"]).assert().success().stdout("PORT=8010\n");
}

#[test]
fn purging_without_a_terminal_needs_a_yes() {
    let controller = Controller::new(|_, _| {
        (
            200,
            serde_json::json!({
                "apiVersion": "agent-harness.dev/v1alpha1",
                "kind": "Agent",
                "metadata": {
                    "name": "agent-1", "uid": "u-12345678", "generation": 1,
                    "creationTimestamp": "2026-11-24T11:55:00Z", "source": "a.yaml:1",
                },
                "spec": {},
            }),
        )
    });
    let done = controller.ctl().args(["delete", "1", "--purge"]).assert();
    done.code(2).stdout("").stderr(
        "error: --purge destroys all that agent/agent-1 made\n hint: add --yes if that is what you want\n",
    );
}

/// What `ctl get` printed is read again: its relative paths start where it came from, not where we are.
#[test]
fn template_files_are_looked_for_where_the_specs_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    std::fs::create_dir(&here).unwrap();
    std::fs::File::create(folder.path().join("env.template")).unwrap();
    let spec = |template: &str| {
        format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\n\
             metadata: {{name: s, source: '{}/stack.yaml:1'}}\n\
             spec: {{worktree: {{repo: /app}}, files: {{.env: {{from: {template}}}}}}}\n",
            folder.path().display()
        )
    };
    let validate = |template: &str| {
        let mut ctl = ctl(folder.path());
        ctl.current_dir(&here).args(["validate", "-"]).write_stdin(spec(template)).assert()
    };
    validate("env.template").success();
    validate("no.template").code(1);
}

/// As scripts have it that set it from a variable of their own.
#[test]
fn an_empty_state_folder_is_none() {
    let home = tempfile::tempdir().unwrap();
    let mut ctl = ctl(home.path());
    ctl.env("HARNESS_STATE", "").env("HOME", home.path());
    let done = ctl.args(["restart", "1"]).assert().code(1);
    let words = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert!(words.contains("/.local/state/agent-harness/control.sock"), "{words}");
}
