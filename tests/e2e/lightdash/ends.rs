//! The end of an agent, and its way back.

use std::net::TcpListener;

use super::super::host::{http, is_free, started};
use super::super::stand_in::StandIn;
use super::app;
use super::edits::environments;

/// Upstream: watchers outlived their agent and held its ports; and a failing query read as "there is no such database", so that
/// it stayed for ever.
pub fn one_goes_and_the_other_does_not_notice(place: &StandIn) {
    let site = &place.site;
    let of = |agent| {
        let mut found: Vec<_> = environments(site, agent).into_iter().map(|it| it.0).collect();
        found.sort_unstable();
        found
    };
    let one = of(1);
    assert!(one.len() > 8, "the shells and watchers as well: {one:?}");
    let times = |pids: &[u32]| pids.iter().map(|pid| started(*pid)).collect::<Vec<_>>();
    let two = of(2);
    let before = times(&two);
    site.ctl_ok(&["delete", "1"]);
    site.wait("agent-1", "deleted");
    assert_eq!(of(1), [0_u32; 0], "left behind");
    let ports = [10, 11, 12, 15].map(|apart| site.api + apart);
    for port in ports.into_iter().chain([site.frontend + 10]) {
        assert!(is_free(port), "{port} is held");
    }
    assert!(!place.worktree(1).exists());
    let databases = "SELECT count(*) FROM pg_database WHERE datname = 'agent_1'";
    assert_eq!(site.sql("postgres", databases), "0");

    assert_eq!((of(2), times(&two)), (two, before), "another agent's processes");
    assert!(site.is_ready("agent-2"));
    app::it_works(place, 2);
}

/// With all that was in it; and who is in its way is named.
pub fn it_comes_back_when_its_port_is_free(place: &StandIn) {
    let site = &place.site;
    let stranger = TcpListener::bind(("127.0.0.1", site.frontend + 10)).unwrap();
    site.ctl_ok(&["undelete", "1"]);
    let taken = format!("(frontend) is taken by pid {}", std::process::id());
    place.told("agent-1", &[&taken]);
    assert!(!site.is_ready("agent-1"));
    drop(stranger);
    place.ready("agent-1");
    // What was never committed, and what it stands for in the database.
    let status = place.git_in(&place.worktree(1), &["status", "--short"]);
    assert!(status.contains("newController.ts") && !status.contains("draft.ts"), "{status}");
    assert_eq!(site.sql("agent_1", "SELECT count(*) FROM draft"), "0");
    assert_eq!(http(site.api + 15, "GET", "/api/v1/new", "").unwrap().0, 200);
}
