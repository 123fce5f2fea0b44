//! The life of an agent: it comes, works apart from the others, goes, and comes back with what it had.

use serde_json::Value;

use super::harness::{Site, programs, text};
use super::host::http;

#[test]
fn agents_come_work_apart_and_come_back() {
    come_work_apart_and_come_back(Site::new());
}

/// On whichever servers.
pub fn come_work_apart_and_come_back(mut site: Site) {
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let (one, two) = (site.api + 10, site.api + 20);

    // Each has its own database and bucket: what one writes, the other does not have.
    let note = r#"{"body":"for agent 1 alone"}"#;
    let (status, answer) = http(one, "POST", "/api/v1/notes", note).unwrap();
    assert_eq!(status, 201, "{answer}");
    let id = serde_json::from_str::<serde_json::Value>(&answer).unwrap()["id"].as_i64().unwrap();
    let attachment = format!("/api/v1/notes/{id}/attachment");
    assert_eq!(http(one, "PUT", &attachment, "bytes").unwrap().0, 204);
    assert_eq!(http(one, "GET", &attachment, "").unwrap(), (200, "bytes".to_owned()));
    assert!(http(one, "GET", "/api/v1/notes", "").unwrap().1.contains("for agent 1 alone"));
    let (status, notes) = http(two, "GET", "/api/v1/notes", "").unwrap();
    assert!(
        status == 200 && notes.contains("Welcome") && !notes.contains("for agent 1"),
        "{notes}"
    );
    assert_eq!(http(two, "GET", &attachment, "").unwrap().0, 404);
    let page = http(site.frontend + 10, "GET", "/config.json", "").unwrap().1;
    assert!(page.contains(r#""agent":"agent-1""#) && page.contains(r#""branch":"agent/agent-1""#));

    // A third, by hand.
    let third = site.repo().join("examples/hello/agent-3.yaml");
    let printed = site.ctl_ok(&["apply", "-f", third.to_str().unwrap(), "--wait"]);
    assert!(printed.contains("agent/agent-3 created"), "{printed}");
    assert_eq!(http(site.api + 30, "GET", "/api/v1/health", "").unwrap().0, 200);
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));

    // What was not saved anywhere goes with the agent and comes back with it.
    let draft = site.worktree("agent-1").join("draft.txt");
    std::fs::copy(site.repo().join("examples/hello/agent-3.yaml"), &draft).unwrap();
    site.ctl_ok(&["delete", "1"]);
    site.wait("agent-1", "deleted");
    let trash: Value = serde_json::from_str(&site.ctl_ok(&["trash", "-o", "json"])).unwrap();
    let sizes = trash[0]["sizes"].as_object().unwrap();
    let kinds: Vec<_> = sizes.keys().filter_map(|name| name.split('/').next()).collect();
    assert_eq!(kinds, ["bucket", "database", "worktree"]);
    assert!(sizes.values().all(|bytes| bytes.as_u64() > Some(0)), "{sizes:?}");
    assert!(http(one, "GET", "/api/v1/health", "").is_err(), "agent 1 still answers");
    assert!(!site.worktree("agent-1").exists());
    assert_eq!(http(two, "GET", "/api/v1/health", "").unwrap().0, 200);
    site.ctl_ok(&["undelete", "1"]);
    site.ready("agent-1");
    let events = site.ctl_ok(&["events", "1"]);
    assert!(!events.contains("its inputs changed"), "nothing has changed: {events}");
    assert!(draft.is_file());
    assert!(http(one, "GET", "/api/v1/notes", "").unwrap().1.contains("for agent 1 alone"));
    assert_eq!(http(one, "GET", &attachment, "").unwrap(), (200, "bytes".to_owned()));

    // The controller dies; nothing else does.
    let before = [site.processes(1), site.processes(2)];
    assert_eq!(before.each_ref().map(Vec::len), [3, 3], "{before:?}");
    site.kill();
    assert_eq!(http(one, "GET", "/api/v1/health", "").unwrap().0, 200);
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
}

/// The user's own `psql`, where there is one, is `ctl`'s own tests' affair.
fn queries_need_no_psql(site: &Site) {
    let query = |query: &str| {
        let mut ctl = site.command(programs().join("ctl"));
        let output = ctl.env("PATH", "/nonexistent").args(["psql", "1", query]).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let words = "select current_database(), 'two words' as b, null as nothing, array[1,2] as many";
    assert_eq!(
        query(words),
        (
            Some(0),
            "current_database  b          nothing  many\n\
             agent_1           two words  NULL     {1,2}\n"
                .into(),
            "1 row\n".into()
        )
    );
    let several =
        "create table t (a int); insert into t values (1), (2); select a from t where a > 5";
    assert_eq!(query(several), (Some(0), String::new(), "0 rows\n2 rows\n0 rows\n".into()));
    let unknown = "error: column \"nothing\" does not exist (42703)\n";
    assert_eq!(query("select nothing"), (Some(1), String::new(), unknown.into()));
}

#[test]
fn verbs_work_on_a_running_agent() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    let url = site.ctl_ok(&["url", "1"]);
    assert!(url.contains(&format!("http://localhost:{}", site.frontend + 10)), "{url}");
    assert!(site.ctl_ok(&["get"]).contains("agent-1"));
    assert!(site.ctl_ok(&["describe", "1"]).contains("agent-1"));
    assert!(site.ctl_ok(&["events", "1"]).contains("agent-1"));
    let checked = site.ctl_ok(&["exec", "1", "--", "hello", "check"]);
    assert_eq!(checked, "api, page, database and bucket work\n");
    queries_need_no_psql(&site);
    assert!(site.ctl_ok(&["logs", "1", "api"]).contains("api on http://localhost:"));
    assert!(site.ctl_ok(&["logs", "1", "setup/versions"]).contains("git version"));
    let unknown = site.ctl(&["describe", "9"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown.stderr));
    assert!(text(&unknown.stderr).contains("agent-9"), "{}", text(&unknown.stderr));
}
