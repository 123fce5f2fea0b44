//! What is not ours stays as it is, however much it looks like ours.

use agent_harness_model::kinds::{Have, database, template};
use agent_harness_model::world::Class;

use super::fixture::{Fixture, Wanted};

#[tokio::test]
async fn look_alikes_are_never_touched() {
    let at = Fixture::new();
    let name = at.name("agent");
    let mark = |installation: &str, uid: &str| {
        format!("agent-harness:{installation}:{uid} state=complete")
    };
    // Somebody's database and role: without a mark, with another installation's, with another uid's, with a
    // mark on the database alone (which its owner can write), and with a mark that is only almost one.
    let strangers = [
        ("plain", String::new(), String::new()),
        ("other", mark("elsewhere", "uid-00000001"), mark("elsewhere", "uid-00000001")),
        ("uid", mark(&at.installation, "uid-99999999"), mark(&at.installation, "uid-99999999")),
        ("forged", mark(&at.installation, "uid-00000001"), String::new()),
        (
            "almost",
            "agent-harness:uid-00000001".into(),
            format!("x{}", mark(&at.installation, "uid-00000001")),
        ),
    ];
    for (kind, on_database, on_role) in strangers {
        let name = format!("{name}_{kind}");
        at.sql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'theirs'")).await;
        at.sql(&format!("CREATE DATABASE {name} OWNER {name}")).await;
        at.sql(&format!(
            "COMMENT ON DATABASE {name} IS '{on_database}'; COMMENT ON ROLE {name} IS '{on_role}'"
        ))
        .await;
        let before = fingerprint(&at, &name).await;
        let agent = Wanted::database(&name, "uid-00000001", None);
        let have = at.known(&agent.id, &agent.place).await;
        assert!(matches!(have, Some(Have::Database(database::Observed::Foreign(_)))), "{kind}");
        let error = at.make(&agent).await.unwrap_err();
        assert_eq!(error.class, Class::Conflict, "{kind}: {error}");
        at.trash(&agent).await.unwrap();
        at.purge(&agent).await.unwrap();
        // Also when the planner was wrong, or the world changed after it looked.
        for action in actions(&agent) {
            let _ = at.apply(&agent.id, &action).await;
        }
        assert_eq!(fingerprint(&at, &name).await, before, "{kind}");
        assert!(before.is_some());
    }
}

fn actions(agent: &Wanted) -> Vec<agent_harness_model::kinds::Action> {
    use agent_harness_model::kinds::{Action, Place, Resource};
    let (Resource::Database(want), Place::Database(place)) = (&agent.resource, &agent.place) else {
        panic!()
    };
    vec![
        Action::Database(database::Action::Create(want.clone())),
        Action::Database(database::Action::RepairRole(want.clone())),
        Action::Database(database::Action::Restore(want.clone())),
        Action::Database(database::Action::Trash(place.clone())),
        Action::Database(database::Action::Purge(place.clone())),
    ]
}

/// All that there is to see of a database and the role of the same name.
async fn fingerprint(at: &Fixture, name: &str) -> Option<String> {
    at.ask(&format!(
        "SELECT concat_ws(' ', d.*::text, r.rolname, r.rolcanlogin, r.rolpassword, \
           shobj_description(d.oid, 'pg_database'), shobj_description(r.oid, 'pg_authid')) \
         FROM pg_database d, pg_authid r WHERE d.datname = '{name}' AND r.rolname = '{name}'"
    ))
    .await
}

#[tokio::test]
async fn a_template_or_trash_of_somebody_else_is_never_touched() {
    let at = Fixture::new();
    let name = at.name("agent");
    // A database that only has the name that our trash would have.
    let theirs = format!("trash_00000001_{name}");
    at.sql(&format!("CREATE ROLE \"{theirs}\"")).await;
    at.sql(&format!("CREATE DATABASE \"{theirs}\" OWNER \"{theirs}\"")).await;
    let agent = Wanted::database(&name, "uid-00000001", None);
    assert_eq!(at.known(&agent.id, &agent.place).await, None);
    at.make(&agent).await.unwrap();
    let error = at.trash(&agent).await.unwrap_err();
    assert!(error.message.contains("already exists"), "{error}");
    at.purge(&agent).await.unwrap();
    let there = format!("SELECT datname::text FROM pg_database WHERE datname = '{theirs}'");
    assert_eq!(at.ask(&there).await.as_deref(), Some(theirs.as_str()));

    let tpl = Wanted::template(&at.name("tpl"), "g1", &["SELECT 1"]);
    let name = format!("{}_g1", at.name("tpl"));
    at.sql(&format!("CREATE DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false")).await;
    let have = at.known(&tpl.id, &tpl.place).await;
    assert_eq!(have, Some(Have::Template(template::Observed::Foreign("role postgres".into()))));
    assert_eq!(at.make(&tpl).await.unwrap_err().class, Class::Conflict);
    at.purge(&tpl).await.unwrap();
    let there = format!("SELECT datname::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(at.ask(&there).await.as_deref(), Some(name.as_str()));
    // Nor is it cloned.
    let agent = Wanted::database(&at.name("clone"), "uid-00000002", Some(&tpl));
    assert_eq!(at.make(&agent).await.unwrap_err().class, Class::Blocked);
}
