//! Verbs about what an agent's processes and its database do at this moment.

use agent_harness_model::api::{HealthNow, ServiceNow, SlowQuery};

use super::{looking, world};
use crate::testing::Ctl;

fn processes() -> Vec<ServiceNow> {
    let process = |name: &str| ServiceNow {
        name: name.into(),
        resource: format!("process/{name}"),
        state: Some("running".into()),
        pid: Some(4711),
        started: Some("2026-11-24T11:30:00Z".parse().unwrap()),
        restarts: Some(1),
        cpu_percent: Some(12.345),
        memory: Some(40 << 20),
        memory_limit: Some(1 << 30),
        pids: Some(3),
        open_files: Some(42),
        ..ServiceNow::default()
    };
    let frontend = ServiceNow {
        name: "frontend".into(),
        resource: "process/frontend".into(),
        state: Some("exited with code 1".into()),
        restarts: Some(4),
        ..ServiceNow::default()
    };
    vec![process("api"), frontend, ServiceNow { memory_limit: None, ..process("worker") }]
}

fn checks(well: bool) -> Vec<HealthNow> {
    let check = |process: &str, check: &str| HealthNow {
        process: process.into(),
        check: Some(check.into()),
        passed: true,
        latency_ms: Some(1.44),
        message: String::new(),
    };
    let mut frontend = check("frontend", "http :3010/");
    if !well {
        frontend.passed = false;
        frontend.latency_ms = Some(3000.9);
        frontend.message = "GET http://127.0.0.1:3010/: no answer within 3 s".into();
    }
    let worker = HealthNow {
        process: "worker".into(),
        check: None,
        passed: true,
        latency_ms: None,
        message: "runs".into(),
    };
    vec![check("api", "http :8010/api/v1/health"), frontend, worker]
}

fn queries() -> Vec<SlowQuery> {
    vec![
        SlowQuery {
            calls: 12,
            total_ms: 340.25,
            mean_ms: 28.354,
            rows: 36,
            query: "SELECT id, body\n  FROM note\n WHERE words > $1".into(),
        },
        SlowQuery {
            calls: 1,
            total_ms: 2.0,
            mean_ms: 2.0,
            rows: 0,
            query: "INSERT INTO note (body) VALUES ($1)".into(),
        },
    ]
}

fn answer(line: &str, body: &str) -> (u16, String) {
    match line {
        "GET /v1/objects/agent/agent-1/processes?cpu=true"
        | "GET /v1/objects/agent/agent-1/processes" => {
            (200, serde_json::to_string(&processes()).unwrap())
        }
        "GET /v1/objects/agent/agent-1/health" => {
            (200, serde_json::to_string(&checks(false)).unwrap())
        }
        "GET /v1/objects/agent/agent-1/queries?limit=10"
        | "GET /v1/objects/agent/agent-1/queries?limit=3" => {
            (200, serde_json::to_string(&queries()).unwrap())
        }
        _ => looking(world())(line, body),
    }
}

fn run(words: &[&str]) -> String {
    Ctl::new().with(words, answer)
}

