//! An agent's database: made, drifted, trashed, restored, purged, and made on after every kind of crash.

use agent_harness_model::kinds::service::SslMode;
use agent_harness_model::kinds::{Action, Have, Resource, database};
use agent_harness_model::world::{Class, Seen};
use rustix::process::Signal;

use super::fixture::{Fixture, Wanted, execute, first};
use super::server::{TestServer, signal, until};

const SEED: &str = "CREATE SCHEMA app; CREATE TABLE app.note (id int PRIMARY KEY, text text); \
    INSERT INTO app.note VALUES (1, 'seed'); CREATE VIEW app.texts AS SELECT text FROM app.note; \
    CREATE FUNCTION app.n() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM app.note'";

async fn template(at: &Fixture, generation: &str) -> Wanted {
    let template = Wanted::template(&at.name("tpl"), generation, &[SEED]);
    at.make(&template).await.unwrap();
    template
}

#[tokio::test]
async fn a_clone_belongs_to_its_agent_down_to_the_last_table() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&template));
    let done = at.make(&agent).await.unwrap();
    assert_eq!(done, [format!("clone from {}_g1, does not exist", at.name("tpl"))]);
    assert!(at.make(&agent).await.unwrap().is_empty(), "settled");

    let mut inside = at.as_agent(&agent, &at.name("agent")).await.unwrap();
    for sql in [
        "ALTER TABLE app.note ADD COLUMN more text",
        "CREATE TABLE app.tag (note int REFERENCES app.note)",
        "CREATE OR REPLACE VIEW app.texts AS SELECT text FROM app.note JOIN app.tag ON note = id",
        "SELECT app.n()",
        "DROP FUNCTION app.n()",
        "CREATE TABLE public.mine ()",
    ] {
        execute(&mut inside, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let Some(Have::Database(database::Observed::Live { generation, role_ok, .. })) =
        at.known(&agent.id, &agent.place).await
    else {
        panic!("not live")
    };
    assert_eq!((generation.as_deref(), role_ok), (Some("g1"), true));
}

#[tokio::test]
async fn a_template_is_copied_as_the_user_says() {
    let server = TestServer::start();
    let at = Fixture::on(&server);
    at.sql("ALTER SYSTEM SET log_statement = 'ddl'").await;
    at.sql("SELECT pg_reload_conf()").await;
    let template = template(&at, "g1").await;
    let version = at.ask("SHOW server_version_num").await.unwrap();
    let by_log = version.parse::<u32>().unwrap() >= 150_000;
    for (index, (strategy, clause)) in [
        // Which one is the rule's affair.
        (database::Strategy::Auto, " STRATEGY "),
        (database::Strategy::WalLog, " STRATEGY wal_log"),
        (database::Strategy::FileCopy, " STRATEGY file_copy"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = at.name(&format!("agent{index}"));
        let agent = Wanted::database(&name, &format!("uid-0000000{index}"), Some(&template));
        let made = at.make(&agent.copied(strategy)).await;
        if strategy == database::Strategy::WalLog && !by_log {
            assert_eq!(made.unwrap_err().class, Class::Terminal);
            continue;
        }
        made.unwrap();
        let log = agent_harness_providers::fs::read_to_string(server.folder.join("log")).unwrap();
        let statement =
            log.lines().find(|line| line.contains(&format!("CREATE DATABASE \"{name}\"")));
        let statement = statement.unwrap();
        assert_eq!(statement.contains(clause), by_log, "{strategy:?}: {statement}");
    }
}

#[tokio::test]
async fn names_that_need_quoting_are_only_names() {
    let at = Fixture::new();
    for name in ["Agent-3", "a\"; DROP ROLE postgres; --", "sélect 'x'", "user"] {
        let name = at.name(name);
        let agent = Wanted::database(&name, "uid-00000001", None);
        at.make(&agent).await.unwrap();
        let mut inside = at.as_agent(&agent, &name).await.unwrap();
        assert_eq!(
            first(&mut inside, "SELECT current_database()::text").await.unwrap(),
            Some(name)
        );
        drop(inside);
        at.trash(&agent).await.unwrap();
        at.make(&agent).await.unwrap();
        at.purge(&agent).await.unwrap();
    }
    let long = Wanted::database(&"x".repeat(64), "uid-00000001", None);
    let error = at.make(&long).await.unwrap_err();
    assert!(error.message.contains("longer than 63 bytes"), "{error}");
}

#[tokio::test]
async fn the_trash_keeps_every_row_and_gives_it_back() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    execute(&mut inside, "INSERT INTO app.note VALUES (2, 'mine')").await.unwrap();

    // The session is still open: it is ended.
    at.trash(&agent).await.unwrap();
    assert!(execute(&mut inside, "SELECT 1").await.is_err());
    assert!(at.as_agent(&agent, &name).await.is_err());
    assert!(at.trash(&agent).await.unwrap().is_empty(), "settled");

    // A successor takes the same name meanwhile.
    let successor = Wanted::database(&name, "uid-00000002", Some(&template));
    at.make(&successor).await.unwrap();
    let refused = at.make(&agent).await.unwrap_err();
    assert_eq!(refused.class, Class::Conflict, "{refused}");
    assert!(at.trash(&agent).await.unwrap().is_empty(), "the trashed one stays trashed");
    at.purge(&successor).await.unwrap();

    assert_eq!(at.make(&agent).await.unwrap(), ["restore, is in the trash and is wanted again"]);
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    let text = first(&mut inside, "SELECT text FROM app.note WHERE id = 2").await.unwrap();
    assert_eq!(text.as_deref(), Some("mine"));
    let Some(Have::Database(database::Observed::Live { generation, .. })) =
        at.known(&agent.id, &agent.place).await
    else {
        panic!("not live")
    };
    assert_eq!(generation.as_deref(), Some("g1"), "what it was cloned from is remembered");

    at.trash(&agent).await.unwrap();
    at.purge(&agent).await.unwrap();
    assert_eq!(at.known(&agent.id, &agent.place).await, None);
    let left = format!("SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%{name}'");
    assert_eq!(at.ask(&left).await, None);
}

/// As its owner it may: what cannot be dropped, or entered, as it is would stay for ever.
#[tokio::test]
async fn what_an_agent_makes_of_its_database_keeps_it_neither_here_nor_away() {
    let at = Fixture::new();
    let changes = ["IS_TEMPLATE true", "CONNECTION LIMIT 0", "IS_TEMPLATE true CONNECTION LIMIT 0"];
    for (index, change) in changes.into_iter().enumerate() {
        let name = at.name(&format!("agent{index}"));
        let agent = Wanted::database(&name, "uid-00000001", None);
        at.make(&agent).await.unwrap();
        let alter = async || {
            let mut inside = at.as_agent(&agent, &name).await.unwrap();
            execute(&mut inside, &format!("ALTER DATABASE {name} {change}")).await.unwrap();
        };
        alter().await;
        let done = at.make(&agent).await.unwrap();
        assert_eq!(done, ["repair role, its role was changed"], "{change}");
        alter().await;
        at.trash(&agent).await.unwrap();
        at.make(&agent).await.unwrap();
        at.as_agent(&agent, &name).await.unwrap();
        alter().await;
        at.trash(&agent).await.unwrap();
        at.purge(&agent).await.unwrap();
        assert_eq!(at.known(&agent.id, &agent.place).await, None, "{change}: from the trash");
        at.make(&agent).await.unwrap();
        alter().await;
        at.purge(&agent).await.unwrap();
        assert_eq!(at.known(&agent.id, &agent.place).await, None, "{change}: live");
    }
    // From its own database it cannot do this; whoever else did it.
    let name = at.name("closed");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    let close = format!("ALTER DATABASE {name} IS_TEMPLATE true ALLOW_CONNECTIONS false");
    at.sql(&close).await;
    at.trash(&agent).await.unwrap();
    at.make(&agent).await.unwrap();
    at.as_agent(&agent, &name).await.unwrap();
    at.sql(&close).await;
    at.purge(&agent).await.unwrap();
    assert_eq!(at.known(&agent.id, &agent.place).await, None);
}

#[tokio::test]
async fn drift_of_every_kind_is_repaired() {
    let at = Fixture::new();
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    for drift in [
        format!("ALTER ROLE {name} PASSWORD 'other'"),
        format!("ALTER ROLE {name} NOLOGIN"),
        format!("ALTER ROLE {name} CREATEDB"),
        format!("ALTER ROLE {name} SUPERUSER"),
        format!("ALTER DATABASE {name} OWNER TO postgres"),
        format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
        format!("GRANT CONNECT ON DATABASE {name} TO PUBLIC"),
    ] {
        at.sql(&drift).await;
        assert_eq!(
            at.make(&agent).await.unwrap(),
            ["repair role, its role was changed"],
            "{drift}"
        );
        at.as_agent(&agent, &name).await.unwrap();
    }
    at.sql(&format!("COMMENT ON DATABASE {name} IS 'what I like'")).await;
    assert!(at.make(&agent).await.unwrap().is_empty(), "the agent may write its own comment");

    at.sql(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    assert_eq!(at.make(&agent).await.unwrap(), ["create, does not exist"]);
    at.as_agent(&agent, &name).await.unwrap();

    at.sql(&format!("DROP DATABASE {name} WITH (FORCE)")).await;
    at.purge(&agent).await.unwrap();
    assert_eq!(at.known(&agent.id, &agent.place).await, None);
}

#[tokio::test]
async fn a_half_made_clone_is_never_seen_as_live_and_is_made_on() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", Some(&template));
    let mark = format!("agent-harness:{}:uid-00000001", at.installation);
    let creating = format!("{mark} state=creating generation=g1");
    // What a crash after each statement of the creation leaves, in order.
    let crashes = [
        format!("CREATE ROLE {name} NOLOGIN; COMMENT ON ROLE {name} IS '{creating}'"),
        format!(
            "CREATE DATABASE {name} TEMPLATE {}_g1 OWNER {name} ALLOW_CONNECTIONS false",
            at.name("tpl")
        ),
        format!(
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC; ALTER DATABASE {name} ALLOW_CONNECTIONS true"
        ),
    ];
    for upto in 1..=crashes.len() {
        for sql in &crashes[..upto] {
            at.sql(sql).await;
        }
        let have = at.known(&agent.id, &agent.place).await;
        assert_eq!(have, Some(Have::Database(database::Observed::Partial)), "after {upto}");
        assert!(at.as_agent(&agent, &name).await.is_err(), "closed after {upto}");
        let done = at.make(&agent).await.unwrap();
        assert_eq!(done.len(), 1, "{done:?}");
        let mut inside = at.as_agent(&agent, &name).await.unwrap();
        execute(&mut inside, "ALTER TABLE app.note ADD COLUMN more text").await.unwrap();
        drop(inside);
        at.purge(&agent).await.unwrap();
    }
    // Half of another generation is not worth going on with.
    for sql in &crashes {
        at.sql(sql).await;
    }
    let next = Wanted::template(&at.name("tpl"), "g2", &["CREATE TABLE second ()"]);
    at.make(&next).await.unwrap();
    let agent = Wanted::database(&name, "uid-00000001", Some(&next));
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    execute(&mut inside, "SELECT * FROM second").await.unwrap();
}

#[tokio::test]
async fn a_crash_in_the_middle_of_trash_restore_or_purge_is_finished() {
    let at = Fixture::new();
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    execute(&mut inside, "CREATE TABLE kept ()").await.unwrap();
    drop(inside);

    // Trash, cut after it was closed: trashed on, or opened again.
    let closed =
        format!("ALTER ROLE {name} NOLOGIN; ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    at.sql(&closed).await;
    at.trash(&agent).await.unwrap();
    at.make(&agent).await.unwrap();
    at.sql(&closed).await;
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    execute(&mut inside, "SELECT * FROM kept").await.unwrap();
    drop(inside);

    // Restore, cut after the rename: only the door is still shut.
    at.trash(&agent).await.unwrap();
    let mark = format!("agent-harness:{}:uid-00000001", at.installation);
    at.sql(&format!(
        "ALTER DATABASE \"trash_00000001_{name}\" RENAME TO {name}; \
         ALTER ROLE \"trash_00000001_{name}\" RENAME TO {name}; \
         COMMENT ON ROLE {name} IS '{mark} state=complete'"
    ))
    .await;
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &name).await.unwrap();
    execute(&mut inside, "SELECT * FROM kept").await.unwrap();
    drop(inside);

    // Purge, cut after the database: the role is left.
    at.trash(&agent).await.unwrap();
    at.sql(&format!("DROP DATABASE \"trash_00000001_{name}\"")).await;
    at.purge(&agent).await.unwrap();
    assert_eq!(at.known(&agent.id, &agent.place).await, None);
}

#[tokio::test]
async fn many_agents_clone_one_template_at_the_same_time() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let agents: Vec<Wanted> = (0..4)
        .map(|n| {
            Wanted::database(
                &at.name(&format!("agent{n}")),
                &format!("uid-{n:08}"),
                Some(&template),
            )
        })
        .collect();
    let (a, b, c, d, again) = tokio::join!(
        at.make(&agents[0]),
        at.make(&agents[1]),
        at.make(&agents[2]),
        at.make(&agents[3]),
        // The same one twice: the second waits for the first and finds it done.
        at.make(&agents[0]),
    );
    for done in [a, b, c, d, again] {
        done.unwrap();
    }
    for agent in &agents {
        at.as_agent(agent, &agent.role()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_killed_while_it_clones_ends_in_the_same_world() {
    let mut server = tokio::task::spawn_blocking(TestServer::start).await.unwrap();
    let at = Fixture::on(&server);
    let big = "CREATE TABLE big AS SELECT n, repeat('x', 1000) t FROM generate_series(1, 60000) n";
    let template = Wanted::template("tpl", "g1", &[SEED, big]);
    at.make(&template).await.unwrap();
    let agent = Wanted::database("agent", "uid-00000001", Some(&template));
    let mut tries = 0;
    loop {
        tries += 1;
        assert!(tries < 30, "nobody ever saw the clone under way");
        let mut making = Box::pin(at.make(&agent));
        let watcher = Fixture::on(&server);
        let cloning = || async {
            let sql = "SELECT pid::text FROM pg_stat_activity WHERE state = 'active' \
                       AND query LIKE 'CREATE DATABASE%'";
            watcher.ask(sql).await
        };
        // Its session is held still, so that it is in the middle for as long as this test needs.
        let begun = until("the clone is under way", || async {
            let Some(session) = cloning().await else { return false };
            let pid = session.parse().unwrap();
            signal(pid, Signal::STOP);
            let held = cloning().await == Some(session);
            if !held {
                signal(pid, Signal::CONT);
            }
            held
        });
        let missed = tokio::select! {
            done = &mut making => Some(done),
            () = begun => None,
        };
        if let Some(done) = missed {
            // On a busy machine nobody may look while it is under way.
            done.unwrap();
            at.trash(&agent).await.unwrap();
            at.purge(&agent).await.unwrap();
            continue;
        }
        server.kill();
        let error = making.await.unwrap_err();
        assert_eq!(error.class, Class::Indeterminate, "{error}");
        break;
    }
    let seen = at.observe(&agent.id, &agent.place, Some(&agent.resource)).await;
    assert!(matches!(seen, Seen::Unknown(_)), "down is not absent: {seen:?}");
    server.restart().await;
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, "agent").await.unwrap();
    let count = first(&mut inside, "SELECT count(*)::text FROM big").await.unwrap();
    assert_eq!(count.as_deref(), Some("60000"));
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_the_clone_and_nothing_is_made_twice() {
    let at = Fixture::new();
    let template = template(&at, "g1").await;
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&template));
    {
        let making = at.make(&agent);
        let cut = tokio::time::timeout(std::time::Duration::from_millis(40), making).await;
        drop(cut);
    }
    at.make(&agent).await.unwrap();
    at.as_agent(&agent, &agent.role()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_is_unknown_and_a_wrong_password_is_for_people() {
    let mut at = Fixture::new();
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", None);
    let right = at.connections.postgres["shared"].clone();
    let port = super::server::free_port();
    at.connections.postgres.get_mut("shared").unwrap().port = port;
    let error = at.apply(&agent.id, &create(&agent)).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert_eq!(
        error.message,
        format!(
            "cannot connect to PostgreSQL at 127.0.0.1:{port}: Connection refused (os error 111); \
         see that it runs, and that `postgres` of the Infra says where"
        )
    );
    let seen = at.observe(&agent.id, &agent.place, Some(&agent.resource)).await;
    assert_eq!(seen, Seen::Unknown(error.message));

    let wrong = agent_harness_model::secret::Secret::new("wrong-one");
    at.connections.postgres.insert(
        "shared".into(),
        agent_harness_model::kinds::service::PostgresConnection { password: wrong, ..right },
    );
    let error = at.apply(&agent.id, &create(&agent)).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal);
    assert!(error.message.contains("refuses the login of postgres"), "{error}");
    assert!(!error.message.contains("wrong-one"), "{error}");
}

#[tokio::test]
async fn a_change_that_meets_somebody_elses_is_tried_again() {
    let at = Fixture::new();
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    let mut other = at.admin("postgres").await;
    execute(&mut other, &format!("BEGIN; ALTER ROLE {name} CONNECTION LIMIT 7")).await.unwrap();
    let repair = {
        let Resource::Database(want) = &agent.resource else { panic!() };
        Action::Database(database::Action::RepairRole(want.clone()))
    };
    let waits = format!(
        "SELECT 'yes' FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND query LIKE 'ALTER ROLE \"{name}\"%'"
    );
    let commit = async {
        until("it meets the other's", || async { at.ask(&waits).await.is_some() }).await;
        execute(&mut other, "COMMIT").await.unwrap();
    };
    let (done, ()) = tokio::join!(at.apply(&agent.id, &repair), commit);
    let error = done.unwrap_err();
    assert!(error.message.contains("tuple concurrently updated"), "{error}");
    assert_eq!(error.class, Class::Transient);
    at.apply(&agent.id, &repair).await.unwrap();
}

/// On a server of somebody else's, an agent may reach other databases than its own.
#[tokio::test]
async fn a_role_that_has_more_than_its_database_is_purged_where_that_is_in_reach() {
    let at = Fixture::new();
    let name = at.name("agent");
    let agent = Wanted::database(&name, "uid-00000001", None);
    at.make(&agent).await.unwrap();
    at.sql(&format!("CREATE SCHEMA s_{name} AUTHORIZATION {name}")).await;
    at.sql(&format!("GRANT CONNECT ON DATABASE postgres TO {name}")).await;
    at.purge(&agent).await.unwrap();
    let left = format!(
        "SELECT 'left' FROM pg_roles, pg_namespace WHERE rolname = '{name}' OR nspname = 's_{name}'"
    );
    assert_eq!(at.ask(&left).await, None);

    // In a database of another's: not ours to enter.
    let other = at.name("other");
    at.sql(&format!("CREATE DATABASE {other}")).await;
    at.make(&agent).await.unwrap();
    let mut inside = at.admin(&other).await;
    execute(&mut inside, &format!("CREATE SCHEMA AUTHORIZATION {name}")).await.unwrap();
    let error = at.purge(&agent).await.unwrap_err();
    assert_eq!(
        error.message,
        format!(
            "cannot drop the role {name}: role \"{name}\" cannot be dropped because some objects depend on it; \
             1 object in database {other} (SQLSTATE 2BP01); run `DROP OWNED BY \"{name}\"` there, or give what \
             it owns to another role"
        )
    );
    execute(&mut inside, &format!("DROP OWNED BY {name}")).await.unwrap();
    at.purge(&agent).await.unwrap();
}

/// Functions that somebody put where names are looked for must not be run with the administrator's rights.
#[tokio::test]
async fn nobody_elses_function_is_called_as_the_administrator() {
    let server = TestServer::start();
    let at = Fixture::on(&server);
    let evil = "CREATE TABLE public.called (who text); GRANT INSERT ON public.called TO PUBLIC; \
        CREATE FUNCTION public.shobj_description(oid, text) RETURNS text LANGUAGE sql AS \
          $$INSERT INTO public.called VALUES (current_user); SELECT 'x'$$; \
        CREATE FUNCTION public.has_database_privilege(oid, text) RETURNS boolean LANGUAGE sql AS \
          $$INSERT INTO public.called VALUES (current_user); SELECT true$$";
    at.sql(evil).await;
    // What a clone holds is in the way of those who work inside of it.
    let template = Wanted::template(&at.name("tpl"), "g1", &[evil]);
    at.make(&template).await.unwrap();
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    assert!(matches!(at.known(&agent.id, &agent.place).await, Some(Have::Database(_))));
    at.trash(&agent).await.unwrap();
    at.make(&agent).await.unwrap();
    assert_eq!(at.ask("SELECT who FROM public.called").await, None);
    let mut inside = at.admin(&at.name("agent")).await;
    assert_eq!(first(&mut inside, "SELECT who FROM public.called").await.unwrap(), None);
}

#[tokio::test]
async fn what_the_spec_says_of_encryption_is_kept_to() {
    let mut at = Fixture::new();
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", None);
    let set = |at: &mut Fixture, mode| {
        at.connections.postgres.get_mut("shared").unwrap().sslmode = mode;
    };
    // The server has no certificate.
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        set(&mut at, Some(mode));
        let error = at.apply(&agent.id, &create(&agent)).await.unwrap_err();
        assert!(error.message.contains("TLS"), "{mode:?}: {error}");
    }
    for mode in [None, Some(SslMode::Prefer), Some(SslMode::Disable)] {
        set(&mut at, mode);
        at.make(&agent).await.unwrap();
    }
}

fn create(agent: &Wanted) -> agent_harness_model::kinds::Action {
    let agent_harness_model::kinds::Resource::Database(want) = &agent.resource else { panic!() };
    agent_harness_model::kinds::Action::Database(database::Action::Create(want.clone()))
}

/// An administrator who may create databases and roles, and is no superuser: what hosted servers give.
#[tokio::test]
async fn an_administrator_without_superuser_is_enough() {
    let mut at = Fixture::new();
    let admin = at.name("admin");
    at.sql(&format!("CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD 'pw'")).await;
    at.sql(&format!("GRANT CONNECT ON DATABASE postgres TO {admin}")).await;
    let connection = at.connections.postgres.get_mut("shared").unwrap();
    connection.user.clone_from(&admin);
    connection.password = agent_harness_model::secret::Secret::new("pw");

    let template = template(&at, "g1").await;
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", Some(&template));
    at.make(&agent).await.unwrap();
    let mut inside = at.as_agent(&agent, &agent.role()).await.unwrap();
    execute(&mut inside, "ALTER TABLE app.note ADD COLUMN more text").await.unwrap();
    drop(inside);
    at.trash(&agent).await.unwrap();
    at.make(&agent).await.unwrap();
    at.purge(&agent).await.unwrap();
    at.purge(&template).await.unwrap();
    let left =
        format!("SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%{}'", at.name("agent"));
    assert_eq!(at.ask(&left).await, None);
}
