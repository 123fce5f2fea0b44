//! Verbs that work inside an agent.

use agent_harness_model::api::{Environment, LogFile};

use super::{looking, world};
use crate::testing::Ctl;

const API: &str = "2026-11-24T11:58:00.000Z stdout F listening on 8010
2026-11-24T11:58:02.000Z stderr F error: no such table
2026-11-24T11:59:30.000Z stdout P half a
2026-11-24T11:59:30.000Z stdout F  line
";
const WORKER: &str = "2026-11-24T11:58:01.000Z stdout F working
2026-11-24T11:59:00.000Z shim F ended with exit code 1
";

fn logs(words: &[&str]) -> String {
    let ctl = Ctl::new()
        .file("logs/api.log", API)
        .file("logs/worker.log", WORKER)
        .file("logs/install.log", "2026-11-24T11:50:00.000Z stdout F 12 packages\n");
    logs_of(ctl, words)
}

/// With logs named `api`, `worker` and `setup/install`.
fn logs_of(ctl: Ctl, words: &[&str]) -> String {
    let state = ctl.state();
    let words: Vec<&str> = ["logs"].into_iter().chain(words.iter().copied()).collect();
    ctl.with(&words, move |line, body| {
        if line != "GET /v1/objects/agent/agent-1/logs" {
            return looking(world())(line, body);
        }
        let file = |name: &str, path: &str| LogFile {
            name: name.to_owned(),
            path: Some(state.join("logs").join(path)),
        };
        let files = [
            file("api", "api.log"),
            file("setup/install", "install.log"),
            file("worker", "worker.log"),
        ];
        (200, serde_json::to_string(&files).unwrap())
    })
}

