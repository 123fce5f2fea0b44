//! An agent's role opens its own database and nothing else.

use super::fixture::{Fixture, Wanted, execute, first};

#[tokio::test]
async fn a_role_opens_its_own_database_alone() {
    let at = Fixture::new();
    let tpl = Wanted::template(&at.name("tpl"), "g1", &["CREATE TABLE a ()"]);
    at.make(&tpl).await.unwrap();
    let one = Wanted::database(&at.name("one"), "uid-00000001", Some(&tpl));
    let two = Wanted::database(&at.name("two"), "uid-00000002", Some(&tpl));
    at.make(&one).await.unwrap();
    at.make(&two).await.unwrap();

    for other in
        [two.role(), format!("{}_g1", at.name("tpl")), "postgres".into(), "template1".into()]
    {
        let error = at.as_agent(&one, &other).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        // Not permitted, or a database that nobody may connect to.
        assert!(["42501", "55000"].contains(&code.as_str()), "{other}: {error}");
    }
    let wrong = super::fixture::login(at.port, &two.role(), &one.password(), &two.role()).await;
    assert!(wrong.is_err(), "a password is of one role");

    let mut inside = at.as_agent(&one, &one.role()).await.unwrap();
    for forbidden in [
        "SELECT rolpassword FROM pg_authid".to_owned(),
        "CREATE DATABASE more".to_owned(),
        "CREATE ROLE more".to_owned(),
        format!("SET ROLE {}", two.role()),
        format!("SET ROLE {}_g1", at.name("tpl")),
        format!("DROP DATABASE {}", two.role()),
        format!("ALTER ROLE {} PASSWORD 'x'", two.role()),
        format!("COMMENT ON ROLE {} IS 'x'", one.role()),
        format!("ALTER DATABASE {} RENAME TO renamed", one.role()),
        format!("ALTER DATABASE {} OWNER TO {}", one.role(), two.role()),
        "COPY (SELECT 1) TO PROGRAM 'true'".to_owned(),
        "SELECT pg_read_file('postgresql.conf')".to_owned(),
        "ALTER SYSTEM SET work_mem = '1MB'".to_owned(),
    ] {
        let error = execute(&mut inside, &forbidden).await.expect_err(&forbidden);
        assert_eq!(
            error.as_database_error().unwrap().code().unwrap(),
            "42501",
            "{forbidden}: {error}"
        );
    }
    let owner = first(&mut inside, "SELECT tableowner::text FROM pg_tables WHERE tablename = 'a'");
    assert_eq!(owner.await.unwrap(), Some(one.role()));
}

#[tokio::test]
async fn no_password_reaches_the_log_of_the_server() {
    let at = Fixture::new();
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", None);
    at.sql("ALTER SYSTEM SET log_statement = 'all'").await;
    at.sql("SELECT pg_reload_conf()").await;
    at.make(&agent).await.unwrap();
    at.sql("ALTER SYSTEM RESET log_statement").await;
    at.sql("SELECT pg_reload_conf()").await;
    let log = super::server::TestServer::shared().folder.join("log");
    let log = agent_harness_providers::fs::read(log).unwrap();
    let log = String::from_utf8_lossy(&log);
    assert!(log.contains(&format!("ALTER ROLE \"{}\"", agent.role())), "the log was looked at");
    assert!(!log.contains(&agent.password()));
    assert!(!log.contains("of agent_"), "not quoted either");
}
