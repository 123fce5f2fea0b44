//! Measures what the making of an agent's database costs beside `CREATE DATABASE` itself, and what a look costs.
//!
//! `cargo run --release -p agent-harness-providers --example agent_database [MEGABYTES]`: of the template, 100
//! unless told otherwise. Figures are in milliseconds, of an otherwise idle server with fsync on.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for developers")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::service::{EmbeddedPostgres, PostgresConnection};
use agent_harness_model::kinds::{Action, Place, Resource, command, database, template};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_model::world::{Ask, Record, Seen};
use agent_harness_providers::fs;
use agent_harness_providers::postgres::embedded::{self, Prepared, default_cache};
use agent_harness_providers::postgres::server::{Gate, Limit, Server};
use agent_harness_providers::postgres::{PostgresProvider, RunStep, Servers, StepFuture};
use agent_harness_providers::provider::{Context, Provider as _};
use tokio_util::sync::CancellationToken;

const RUNS: usize = 15;
/// Megabytes of the template.
const SIZE: u32 = 100;

/// Fills the template as its builder.
struct Fill;

impl RunStep for Fill {
    fn run<'a>(
        &'a self,
        _: &'a ResourceId,
        step: &'a template::BuildStep,
        env: BTreeMap<String, Text>,
        _: &'a CancellationToken,
    ) -> StepFuture<'a> {
        Box::pin(async move {
            let of = |name: &str| env[name].reveal().to_owned();
            let server = Server::new(PostgresConnection {
                host: of("PGHOST"),
                port: of("PGPORT").parse().unwrap(),
                user: of("PGUSER"),
                password: Secret::new(of("PGPASSWORD")),
                database: of("PGDATABASE"),
                sslmode: None,
                in_container: false,
                embedded_root: None,
            });
            run(&server, &step.command.argv[0]).await;
            Ok(())
        })
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::Builder::new().prefix("harness-bench-").tempdir().unwrap();
    fs::set_mode(folder.path(), 0o755).unwrap();
    let want = EmbeddedPostgres {
        port: std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port(),
        version: None,
        bin_dir: None,
        settings: BTreeMap::new(),
        root: folder.path().join("server"),
        admin_password: Secret::new("bench"),
    };
    let prepared = embedded::prepare(&want, &default_cache(), &|_| {}).await.unwrap();
    embedded::in_force::put_in_force(&prepared.layout).unwrap();
    let mut child = spawn(&prepared, folder.path());
    let to = PostgresConnection {
        host: "127.0.0.1".into(),
        port: want.port,
        user: "postgres".into(),
        password: want.admin_password.clone(),
        database: "postgres".into(),
        sslmode: None,
        in_container: false,
        embedded_root: Some(want.root.clone()),
    };
    let servers = Arc::new(Servers::default());
    let server = servers.get("shared", &to);
    let data = prepared.layout.data.clone();
    server.set_gate(Gate::Process { pid: child.id(), data });
    while server.session().await.is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let bench = Bench {
        provider: PostgresProvider::new(servers, Arc::new(Fill)),
        connections: Connections {
            postgres: [("shared".to_owned(), to)].into(),
            stores: BTreeMap::new(),
        },
        server,
    };
    Box::pin(bench.measure()).await;
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    child.wait().unwrap();
}

struct Bench {
    provider: PostgresProvider,
    connections: Connections,
    server: Arc<Server>,
}

