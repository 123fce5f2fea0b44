//! An agent's database is reset, kept under a name, and brought back; nobody else has any part in it, and nothing that
//! merely looks like ours is touched.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use super::harness::{Site, text};
use super::host::http;

const NOTES: &str = "SELECT string_agg(body, ',' ORDER BY body) FROM note WHERE body LIKE 'my %'";

/// What is kept of agent 1, by name.
fn kept(site: &Site) -> Vec<String> {
    let list: Value =
        serde_json::from_str(&site.ctl_ok(&["db", "list", "1", "-o", "json"])).unwrap();
    let names = list.as_array().unwrap().iter();
    names
        .map(|one| {
            assert!(one["size"].as_u64().unwrap() > 1_000_000, "{one}");
            one["name"].as_str().unwrap().to_owned()
        })
        .collect()
}

fn write(site: &Site, body: &str) {
    let note = format!(r#"{{"body":"{body}"}}"#);
    assert_eq!(http(site.api + 10, "POST", "/api/v1/notes", &note).unwrap().0, 201);
}

/// What there is on the server of agent 1, beside what is in use.
fn of_agent_1(site: &Site) -> Vec<String> {
    let sql = "SELECT datname FROM pg_database WHERE datname LIKE '%\\_agent\\_1' UNION ALL \
               SELECT 'role ' || rolname FROM pg_roles WHERE rolname LIKE '%\\_agent\\_1'";
    site.sql("postgres", sql).lines().map(str::to_owned).collect()
}

#[test]
fn a_database_is_reset_kept_and_brought_back() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let others = site.processes(2);
    let before = site.processes(1);
    write(&site, "my first");

    // Nobody is there to be asked.
    let refused = site.ctl(&["reset", "1", "database"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stderr));
    assert!(text(&refused.stderr).contains("--yes"));
    assert_eq!(site.sql("agent_1", NOTES), "my first");

    site.ctl_ok(&["reset", "1", "database", "--yes", "--wait"]);
    assert_eq!(site.sql("agent_1", NOTES), "");
    assert!(site.sql("agent_1", "SELECT count(*) FROM note").parse::<u32>().unwrap() > 0, "seeded");
    let now = site.processes(1);
    assert!(before.iter().all(|old| !now.contains(old)), "{before:?} {now:?}");
    let names = kept(&site);
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with("reset-"), "{names:?}");
    let trash = site.ctl_ok(&["trash"]);
    assert!(trash.contains(&format!("ctl db restore agent-1 {}", names[0])), "{trash}");

    // It comes back, and is the agent's own again down to the last table.
    write(&site, "my second");
    site.ctl_ok(&["db", "restore", "1", &names[0], "--yes", "--wait"]);
    assert_eq!(site.sql("agent_1", NOTES), "my first");
    site.ctl_ok(&["psql", "1", "ALTER TABLE note ADD COLUMN more text"]);
    write(&site, "my third");

    site.ctl_ok(&["db", "save", "1", "before-fix", "--wait"]);
    assert_eq!(site.sql("agent_1", NOTES), "my first,my third");
    write(&site, "my mistake");
    let again = site.ctl(&["db", "save", "1", "before-fix"]);
    assert_eq!(again.status.code(), Some(4), "{}", text(&again.stderr));
    site.ctl_ok(&["db", "restore", "1", "before-fix", "--yes", "--wait"]);
    assert_eq!(site.sql("agent_1", NOTES), "my first,my third");
    write(&site, "my fourth");
    assert!(site.ctl(&["diff"]).status.success(), "the plan is empty");
    assert_eq!(others, site.processes(2), "agent 2 had no part in it");
    for bad in ["Before", "a_b", "", "../x"] {
        assert_eq!(site.ctl(&["db", "save", "1", bad]).status.code(), Some(4), "{bad:?}");
    }
    let unknown = site.ctl(&["db", "restore", "1", "nothing", "--yes"]);
    assert!(text(&unknown.stderr).contains("before-fix"), "{}", text(&unknown.stderr));

    no_role_opens_what_is_kept(&site);

    // It leaves and comes back with its agent, and what only looks like it stays where it is.
    let strange = "kept_00000000_before-fix_agent_1";
    site.sql("postgres", &format!("CREATE ROLE \"{strange}\""));
    site.sql("postgres", &format!("CREATE DATABASE \"{strange}\" OWNER \"{strange}\""));
    site.ctl_ok(&["delete", "1", "--wait"]);
    site.ctl_ok(&["undelete", "1", "--wait"]);
    assert_eq!(site.sql("agent_1", NOTES), "my first,my fourth,my third");
    assert!(kept(&site).contains(&"before-fix".to_owned()));

    site.ctl_ok(&["db", "delete", "1", "before-fix", "--yes"]);
    assert!(!kept(&site).contains(&"before-fix".to_owned()));
    site.eventually("what was kept to be gone", || {
        let all = of_agent_1(&site);
        let ours = |name: &&String| name.contains("_before-fix_") && !name.contains(strange);
        (!all.iter().any(|name| ours(&name))).then_some(())
    });
    site.ctl_ok(&["delete", "1", "--purge", "--yes", "--wait"]);
    assert_eq!(of_agent_1(&site), [strange.to_owned(), format!("role {strange}")]);
}

/// Neither its own agent's nor another's.
fn no_role_opens_what_is_kept(site: &Site) {
    let all = of_agent_1(site);
    let databases: Vec<_> = all.iter().filter(|it| it.starts_with("kept_")).collect();
    assert!(databases.len() >= 3, "{all:?}");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (role, agent) in [("agent_1", "agent-1"), ("agent_2", "agent-2")] {
        let uid = site.object(agent)["metadata"]["uid"].as_str().unwrap().to_owned();
        let password = site.secret(&format!("agent-{agent}-{}-database", &uid[uid.len() - 8..]));
        for database in &databases {
            let login = site.login(role, &password).database(database);
            let opened = runtime.block_on(PgConnection::connect_with(&login));
            assert!(opened.is_err(), "{role} opens {database}");
        }
    }
}
