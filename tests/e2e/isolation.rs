//! No agent gets into another's data.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use serde_json::Value;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::harness::Site;
use super::store::Store;

#[test]
fn an_agent_opens_its_own_data_and_no_others() {
    opens_its_own_data_and_no_others(Site::new());
}

/// On whichever servers.
pub fn opens_its_own_data_and_no_others(mut site: Site) {
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let env = environment(&site, "agent-1");
    let var = |name: &str| env[name].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let login =
            |database: &str| site.login(&var("PGUSER"), &var("PGPASSWORD")).database(database);
        assert!(PgConnection::connect_with(&login("agent_1")).await.is_ok());
        for database in ["agent_2", "postgres", "template1"] {
            let refused = PgConnection::connect_with(&login(database)).await;
            assert!(refused.is_err(), "agent-1 can open {database}");
        }
    });
    let store = Store::new(site.store, &var("S3_ACCESS_KEY"), &var("S3_SECRET_KEY"));
    assert!(store.opens("agent-1"));
    assert!(!store.opens("agent-2"), "agent-1 can open the bucket of agent-2");
    assert!(!store.makes("mine"), "agent-1 can make buckets");
}

#[test]
fn no_secret_is_in_a_status_an_event_a_log_or_a_readable_file() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    let env = environment(&site, "agent-1");
    let masked: Value =
        serde_json::from_str(&site.ctl_ok(&["env", "agent-1", "-o", "json"])).unwrap();
    let secrets: Vec<String> = env
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, value)| masked[name.as_str()] != **value)
        .map(|(_, value)| value.as_str().unwrap().to_owned())
        .collect();
    assert!(secrets.len() >= 2, "{env}");
    let shown = [
        std::fs::read_to_string(site.state().join("status/agent-1.yaml")).unwrap(),
        site.ctl_ok(&["events"]),
        site.ctl_ok(&["describe", "agent-1"]),
        site.ctl_ok(&["env", "agent-1"]),
        site.report(),
    ];
    for secret in &secrets {
        for text in &shown {
            assert!(!text.contains(secret.as_str()), "a secret in: {text}");
        }
    }
    // Whoever else is on this host can read neither the state folder's files nor the env file.
    let mut open = Vec::new();
    let mut folders =
        vec![site.state().join("ledger"), site.state().join("secrets"), site.worktree("agent-1")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            use std::os::unix::fs::PermissionsExt as _;
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.permissions().mode() & 0o077 != 0 {
                let text =
                    String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
                if secrets.iter().any(|secret| text.contains(secret.as_str())) {
                    open.push(entry.path());
                }
            }
        }
    }
    assert!(open.is_empty(), "readable by all: {open:?}");
}

fn environment(site: &Site, agent: &str) -> Value {
    let text = site.ctl_ok(&["env", agent, "-o", "json", "--show-secrets"]);
    serde_json::from_str(&text).unwrap()
}
