//! Agents' roles that were bound to others, or limited: seen and set right; those of others are left alone.

use super::fixture::{Fixture, Wanted, execute};

const REPAIRED: [&str; 1] = ["repair role, its role was changed"];

#[tokio::test]
async fn an_agent_does_not_stay_a_member_of_another_role() {
    let at = Fixture::new();
    let one = Wanted::database(&at.name("one"), "uid-00000001", None);
    let two = Wanted::database(&at.name("two"), "uid-00000002", None);
    for agent in [&one, &two] {
        at.make(agent).await.unwrap();
    }
    let (human, other) = (at.name("human"), at.name("other"));
    let (to, from) = (one.role(), two.role());
    at.sql(&format!("CREATE ROLE {human}; CREATE ROLE {other} SUPERUSER; GRANT {to} TO {human}"))
        .await;
    for grant in [
        format!("GRANT {from} TO {to}"),
        format!("GRANT {from} TO {to} WITH ADMIN OPTION"),
        format!("GRANT {from}, pg_read_all_data TO {to}"),
        format!("SET ROLE {other}; GRANT {from} TO {to}"),
    ] {
        at.sql(&grant).await;
        assert!(at.as_agent(&one, &two.role()).await.is_ok(), "{grant}: it gets in");
        assert_eq!(at.make(&one).await.unwrap(), REPAIRED, "{grant}");
        assert!(at.as_agent(&one, &two.role()).await.is_err(), "{grant}");
        assert!(at.make(&two).await.unwrap().is_empty(), "{grant}: the other one is as it was");
    }
    let kept = format!(
        "SELECT 'yes' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member \
         WHERE r.rolname = '{human}'"
    );
    assert_eq!(at.ask(&kept).await.as_deref(), Some("yes"), "what a human may is not ours to say");

    // On the way to the trash and back.
    at.trash(&one).await.unwrap();
    at.sql(&format!("GRANT {from} TO trash_00000001_{to}")).await;
    at.make(&one).await.unwrap();
    assert!(at.as_agent(&one, &two.role()).await.is_err());
    at.sql(&format!("GRANT {from} TO {to}")).await;
    at.purge(&one).await.unwrap();
    at.purge(&two).await.unwrap();
}

#[tokio::test]
async fn a_role_that_was_limited_may_log_in_again() {
    let at = Fixture::new();
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    for limit in ["CONNECTION LIMIT 0", "VALID UNTIL '2001-01-01'", "VALID UNTIL '2999-01-01'"] {
        at.sql(&format!("ALTER ROLE {name} {limit}")).await;
        assert_eq!(at.make(&agent).await.unwrap(), REPAIRED, "{limit}");
        let mut inside = at.as_agent(&agent, &name).await.unwrap();
        execute(&mut inside, "SELECT 1").await.unwrap();
        assert!(at.make(&agent).await.unwrap().is_empty(), "{limit}: settled");
    }
}