impl Bench {
    async fn measure(&self) {
        let (tpl, name) = template();
        for action in [
            template::Action::Begin(Arc::clone(&tpl)),
            template::Action::Build(Arc::clone(&tpl), 0),
            template::Action::Seal(Arc::clone(&tpl)),
        ] {
            self.apply(&id(ResourceKind::Template, &name), Action::Template(action)).await;
        }
        let plain = format!("CREATE DATABASE plain TEMPLATE {name} STRATEGY wal_log");
        let (mut bare, mut made, mut looked) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..RUNS {
            run(&self.server, "CHECKPOINT").await;
            bare.push(timed(run(&self.server, &plain)).await);
            run(&self.server, "DROP DATABASE plain").await;
            run(&self.server, "CHECKPOINT").await;
            let want = agent(number, &tpl);
            let id = id(ResourceKind::Database, &want.place.database);
            let create = Action::Database(database::Action::Create(Arc::clone(&want)));
            made.push(timed(Box::pin(self.apply(&id, create))).await);
            looked.push(timed(self.look(&id, &want)).await);
        }
        println!("                       fastest  median");
        println!("CREATE DATABASE alone {}", figures(bare));
        println!("an agent's database   {}", figures(made));
        println!("a look at it          {}", figures(looked));
    }

    async fn apply(&self, id: &ResourceId, action: Action) {
        let context = Context::new(&self.connections, "bench");
        self.provider.apply(&context, id, &action).await.unwrap();
    }

    async fn look(&self, id: &ResourceId, want: &Arc<database::Desired>) {
        let context = Context::new(&self.connections, "bench");
        let place = Place::Database(want.place.clone());
        let resource = Resource::Database(Arc::clone(want));
        let record = Record::default();
        let ask = Ask { id, place: &place, want: Some(&resource), record: &record };
        match self.provider.observe(&context, &[ask]).await.get(id) {
            Seen::Known(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn template() -> (Arc<template::Desired>, String) {
    // A row is a little more than a kilobyte; an index and 40 small tables are part of any schema.
    let size = std::env::args().nth(1).and_then(|size| size.parse().ok()).unwrap_or(SIZE);
    let rows = size * 900;
    let fill = format!(
        "DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE public.t%s (id int PRIMARY KEY, x text)', i); \
         END LOOP; END $$; CREATE TABLE public.big AS SELECT n, repeat('x', 1000) t \
         FROM generate_series(1, {rows}) n; CREATE INDEX ON public.big (n)"
    );
    let name = "tpl_g1".to_owned();
    let command = command::Command { argv: vec![fill], cwd: "/".into(), env: BTreeMap::new() };
    let step = template::BuildStep { name: "fill".into(), command, timeout_s: 600 };
    let place = template::Place { infra: "shared".into(), database: name.clone() };
    let want = template::Desired { place, fingerprint: "g1".into(), build: vec![step] };
    (Arc::new(want), name)
}

fn agent(number: usize, template: &template::Desired) -> Arc<database::Desired> {
    let name = format!("agent_{number}");
    let place = database::Place {
        infra: "shared".into(),
        database: name.clone(),
        role: name.clone(),
        kept: None,
    };
    Arc::new(database::Desired {
        place,
        fingerprint: "f".into(),
        password: Secret::new("0123456789abcdef0123456789abcdef"),
        template: Some(database::From {
            database: template.place.database.clone(),
            generation: template.fingerprint.clone(),
        }),
        strategy: database::Strategy::WalLog,
        life: None,
    })
}

fn id(kind: ResourceKind, name: &str) -> ResourceId {
    let owner = ObjectKey::agent("agent-3");
    ResourceId { owner, uid: Uid::new("uid-00000001"), kind, name: name.to_owned() }
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    work.await;
    begun.elapsed()
}

fn figures(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let ms = |index: usize| times[index].as_secs_f64() * 1000.0;
    format!("{:8.1}{:8.1}", ms(0), ms(times.len() / 2))
}

async fn run(server: &Server, sql: &str) {
    let mut session = server.session().await.unwrap();
    session.run_within(Limit::Copy, sql.to_owned(), "measure").await.unwrap();
    session.keep();
}

fn spawn(prepared: &Prepared, folder: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(&prepared.argv[0]);
    command.args(&prepared.argv[1..]).current_dir("/").stderr(log);
    if let Some(user) = &prepared.user {
        command.uid(user.uid).gid(user.gid);
    }
    command.spawn().unwrap()
}
