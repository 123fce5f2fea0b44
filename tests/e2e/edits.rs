//! Edits of what is there already: they take what they change along, that alone, and in the order that is asked for.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::containers::Servers;
use super::harness::Site;
use super::host::http;

/// A process of the hello app: what it is, its pid, and when it started.
type Process = (String, u32, String);

/// Waits until the named processes of agent 1 are others than before, and checks that no other is.
fn only(site: &Site, before: &[Process], changed: &[&str]) -> Vec<Process> {
    let is_new = |now: &[Process], name: &str| {
        let (old, new) =
            (before.iter().find(|it| it.0 == name), now.iter().find(|it| it.0 == name));
        new.is_some() && new != old
    };
    let now = site.eventually(&format!("{changed:?} to be replaced"), || {
        let now = site.processes(1);
        let all = changed.iter().all(|name| is_new(&now, name));
        (now.len() == before.len() && all).then_some(now)
    });
    site.ready("agent-1");
    assert_eq!(now, site.processes(1), "nothing is replaced twice");
    for (name, ..) in before {
        assert_eq!(is_new(&now, name), changed.contains(&name.as_str()), "{name}");
    }
    now
}

#[test]
fn an_edit_replaces_what_it_changes_and_nothing_else() {
    let mut site = Site::on(Servers::Embedded);
    // A worker that only starts once the API answers, which takes its time.
    let (started, ready) = ("after: {api: started}", "after: {api: ready}");
    site.edit("stack.yaml", started, ready);
    let quick = "run: ${harness.bin}/hello api";
    let slow = "run: [/bin/sh, -c, \"until test -e $HOME/go; do sleep 0.1; done; exec ${harness.bin}/hello api\"]";
    site.edit("stack.yaml", quick, slow);
    // The port of the page is an affair of the page alone.
    site.edit("stack.yaml", "    FE_PORT: ${ports.frontend}\n", "");
    let page = "run: ${harness.bin}/hello frontend";
    let knows = format!("{page}\n      env: {{FE_PORT: \"${{ports.frontend}}\"}}");
    site.edit("stack.yaml", page, &knows);
    site.start();
    for number in 1..=2 {
        site.eventually("the page, which waits for nobody", || {
            let running = site.processes(number);
            running.iter().any(|it| it.0 == "frontend").then_some(())
        });
        let waits = site.eventually("the worker to wait", || {
            let object = site.object(&format!("agent-{number}"));
            let worker = &object["status"]["resources"]["process/worker"]["message"];
            worker.as_str().filter(|told| told.contains("process/api")).map(str::to_owned)
        });
        assert!(waits.contains("to be ready"), "{waits}");
        assert!(site.processes(number).iter().all(|it| it.0 == "frontend"), "nobody may start yet");
    }
    fs::write(site.folder().join("home/go"), "").unwrap();
    site.ready("agent-1");
    site.ready("agent-2");
    let (mut now, other) = (site.processes(1), site.processes(2));
    let start =
        |name: &str| -> u64 { now.iter().find(|it| it.0 == name).unwrap().2.parse().unwrap() };
    assert!(start("api") <= start("worker"));

    // The environment of one, the command of another, the port of that one.
    let set = |spec: &str| {
        let spec = format!("spec: {{stack: hello, {spec}}}");
        let text = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
        let line = text.lines().find(|line| line.starts_with("spec:")).unwrap();
        site.edit("agent-1.yaml", line, &spec);
    };
    let env = "worker: {env: {EXTRA: \"1\"}}";
    set(&format!("processes: {{{env}}}"));
    now = only(&site, &now, &["worker"]);
    let command = "frontend: {run: [/bin/sh, -c, \"exec ${harness.bin}/hello frontend\"]}";
    set(&format!("processes: {{{env}, {command}}}"));
    now = only(&site, &now, &["frontend"]);
    let port = site.frontend + 95;
    set(&format!("ports: {{frontend: {}}}, processes: {{{env}, {command}}}", port - 10));
    now = only(&site, &now, &["frontend"]);
    assert_eq!(http(port, "GET", "/", "").unwrap().0, 200);
    assert!(http(site.frontend + 10, "GET", "/", "").is_err(), "the old port is free");
    assert!(site.ctl_ok(&["url", "1"]).contains(&format!("http://localhost:{port}")));

    // A template file: its text follows, and processes do not depend on it.
    let template = site.repo().join("examples/hello/CLAUDE.agent.md");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(&template, text.replace("# You are ${agent.name}", "# Hello ${agent.name}")).unwrap();
    for agent in ["agent-1", "agent-2"] {
        let file = site.worktree(agent).join("CLAUDE.agent.md");
        let wanted = format!("# Hello {agent}\n");
        site.eventually("the file to follow", || {
            fs::read_to_string(&file).ok().filter(|text| text.starts_with(&wanted))
        });
        site.ready(agent);
    }
    assert_eq!(site.processes(1), now);

    // A setting of the shared server: it is started anew, with its data, under agents that run on.
    let server = Site::pid_on(site.postgres);
    assert_ne!(site.sql("postgres", "SHOW work_mem"), "7MB");
    site.edit(
        "infra.yaml",
        "pg_stat_statements.track: all",
        "pg_stat_statements.track: all\n        work_mem: 7MB",
    );
    site.eventually("the setting to be in force", || {
        site.try_sql("postgres", "SHOW work_mem").ok().filter(|value| value == "7MB")
    });
    for object in ["infra/shared", "agent-1", "agent-2"] {
        site.ready(object);
    }
    assert_ne!(Site::pid_on(site.postgres), server);
    assert!(http(site.api + 10, "GET", "/api/v1/notes", "").unwrap().1.contains("Welcome"));
    assert_eq!([site.processes(1), site.processes(2)], [now, other]);
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
}
