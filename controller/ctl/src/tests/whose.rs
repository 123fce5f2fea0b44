//! Verbs whose agent is not named.

use agent_harness_model::api::{Environment, LogFile};

use super::{looking, world};
use crate::testing::{Asked, Ctl};

/// Which requests a command line makes beside those that find out whose it is, and how it ends.
fn asked(ctl: Ctl, words: &[&str]) -> String {
    let asked = Asked::default();
    let note = asked.clone();
    let shown = ctl.with(words, move |line, body| {
        let found = looking(world())(line, body);
        if found.0 == 200 {
            return found;
        }
        note.note(line.split_once("/v1/objects/").unwrap().1);
        if line.starts_with("POST") {
            return (204, String::new());
        }
        match line.rsplit('/').next().unwrap() {
            "environment" => {
                let (cwd, variables) = ("/nowhere".into(), std::collections::BTreeMap::new());
                let environment = Environment { cwd, variables, secret: Vec::new() };
                (200, serde_json::to_string(&environment).unwrap())
            }
            "logs" => {
                let none: [LogFile; 0] = [];
                (200, serde_json::to_string(&none).unwrap())
            }
            _ => (200, "[]".to_owned()),
        }
    });
    let end = shown.lines().find(|line| line.starts_with("error: ")).unwrap_or("done");
    format!("{} | {end}", asked.lines())
}

#[test]
fn verbs_are_about_the_agent_of_the_environment_or_of_the_worktree() {
    for (words, expected) in [
        (&["health"][..], "agent/agent-2/health | done"),
        (&["slow-queries"], "agent/agent-2/queries?limit=10 | done"),
        (&["stats"], "agent/agent-2/processes?cpu=true | done"),
        (
            &["stats", "api"],
            "agent/agent-2/processes?cpu=true | error: agent/agent-2 has no process `api`",
        ),
        (&["stats", "infra/shared"], "infra/shared/services?cpu=true | done"),
        (&["restart"], "agent/agent-2/restart | done"),
        (&["restart", "api", "web"], "agent/agent-2/restart?process=api%2Cweb | done"),
        (&["restart", "agent-10", "api"], "agent/agent-10/restart?process=api | done"),
        (&["restart", "10", "api"], "agent/agent-10/restart?process=api | done"),
        (&["logs", "api"], "agent/agent-2/logs | error: agent/agent-2 has no logs yet"),
        (&["logs", "setup/install"], "agent/agent-2/logs | error: agent/agent-2 has no logs yet"),
        (&["logs", "agent-1", "api"], "agent/agent-1/logs | error: agent/agent-1 has no logs yet"),
        (&["env"], "agent/agent-2/environment | done"),
        (
            &["psql", "select 4/2"],
            "agent/agent-2/environment | error: agent/agent-2 has no database in its environment",
        ),
        (
            &["psql", "agent-1", "table note"],
            "agent/agent-1/environment | error: agent/agent-1 has no database in its environment",
        ),
        (
            &["exec", "--", "true"],
            "agent/agent-2/environment | error: the worktree /nowhere is not there",
        ),
        (&["exec", "ls"], " | error: agent/agent-2 has no services, such as `ls`"),
        (&["shell"], "agent/agent-2/environment | error: the worktree /nowhere is not there"),
        (&["url"], " | done"),
        (&["url", "frontend"], " | done"),
        (&["url", "web"], " | error: agent/agent-2 has no URL of `web`"),
    ] {
        let of_environment = Ctl::new().of_agent("agent-2").inside("/w/agent-1");
        assert_eq!(asked(of_environment, words), expected, "{words:?}");
        let of_worktree = Ctl::new().inside("/w/agent-2/src");
        assert_eq!(asked(of_worktree, words), expected, "{words:?}");
    }
}

#[test]
fn where_nothing_says_whose_it_is_both_ways_are_named() {
    let run = |words: &[&str]| Ctl::new().inside("/w").with(words, looking(world()));
    insta::assert_snapshot!(run(&["health"]), @"
    --- stderr
    error: which agent? None is named, HARNESS_AGENT is not set, and this folder is in no agent's worktree
     hint: name one, set HARNESS_AGENT, or stand in an agent's worktree
     hint: `ctl get agents` lists them
    --- Usage
    ");
    assert_eq!(run(&["psql", "select 1"]), run(&["health"]));
    assert_eq!(run(&["describe"]), run(&["health"]));
    insta::assert_snapshot!(run(&["logs", "api"]), @"
    --- stderr
    error: agent/api does not exist
     hint: there are agent-1, agent-2, agent-10
     hint: if it is something of an agent: name that one before it, set HARNESS_AGENT, or stand in its worktree
    --- Failed
    ");
    // Of two words only the first one can be a name.
    insta::assert_snapshot!(run(&["psql", "select 4/2", "select 1"]), @"
    --- stderr
    error: `select 4/2` names no object: write KIND/NAME with the kind infra, stack or agent
    --- Usage
    ");
    let wrong = Ctl::new().of_agent("infra/shared").with(&["logs"], looking(world()));
    insta::assert_snapshot!(wrong, @"
    --- stderr
    error: HARNESS_AGENT is `infra/shared`, which names no agent
     hint: set it to one, such as agent-3, or unset it
    --- Usage
    ");
}

#[test]
fn the_worktree_is_known_without_a_controller() {
    let status = serde_json::to_string(&world()[2]).unwrap();
    let log = "2026-11-24T11:58:00.000Z stdout F listening\n";
    let ctl = || {
        Ctl::new()
            .file("status/agent-1.yaml", &status)
            .file("logs/agent-agent-1/process/api.log", log)
            .inside("/w/agent-1")
    };
    insta::assert_snapshot!(ctl().alone(&["logs", "api"]), @"
    listening
    --- stderr
    warning: the controller does not run; its agents may, and these are their logs
    --- Done
    ");
    insta::assert_snapshot!(ctl().alone(&["status"]), @"
    agent/agent-1  Ready  5/5
      agent/agent-1 in /w/agent-1

    PROCESS   STATE  PID  UPTIME  RESTARTS  URL
    api       Ready  -    -       -         http://127.0.0.1:8010
    frontend  Ready  -    -       -         http://127.0.0.1:3010
    --- stderr
    warning: the controller does not run; this is what it last wrote, 0s ago
    --- Done
    ");
    insta::assert_snapshot!(Ctl::new().alone(&["logs", "api"]), @"
    --- stderr
    error: the controller does not run: nothing listens on STATE/control.sock
     hint: start it: controller run --specs DIR --state STATE
    --- Failed
    ");
}

#[test]
fn without_anything_to_go_by_it_is_said_who_would_know() {
    insta::assert_snapshot!(Ctl::new().inside("/w/agent-1").alone(&["health"]), @"
    --- stderr
    error: which agent? None is named, HARNESS_AGENT is not set, and this folder is in no agent's worktree
     hint: name one, set HARNESS_AGENT, or stand in an agent's worktree
     hint: `ctl get agents` lists them
     hint: no controller runs, which alone knows whose worktree this is
    --- Usage
    ");
    // One variable says it all: nobody has to be asked for the name.
    let down = Ctl::new().of_agent("agent-1").alone(&["health"]);
    assert!(down.starts_with("--- stderr\nerror: the controller does not run"), "{down}");
}