#[test]
fn stats_of_processes_are_summed() {
    insta::assert_snapshot!(run(&["stats", "1"]), @"
    NAME      STATE               CPU    MEMORY        PIDS  FILES  UPTIME  RESTARTS
    api       running             12.3%  40Mi / 1.0Gi  3     42     30m     1
    frontend  exited with code 1  -      -             -     -      -       4
    worker    running             12.3%  40Mi          3     42     30m     1
    total     -                   24.7%  80Mi          6     84     -       6
    --- Done
    ");
    insta::assert_snapshot!(run(&["stats", "1", "api"]), @"
    NAME  STATE    CPU    MEMORY        PIDS  FILES  UPTIME  RESTARTS
    api   running  12.3%  40Mi / 1.0Gi  3     42     30m     1
    --- Done
    ");
    insta::assert_snapshot!(run(&["stats", "1", "web"]), @"
    --- stderr
    error: agent/agent-1 has no process `web`
     hint: there are api, frontend, worker
    --- Failed
    ");
    insta::assert_snapshot!(run(&["stats", "stack/hello"]), @"
    --- stderr
    error: stack/hello runs nothing: its agents do
     hint: name one of them; `ctl get agents` lists them
    --- Usage
    ");
    let shown = run(&["stats", "1", "-o", "json"]);
    let read: Vec<ServiceNow> =
        serde_json::from_str(shown.strip_suffix("--- Done").unwrap()).unwrap();
    assert_eq!(read, processes());
}

#[test]
fn a_watch_of_stats_goes_on_until_the_controller_ends() {
    let watch = |words: &[&'static str]| {
        let looks = std::cell::Cell::new(0);
        let words: Vec<_> = ["stats", "1", "api", "--watch"].iter().chain(words).copied().collect();
        Ctl::new().with(&words, move |line, body| {
            looks.set(looks.get() + 1);
            if looks.get() > 2 { (0, String::new()) } else { answer(line, body) }
        })
    };
    insta::assert_snapshot!(watch(&[]), @"
    NAME  STATE    CPU    MEMORY        PIDS  FILES  UPTIME  RESTARTS
    api   running  12.3%  40Mi / 1.0Gi  3     42     30m     1

    NAME  STATE    CPU    MEMORY        PIDS  FILES  UPTIME  RESTARTS
    api   running  12.3%  40Mi / 1.0Gi  3     42     30m     1
    --- stderr
    error: the controller broke off in the middle of an answer: connection closed before message completed
    --- Failed
    ");
    let lines = watch(&["-o", "json"]);
    let line = serde_json::to_string(&processes()[..1]).unwrap();
    assert!(lines.starts_with(&format!("{line}\n{line}\n---")), "{lines}");
}

#[test]
fn health_is_a_line_for_each_process_and_the_exit_code() {
    insta::assert_snapshot!(run(&["health", "1"]), @"
    PROCESS   CHECK                     RESULT  LATENCY  MESSAGE
    api       http :8010/api/v1/health  pass    1.4ms
    frontend  http :3010/               fail    3.0s     GET http://127.0.0.1:3010/: no answer within 3 s
    worker    -                         pass    -        runs
    --- Failed
    ");
    let well = Ctl::new().with(&["health", "1"], |line, body| match line {
        "GET /v1/objects/agent/agent-1/health" => {
            (200, serde_json::to_string(&checks(true)).unwrap())
        }
        _ => answer(line, body),
    });
    insta::assert_snapshot!(well, @"
    PROCESS   CHECK                     RESULT  LATENCY  MESSAGE
    api       http :8010/api/v1/health  pass    1.4ms
    frontend  http :3010/               pass    1.4ms
    worker    -                         pass    -        runs
    --- Done
    ");
    insta::assert_snapshot!(run(&["health", "infra/shared"]), @"
    --- stderr
    error: infra/shared has no processes to look at: name an agent
     hint: `ctl describe infra/shared` says how it stands
    --- Usage
    ");
    insta::assert_snapshot!(run(&["health", "77"]), @"
    --- stderr
    error: agent/agent-77 does not exist
     hint: there are agent-1, agent-2, agent-10
    --- Failed
    ");
    let shown = run(&["health", "1", "-o", "json"]);
    let read: Vec<HealthNow> =
        serde_json::from_str(shown.strip_suffix("--- Failed").unwrap()).unwrap();
    assert_eq!(read, checks(false));
}

#[test]
fn slow_queries_fit_the_terminal() {
    insta::assert_snapshot!(run(&["slow-queries", "1"]), @"
    CALLS  TOTAL MS  MEAN MS  ROWS  QUERY
    12     340.2     28.354   36    SELECT id, body FROM note WHERE words > $1
    1      2.0       2.000    0     INSERT INTO note (body) VALUES ($1)
    --- Done
    ");
    let narrow = Ctl::on_terminal(60, false).with(&["slow-queries", "1", "-n", "3"], answer);
    insta::assert_snapshot!(narrow, @"
    CALLS  TOTAL MS  MEAN MS  ROWS  QUERY
    12     340.2     28.354   36    SELECT id, body FROM note W…
    1      2.0       2.000    0     INSERT INTO note (body) VAL…
    --- Done
    ");
    let shown = run(&["slow-queries", "1", "-o", "json"]);
    let read: Vec<SlowQuery> =
        serde_json::from_str(shown.strip_suffix("--- Done").unwrap()).unwrap();
    assert_eq!(read, queries());
    let none = Ctl::new().with(&["slow-queries", "1"], |_, _| (200, "[]".to_owned()));
    insta::assert_snapshot!(none, @"
    --- stderr
    no query of agent/agent-1 was counted yet
    --- Done
    ");
    // What to do about it, the controller knows.
    let off = Ctl::new().with(&["slow-queries", "1"], |_, _| {
        (500, r#"{"message": "pg_stat_statements is not loaded; load it"}"#.to_owned())
    });
    insta::assert_snapshot!(off, @"
    --- stderr
    error: pg_stat_statements is not loaded; load it
    --- Failed
    ");
}

#[test]
fn a_status_is_a_short_page() {
    insta::assert_snapshot!(run(&["status", "1"]), @"
    agent/agent-1  Ready  5/5
      agent/agent-1 in /w/agent-1

    PROCESS   STATE  PID   UPTIME  RESTARTS  URL
    api       Ready  4711  30m     1         http://127.0.0.1:8010
    frontend  Ready  -     -       4         http://127.0.0.1:3010
    --- Done
    ");
    // The controller has nothing to tell of this one's processes.
    insta::assert_snapshot!(run(&["status", "2"]), @"
    agent/agent-2  Progressing  4/5
      agent/agent-2 in /w/agent-2
      process/api is starting: connection refused

    PROCESS   STATE    PID  UPTIME  RESTARTS  URL                    MESSAGE
    api       Running  -    -       -         http://127.0.0.1:8020  process/api is starting: connection refused
    frontend  Ready    -    -       -         http://127.0.0.1:3020
    --- stderr
    warning: no such object
    --- Done
    ");
    insta::assert_snapshot!(run(&["status", "infra/shared"]), @"
    --- stderr
    error: infra/shared is no agent
     hint: `ctl describe infra/shared` says how it stands
    --- Usage
    ");
}
