//! Which servers are asked, for how long, and who is not.

use agent_harness_providers::postgres::PostgresProvider;

use super::*;
use crate::postgres::fixture::{Fixture, SqlSteps, Wanted};

/// The Infra's port was edited to one that somebody else's server has, which lets us in at that: until our own
/// server was seen there, nothing is asked of it and nothing is made in it.
#[tokio::test]
async fn an_edited_port_does_not_lead_to_the_server_of_a_stranger() {
    let stranger = TestServer::shared();
    let at = Fixture::new();
    let bench = Bench::new();
    let here = bench.want(free_port(), "f1");
    bench.start(&here).await.unwrap();
    let there = bench.want(stranger.port, "f2");
    let Runtime::EmbeddedPostgres(embedded) = &there.runtime else { panic!() };
    let mut connections = Connections::default();
    let to =
        PostgresConnection { embedded_root: Some(embedded.root.clone()), ..stranger.connection() };
    assert_eq!(to.password, embedded.admin_password, "the stranger would let us in");
    connections.postgres.insert("shared".into(), to);
    let provider = PostgresProvider::new(Arc::clone(&bench.servers), Arc::new(SqlSteps));
    let agent = Wanted::database(&at.name("agent"), "uid-00000001", None);
    let context = Context::new(&connections, "test");
    let record = Record::default();
    let ask =
        Ask { id: &agent.id, place: &agent.place, want: Some(&agent.resource), record: &record };
    let Resource::Database(want) = &agent.resource else { panic!() };
    let create = kinds::Action::Database(kinds::database::Action::Create(Arc::clone(want)));
    let closed = |why: &str| {
        assert!(why.contains("whether our own server has this port is not known yet"), "{why}");
    };

    match provider.observe(&context, &[ask]).await.get(&agent.id) {
        Seen::Unknown(why) => closed(&why),
        seen @ Seen::Known(_) => panic!("a stranger was asked: {seen:?}"),
    }
    closed(&provider.apply(&context, &agent.id, &create).await.unwrap_err().message);
    // Our own server runs on the old port, and is seen to do so.
    let Some(Observed::Running { fingerprint, .. }) = bench.see(&there, true).await else {
        panic!("it runs")
    };
    assert_eq!(fingerprint, "f1");
    let error = provider.apply(&context, &agent.id, &create).await.unwrap_err();
    assert!(error.message.contains(" is not ours but "), "{error}");
    let made = format!("SELECT rolname::text FROM pg_roles WHERE rolname = '{}'", agent.role());
    assert_eq!(at.ask(&made).await, None);
}

/// The databases on it are looked at, and cleared away, before it changes or goes: also by a controller that was
/// started in between, and by one that knows it as the server of an earlier incarnation alone.
#[tokio::test]
async fn whatever_server_of_ours_runs_is_reached_after_a_restart_of_the_controller() {
    let mut bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.start(&want).await.unwrap();
    let mut edited = want.clone();
    edited.fingerprint = "f2".into();
    let Runtime::EmbeddedPostgres(embedded) = &want.runtime else { panic!() };
    let to = PostgresConnection {
        host: "127.0.0.1".into(),
        port: embedded.port,
        user: "postgres".into(),
        password: embedded.admin_password.clone(),
        database: "postgres".into(),
        sslmode: None,
        in_container: false,
        embedded_root: Some(embedded.root.clone()),
    };
    bench.connections.postgres.insert("shared".into(), to.clone());
    for (id, want, wanted) in [
        (bench.id.clone(), &edited, true),
        (bench.id.clone(), &want, false),
        (bench.successor(), &want, true),
    ] {
        bench.again();
        let server = bench.servers.get("shared", &to);
        assert!(server.session().await.is_err(), "nobody has looked yet");
        bench.see_as(&id, want, wanted).await;
        server.session().await.unwrap().keep();
    }
}

/// Neither answers before both were asked: whoever asks one after the other hears of none.
#[tokio::test]
async fn a_server_that_hangs_does_not_keep_the_others_from_being_looked_at() {
    let bench = Bench::new();
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let wants = ["one", "two"].map(|infra| {
        let index = usize::from(infra == "two");
        let port = listeners[index].local_addr().unwrap().port();
        let connection = PostgresConnection { port, ..TestServer::shared().connection() };
        let place = Place { infra: infra.into(), name: "postgres".into(), root: None };
        let runtime = Runtime::ExternalPostgres(connection);
        let id = ResourceId { owner: ObjectKey::infra(infra), ..bench.id.clone() };
        let want = Desired { place: place.clone(), fingerprint: "f1".into(), runtime };
        (id, kinds::Place::Service(place), Resource::Service(Arc::new(want)))
    });
    let both = std::thread::spawn(move || {
        let asked = listeners.map(|listener| listener.accept().unwrap());
        drop(asked);
    });
    let record = Record::default();
    let asks: Vec<_> = wants
        .iter()
        .map(|(id, place, want)| Ask { id, place, want: Some(want), record: &record })
        .collect();
    let context = Context::new(&bench.connections, "test");
    let seen = bench.service.observe(&context, &asks).await;
    both.join().unwrap();
    for (id, _, _) in &wants {
        let Seen::Known(Some(Have::Service(Observed::Running { ready, .. }))) = seen.get(id) else {
            panic!("{id}")
        };
        let Readiness::NotReady(why) = ready else { panic!("{id} answers") };
        assert!(!why.contains("no answer within"), "{why}");
    }
}

/// Nobody waits for the start of a server that is not wanted like this any more.
#[tokio::test]
async fn a_start_that_is_not_wanted_any_more_is_broken_off() {
    let bench = Bench::new();
    let programs = bench.folder.path().join("programs");
    fs::create_dir_all(&programs, 0o755).unwrap();
    let slow = "#!/bin/sh\nexec sleep 1000\n";
    let version = "#!/bin/sh\necho 'postgres (PostgreSQL) 17.1'\n";
    for (name, text) in [("initdb", slow), ("postgres", version)] {
        let file = programs.join(format!("{name}.sh"));
        fs::write_atomic(&file, text, 0o755).unwrap();
        // By another program: what one of our threads has open for writing cannot be executed.
        let copied = std::process::Command::new("cp").arg(&file).arg(programs.join(name)).status();
        assert!(copied.unwrap().success());
    }
    let mut want = bench.want(free_port(), "f1");
    let Runtime::EmbeddedPostgres(embedded) = &mut want.runtime else { panic!() };
    embedded.bin_dir = Some(programs);
    let stop = tokio_util::sync::CancellationToken::new();
    let context = Context { stop: &stop, ..Context::new(&bench.connections, "test") };
    let action = kinds::Action::Service(Action::Start(Arc::new(want)));
    let drafts = || fs::list_dir(bench.root()).is_ok_and(|entries| !entries.is_empty());
    let (error, ()) = tokio::join!(bench.service.apply(&context, &bench.id, &action), async {
        while !drafts() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    });
    let error = error.unwrap_err();
    assert_eq!(
        error.message,
        "the start of PostgreSQL was broken off, because something else is wanted by now"
    );
    assert_eq!(error.class, Class::Transient);
}
