//! Template generations: complete only after the last step, never cloned before, never touched by clones.

use agent_harness_model::kinds::{Have, template};
use agent_harness_model::world::Class;

use super::fixture::{Fixture, Wanted};

fn complete(have: Option<&Have>) -> bool {
    matches!(have, Some(Have::Template(template::Observed::Complete)))
}

#[tokio::test]
async fn a_generation_is_built_sealed_and_then_left_alone() {
    let at = Fixture::new();
    let tpl = Wanted::template(&at.name("tpl"), "g1", &["CREATE TABLE a ()", "CREATE TABLE b ()"]);
    let done = at.make(&tpl).await.unwrap();
    assert_eq!(
        done,
        [
            "begin, this generation was not built yet",
            "build step0, step0 fills it",
            "build step1, step1 fills it",
            "seal, all steps ended well",
        ]
    );
    assert!(complete(at.known(&tpl.id, &tpl.place).await.as_ref()));
    let name = format!("{}_g1", at.name("tpl"));
    let closed = format!(
        "SELECT (datistemplate AND NOT datallowconn AND rolname = 'postgres')::text \
         FROM pg_database JOIN pg_roles r ON r.oid = datdba WHERE datname = '{name}'"
    );
    assert_eq!(at.ask(&closed).await.as_deref(), Some("true"));
    let locked = format!(
        "SELECT (NOT rolcanlogin AND rolpassword IS NULL)::text FROM pg_authid WHERE rolname = '{name}'"
    );
    assert_eq!(at.ask(&locked).await.as_deref(), Some("true"));

    // The next generation stands beside it.
    let next = Wanted::template(&at.name("tpl"), "g2", &["CREATE TABLE c ()"]);
    at.make(&next).await.unwrap();
    assert!(complete(at.known(&tpl.id, &tpl.place).await.as_ref()));

    // A clone of the old one does not keep it from going.
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&tpl));
    at.make(&agent).await.unwrap();
    at.purge(&tpl).await.unwrap();
    assert_eq!(at.known(&tpl.id, &tpl.place).await, None);
    assert!(at.make(&agent).await.unwrap().is_empty());
    assert!(complete(at.known(&next.id, &next.place).await.as_ref()));
}

#[tokio::test]
async fn a_step_that_fails_leaves_something_that_is_never_cloned() {
    let at = Fixture::new();
    let bad = Wanted::template(&at.name("tpl"), "g1", &["CREATE TABLE a ()", "SELECT nonsense"]);
    let error = at.make(&bad).await.unwrap_err();
    assert!(error.message.contains("nonsense"), "{error}");
    let have = at.known(&bad.id, &bad.place).await;
    assert_eq!(have, Some(Have::Template(template::Observed::Partial)));

    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&bad));
    let error = at.make(&agent).await.unwrap_err();
    assert_eq!(error.class, Class::Blocked, "{error}");
    assert_eq!(error.message, format!("the template {}_g1 is not complete yet", at.name("tpl")));

    // The next try begins anew: the first step would fail on what is left otherwise.
    let good = Wanted::template(&at.name("tpl"), "g1", &["CREATE TABLE a ()", "CREATE TABLE b ()"]);
    let done = at.make(&good).await.unwrap();
    assert_eq!(done[0], "begin, an earlier build did not come to its end");
    at.make(&agent).await.unwrap();
}

#[tokio::test]
async fn a_crash_at_any_statement_of_a_build_is_built_over() {
    let at = Fixture::new();
    let tpl = Wanted::template(&at.name("tpl"), "g1", &["CREATE TABLE a ()"]);
    let name = format!("{}_g1", at.name("tpl"));
    let note =
        format!("agent-harness:{}:stack-00000001 state=creating generation=g1", at.installation);
    let crashes = [
        format!("CREATE ROLE {name} NOLOGIN; COMMENT ON ROLE {name} IS '{note}'"),
        format!("CREATE DATABASE {name} OWNER {name} ALLOW_CONNECTIONS false"),
        format!(
            "ALTER DATABASE {name} ALLOW_CONNECTIONS true; \
             COMMENT ON DATABASE {name} IS '{note}'; ALTER ROLE {name} LOGIN"
        ),
        format!("ALTER ROLE {name} NOLOGIN PASSWORD NULL"),
    ];
    for upto in 1..=crashes.len() {
        for sql in &crashes[..upto] {
            at.sql(sql).await;
        }
        assert!(!complete(at.known(&tpl.id, &tpl.place).await.as_ref()), "after {upto}");
        at.make(&tpl).await.unwrap();
        at.purge(&tpl).await.unwrap();
        assert_eq!(at.known(&tpl.id, &tpl.place).await, None);
        // A leaving one that was cut goes as well.
        for sql in &crashes[..upto] {
            at.sql(sql).await;
        }
        at.purge(&tpl).await.unwrap();
        let left = format!("SELECT rolname::text FROM pg_roles WHERE rolname = '{name}'");
        assert_eq!(at.ask(&left).await, None, "after {upto}");
    }
}

#[tokio::test]
async fn a_builder_cannot_pass_its_work_off_as_complete() {
    let at = Fixture::new();
    let name = format!("{}_g1", at.name("tpl"));
    let forged = format!(
        "COMMENT ON DATABASE {name} IS 'agent-harness:{}:stack-00000001 state=complete generation=g1'",
        at.installation
    );
    let tpl = Wanted::template(&at.name("tpl"), "g1", &[&forged, "SELECT nonsense"]);
    at.make(&tpl).await.unwrap_err();
    let have = at.known(&tpl.id, &tpl.place).await;
    assert_eq!(have, Some(Have::Template(template::Observed::Partial)));
}
