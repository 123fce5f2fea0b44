//! Servers that are down, and cannot come back.

use std::net::TcpListener;
use std::process::Command;

use super::super::harness::{Site, http, succeed};
use super::{agent, said, until};

#[test]
fn servers_that_are_down_take_no_process_along() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    // Their ports are somebody else's before anybody could start them again.
    site.kill();
    let mut strangers = Vec::new();
    for (port, server) in [(site.postgres, "postgres"), (site.store, "controller")] {
        let pid = Site::pid_on(port);
        succeed(Command::new("kill").args(["-9", &pid.to_string()]));
        strangers.push(site.eventually(server, || TcpListener::bind(("127.0.0.1", port)).ok()));
    }
    site.start();
    site.write_spec("agent-3.yaml", &agent("agent-3", ""));
    let told = [
        ("the servers", "infra/shared", "taken"),
        ("an agent that runs", "agent-1", "Ready: "),
        ("an agent that is new", "agent-3", "Ready: "),
    ]
    .map(|(what, object, words)| format!("{what}\n{}\n", until(words, || said(&site, object))));
    insta::assert_snapshot!("servers_down", told.join("\n"));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert_eq!(http(site.frontend + 10, "GET", "/", "").unwrap().0, 200);
    drop(strangers);
    for agent in ["agent-1", "agent-2", "agent-3"] {
        site.ready(agent);
    }
    assert_eq!(before, [site.processes(1), site.processes(2)]);
}