#[test]
fn logs_of_all_processes_are_in_the_order_of_time() {
    insta::assert_snapshot!(logs(&["1"]), @"
    api    | listening on 8010
    worker | working
    api    | error: no such table
    worker | · ended with exit code 1
    api    | half a line
    --- Done
    ");
}

#[test]
fn logs_are_chosen_and_filtered() {
    insta::assert_snapshot!(logs(&["1", "setup/install"]), @"
    12 packages
    --- Done
    ");
    insta::assert_snapshot!(logs(&["1", "--since", "90s", "-t"]), @"
    2026-11-24T11:59:00.000Z worker | · ended with exit code 1
    2026-11-24T11:59:30.000Z api    | half a line
    --- Done
    ");
    insta::assert_snapshot!(logs(&["1", "api", "--tail", "1"]), @"
    half a line
    --- Done
    ");
    insta::assert_snapshot!(logs(&["1", "--grep", "err|work", "--tail", "1"]), @"
    worker | working
    api    | error: no such table
    --- Done
    ");
    insta::assert_snapshot!(logs(&["1", "web"]), @"
    --- stderr
    error: agent/agent-1 has no log `web`
     hint: there are api, setup/install, worker
    --- Failed
    ");
    insta::assert_snapshot!(logs(&["77"]), @"
    --- stderr
    error: agent/agent-77 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
}

#[test]
fn the_run_before_the_latest_one_is_asked_for() {
    let api = "2026-11-24T11:57:00.000Z stdout F of the second\n\
               2026-11-24T11:57:01.000Z shim F exited with code 1\n\
               2026-11-24T11:58:00.000Z shim F started with pid 9\n\
               2026-11-24T11:58:00.000Z stdout F started with pid 8, says the third\n";
    let older = "2026-11-24T11:54:00.000Z shim F started with pid 6\n\
                 2026-11-24T11:55:00.000Z stdout F of the first\n\
                 2026-11-24T11:56:00.000Z shim F started with pid 7\n\
                 2026-11-24T11:56:00.000Z stderr F begun\n";
    let steps = "2026-11-24T11:50:00.000Z shim F runs `npm ci`\n\
                 2026-11-24T11:50:01.000Z stdout F 12 packages\n\
                 2026-11-24T11:50:02.000Z shim F exit code 0\n\
                 2026-11-24T11:51:00.000Z shim F runs `npm ci`\n";
    let run = |words: &[&str]| {
        let ctl = Ctl::new().file("logs/api.log", api).file("logs/api.log.1", older);
        logs_of(ctl.file("logs/worker.log", WORKER).file("logs/install.log", steps), words)
    };
    insta::assert_snapshot!(run(&["1", "api", "-p"]), @"
    · started with pid 7
    begun
    of the second
    · exited with code 1
    --- Done
    ");
    insta::assert_snapshot!(run(&["1", "--previous", "--tail", "1"]), @"
    · exited with code 1
    --- Done
    ");
    insta::assert_snapshot!(run(&["1", "setup/install", "-p", "-g", "pack"]), @"
    12 packages
    --- Done
    ");
    insta::assert_snapshot!(run(&["1", "worker", "-p"]), @"
    --- stderr
    error: the log `worker` of agent/agent-1 has nothing of a run before the latest one
     hint: `ctl logs agent/agent-1 worker` shows the latest
    --- Failed
    ");
    insta::assert_snapshot!(logs(&["1", "-p"]), @"
    --- stderr
    error: no log of agent/agent-1 has anything of a run before the latest one
     hint: `ctl logs agent/agent-1` shows the latest
    --- Failed
    ");
}

#[test]
fn logs_as_json_are_one_object_a_line() {
    insta::assert_snapshot!(logs(&["1", "-o", "json", "--tail", "1"]), @r#"
    {"time":"2026-11-24T11:59:00.000Z","object":"agent/agent-1","log":"worker","stream":"shim","text":"ended with exit code 1"}
    {"time":"2026-11-24T11:59:30.000Z","object":"agent/agent-1","log":"api","stream":"stdout","text":"half a line"}
    --- Done
    "#);
    let odd =
        "not ours\n2026-11-24T11:58:00.000Z stdout F \u{1b}[31mred\u{1b}[0m \"\u{e9}\" \u{1}\n";
    insta::assert_snapshot!(logs_of(Ctl::new().file("logs/api.log", odd), &["1", "api", "-o", "json"]), @r#"
    {"time":null,"object":"agent/agent-1","log":"api","stream":"stdout","text":"not ours"}
    {"time":"2026-11-24T11:58:00.000Z","object":"agent/agent-1","log":"api","stream":"stdout","text":"red \"é\" "}
    --- Done
    "#);
}

#[test]
fn bytes_that_are_no_text_are_replaced_in_json() {
    let ctl = Ctl::new().file("logs/api.log", "");
    let line = b"2026-11-24T11:58:00.000Z stdout F caf\xe9\xff\0\n";
    #[allow(clippy::disallowed_methods, reason = "bytes of somebody else's")]
    std::fs::write(ctl.state().join("logs/api.log"), line).unwrap();
    let shown = logs_of(ctl, &["1", "api", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(shown.lines().next().unwrap()).unwrap();
    assert_eq!(object["text"], "caf\u{fffd}\u{fffd}");
}

#[test]
fn colours_of_a_process_reach_a_terminal_alone() {
    let text = "2026-11-24T11:58:00.000Z stdout F \u{1b}[31mer\u{1b}[1mror\u{1b}[2J of it\n";
    let ctl = |colour| {
        let ctl = if colour { Ctl::on_terminal(80, true) } else { Ctl::new() };
        ctl.file("logs/api.log", text)
    };
    let shown = |text: String| text.replace('\u{1b}', "ESC");
    insta::assert_snapshot!(shown(logs_of(ctl(true), &["1", "api"])), @"
    ESC[31merESC[1mror of itESC[0m
    --- Done
    ");
    insta::assert_snapshot!(shown(logs_of(ctl(false), &["1", "api"])), @"
    error of it
    --- Done
    ");
    // What it looks like is what is searched.
    insta::assert_snapshot!(shown(logs_of(ctl(false), &["1", "api", "-g", "^error of"])), @"
    error of it
    --- Done
    ");
    insta::assert_snapshot!(shown(logs_of(ctl(true), &["1", "api", "-g", "^error"])), @"
    ESC[1mESC[31merrorESC[0m of it
    --- Done
    ");
}

#[test]
fn logs_are_there_without_a_controller() {
    let ctl = Ctl::new()
        .file("logs/agent-agent-1/process/api.log", API)
        .file("logs/agent-agent-1/process/worker.log", WORKER)
        .file("logs/agent-agent-1/setup/install.log", API);
    insta::assert_snapshot!(ctl.alone(&["logs", "1", "worker"]), @"
    working
    · ended with exit code 1
    --- stderr
    warning: the controller does not run; its agents may, and these are their logs
    --- Done
    ");
    let ctl = Ctl::new().file("logs/agent-agent-1/setup/install.log", API);
    assert!(ctl.alone(&["logs", "1", "setup/install"]).contains("listening on 8010"));
    let none = Ctl::new().alone(&["logs", "1"]);
    assert!(none.contains("the controller does not run"), "{none}");
}

#[test]
fn a_command_is_not_run_where_the_worktree_is_not() {
    let environment = Environment {
        cwd: "/nowhere/agent-1".into(),
        variables: [("A".to_owned(), "b".to_owned())].into(),
        secret: Vec::new(),
    };
    let text = serde_json::to_string(&environment).unwrap();
    let answer = move |_: &str, _: &str| (200, text.clone());
    insta::assert_snapshot!(Ctl::new().with(&["exec", "1", "--", "true"], answer.clone()), @"
    --- stderr
    error: the worktree /nowhere/agent-1 is not there
     hint: `ctl describe agent-1` says how it stands
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().with(&["psql", "1"], answer), @"
    --- stderr
    error: agent/agent-1 has no database in its environment
     hint: give its Stack `env: {PGHOST: ${database.host}, PGPORT: ${database.port}, PGUSER: ${database.user}, PGPASSWORD: ${database.password}, PGDATABASE: ${database.name}}`
    --- Failed
    ");
    insta::assert_snapshot!(Ctl::new().with(&["exec", "77"], looking(world())), @"
    --- stderr
    error: agent/agent-77 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
}
