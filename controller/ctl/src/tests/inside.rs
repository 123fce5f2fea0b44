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
