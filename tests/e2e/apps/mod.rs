//! Real apps, fetched from their registries: the examples beside hello, by the very specs that a user runs, but for the
//! ports. Without the registry, and with nothing kept from an earlier run, they fail.

mod mlflow;
mod parse_server;

use std::fmt::Debug;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use super::containers::Servers;
use super::harness::Site;
use super::host::{http, started};

/// How long it may take until all of an app is fetched, the first time, and installed.
const FETCHED: Duration = Duration::from_mins(10);

/// The example with both of its agents ready. `ports` are those in its specs: of PostgreSQL, of the object store, and the
/// base of the agents'.
fn up(example: &'static str, ports: [u16; 3]) -> Site {
    let mut site = Site::of_example(example, Servers::Embedded);
    site.take(&["app", "specs", "."]);
    let ours =
        [("infra.yaml", site.postgres), ("infra.yaml", site.store), ("stack.yaml", site.api)];
    for ((file, port), theirs) in ours.into_iter().zip(ports) {
        site.edit(file, &format!(": {theirs}}}"), &format!(": {port}}}"));
    }
    site.commit();
    keep_what_is_fetched(&site);
    site.start();
    for agent in ["agent-1", "agent-2"] {
        site.wait_for(agent, "ready", FETCHED);
    }
    site
}

/// What the app's own tools have fetched is found by the next run, as it is by a user's next agent. pip uses no folder that
/// is a link itself; the one above it may be one.
fn keep_what_is_fetched(site: &Site) {
    let of = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
    let cache = cache.expect("HOME is set").join("agent-harness");
    for folder in ["npm", "pip"] {
        std::fs::create_dir_all(cache.join(folder)).unwrap();
    }
    let home = site.folder().join("home");
    symlink(&cache, home.join(".cache")).unwrap();
    symlink(cache.join("npm"), home.join(".npm")).unwrap();
}

/// The server of an agent: its pid, and when it started.
fn server(site: &Site, agent: u16) -> (u32, String) {
    let pid = Site::pid_on(site.api + agent * 10);
    (pid, started(pid))
}

/// A copy of the database that was built once for all agents: nobody connects to that one.
fn template(site: &Site, name: &str) -> String {
    let like = format!("datname LIKE '{name}\\_%'");
    let found = site.sql("postgres", &format!("SELECT datname FROM pg_database WHERE {like}"));
    assert_eq!(found.lines().count(), 1, "{found}");
    site.sql("postgres", &format!("CREATE DATABASE looked_at TEMPLATE {found}"));
    "looked_at".to_owned()
}

/// Agent 1 goes, with its `data`, and comes back with it; agent 2 goes on as it is, in the same process.
fn agent_1_goes_and_comes_back<T: PartialEq + Debug>(site: &Site, data: impl Fn(u16) -> T) {
    let (before, other) = ([data(1), data(2)], server(site, 2));
    site.ctl_ok(&["delete", "1"]);
    site.wait("agent-1", "deleted");
    assert!(http(site.api + 10, "GET", "/", "").is_err(), "agent 1 still answers");
    assert!(!site.worktree("agent-1").exists());
    assert!(site.try_sql("agent_1", "SELECT 1").is_err(), "its database is still there");
    assert!(!site.admin().buckets().contains(&"agent-1".to_owned()));
    assert_eq!((&data(2), server(site, 2)), (&before[1], other.clone()));
    site.ctl_ok(&["undelete", "1"]);
    site.wait_for("agent-1", "ready", FETCHED);
    assert_eq!([data(1), data(2)], before);
    assert_eq!(server(site, 2), other);
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
}
