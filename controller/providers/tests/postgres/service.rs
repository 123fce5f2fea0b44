//! The `Service` kind: PostgreSQL as a supervised process, and a server that somebody else runs.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::service::{
    Action, Desired, Observed, Place, PostgresConnection, Runtime,
};
use agent_harness_model::kinds::{self, Have, Readiness, Resource};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::fs;
use agent_harness_providers::postgres::PostgresService;
use agent_harness_providers::postgres::embedded::{self, default_cache};
use agent_harness_providers::postgres::server::{Server, Servers};
use agent_harness_providers::process::Supervisor;
use agent_harness_providers::provider::{Context, Provider as _};

use super::fixture::{execute, first, login};
use super::server::{TestServer, embedded_want, free_port};
use crate::shim::shim;

mod reach;
mod settings;

/// A state folder of its own; its server ends with it.
struct Bench {
    folder: tempfile::TempDir,
    service: PostgresService,
    servers: Arc<Servers>,
    connections: Connections,
    id: ResourceId,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("harness-pg-").tempdir().unwrap();
        fs::set_mode(folder.path(), 0o755).unwrap();
        let servers = Arc::new(Servers::default());
        let service = service(&folder, &servers);
        let id = ResourceId {
            owner: ObjectKey::infra("shared"),
            uid: Uid::new("u-00000001"),
            kind: ResourceKind::Service,
            name: "postgres".into(),
        };
        Self { folder, service, servers, connections: Connections::default(), id }
    }

    /// What a controller that was started again has.
    fn again(&mut self) {
        self.servers = Arc::default();
        self.service = service(&self.folder, &self.servers);
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    fn want(&self, port: u16, fingerprint: &str) -> Desired {
        Desired {
            place: Place {
                infra: "shared".into(),
                name: "postgres".into(),
                root: Some(self.root()),
            },
            fingerprint: fingerprint.into(),
            runtime: Runtime::EmbeddedPostgres(embedded_want(self.folder.path(), port)),
        }
    }

    async fn apply(&self, action: Action) -> Result<(), ApplyError> {
        self.apply_as(&self.id, action).await
    }

    async fn apply_as(&self, id: &ResourceId, action: Action) -> Result<(), ApplyError> {
        let context = Context::new(&self.connections, "test");
        self.service.apply(&context, id, &kinds::Action::Service(action)).await
    }

    /// The same Infra, deleted and put back.
    fn successor(&self) -> ResourceId {
        ResourceId { uid: Uid::new("u-00000002"), ..self.id.clone() }
    }

    async fn start(&self, want: &Desired) -> Result<(), ApplyError> {
        self.apply(Action::Start(Arc::new(want.clone()))).await
    }

    /// Prepares as a start does, whether or not it runs.
    async fn prepare(&self, want: &Desired) {
        let Runtime::EmbeddedPostgres(embedded) = &want.runtime else { panic!() };
        embedded::prepare(embedded, &default_cache(), &|_| {}).await.unwrap();
    }

    async fn see(&self, want: &Desired, wanted: bool) -> Option<Observed> {
        self.see_as(&self.id, want, wanted).await
    }

    async fn see_as(&self, id: &ResourceId, want: &Desired, wanted: bool) -> Option<Observed> {
        let context = Context::new(&self.connections, "test");
        let place = kinds::Place::Service(want.place.clone());
        let resource = Resource::Service(Arc::new(want.clone()));
        let record = Record::default();
        let ask = Ask { id, place: &place, want: wanted.then_some(&resource), record: &record };
        match self.service.observe(&context, &[ask]).await.get(id) {
            Seen::Known(Some(Have::Service(have))) => Some(have.clone()),
            Seen::Known(None) => None,
            other => panic!("{other:?}"),
        }
    }

    async fn ready(&self, want: &Desired) -> u32 {
        match self.see(want, true).await {
            Some(Observed::Running { fingerprint, ready: Readiness::Ready, pid: Some(pid) })
                if fingerprint == want.fingerprint =>
            {
                pid
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // On a thread and runtime of its own: the test's may be unwinding.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.unwrap();
                for id in [self.id.clone(), self.successor()] {
                    let stop = Action::Stop(self.want(1, "f").place);
                    let _ = runtime.block_on(self.apply_as(&id, stop));
                }
            });
        });
    }
}

fn service(folder: &tempfile::TempDir, servers: &Arc<Servers>) -> PostgresService {
    let supervisor = Supervisor::new(folder.path().join("run"), shim()).unwrap();
    PostgresService::new(
        Arc::new(supervisor),
        Arc::clone(servers),
        folder.path().join("logs"),
        default_cache(),
        Arc::new(|_, _| {}),
    )
}

async fn ask(want: &Desired, sql: &str) -> Option<String> {
    let Runtime::EmbeddedPostgres(embedded) = &want.runtime else { panic!() };
    let password = embedded.admin_password.reveal();
    let mut connection = login(embedded.port, "postgres", password, "postgres").await.unwrap();
    first(&mut connection, sql).await.unwrap()
}

#[tokio::test]
async fn a_server_is_started_adopted_restarted_stopped_and_purged() {
    let mut bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    assert_eq!(bench.see(&want, true).await, None);
    bench.start(&want).await.unwrap();
    let pid = bench.ready(&want).await;

    // Already so; and the same process for a controller that comes after us.
    bench.start(&want).await.unwrap();
    assert_eq!(bench.ready(&want).await, pid);
    bench.again();
    assert_eq!(bench.ready(&want).await, pid);
    assert_eq!(ask(&want, "CREATE TABLE kept AS SELECT 'mine' AS text").await, None);

    // Other settings.
    let mut other = bench.want(free_port(), "f2");
    let Runtime::EmbeddedPostgres(embedded) = &mut other.runtime else { panic!() };
    embedded.settings.insert("work_mem".into(), "7MB".into());
    embedded.settings.insert("shared_preload_libraries".into(), "pg_stat_statements".into());
    bench.apply(Action::Restart(Arc::new(other.clone()))).await.unwrap();
    assert_ne!(bench.ready(&other).await, pid);
    assert_eq!(ask(&other, "SHOW work_mem").await.as_deref(), Some("7MB"));
    ask(&other, "CREATE EXTENSION pg_stat_statements").await;

    bench.apply(Action::Stop(other.place.clone())).await.unwrap();
    assert_eq!(bench.see(&other, true).await, Some(Observed::Stopped));
    bench.apply(Action::Stop(other.place.clone())).await.unwrap();
    bench.start(&other).await.unwrap();
    assert_eq!(ask(&other, "SELECT text FROM kept").await.as_deref(), Some("mine"));

    bench.apply(Action::Purge(other.place.clone())).await.unwrap();
    assert_eq!(bench.see(&other, true).await, None);
    assert!(fs::metadata(bench.root()).unwrap().is_none());
    bench.apply(Action::Purge(other.place.clone())).await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_killed_is_seen_as_ended_and_comes_back_with_its_data() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.start(&want).await.unwrap();
    let pid = bench.ready(&want).await;
    ask(&want, "CREATE TABLE kept AS SELECT 'mine' AS text").await;
    let raw = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match bench.see(&want, true).await {
            Some(Observed::Exited { exit, .. }) if exit.restart_due => break,
            Some(Observed::Running { .. } | Observed::Exited { .. } | Observed::PortTaken(_)) => {}
            other => panic!("{other:?}"),
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bench.start(&want).await.unwrap();
    assert_ne!(bench.ready(&want).await, pid);
    assert_eq!(ask(&want, "SELECT text FROM kept").await.as_deref(), Some("mine"));
}

/// After a power cut the pid in `postmaster.pid` is soon some other program's, and PostgreSQL takes that for
/// itself.
#[tokio::test]
async fn a_server_starts_after_a_power_cut_though_its_pid_is_in_use_again() {
    use std::os::unix::process::CommandExt as _;
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.start(&want).await.unwrap();
    let pid = bench.ready(&want).await;
    let lock = bench.root().join("data/postmaster.pid");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.starts_with(&format!("{pid}\n")), "{text}");
    // Not while the server runs.
    bench.prepare(&want).await;
    assert_eq!(fs::read_to_string(&lock).unwrap(), text);

    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    // A stranger of the same user.
    let mut stranger = std::process::Command::new("sleep");
    stranger.arg("1000").current_dir("/");
    let owner = fs::metadata(bench.root().join("data")).unwrap().unwrap();
    let (uid, gid) = (owner.uid(), owner.gid());
    if rustix::process::geteuid().is_root() {
        stranger.uid(uid).gid(gid);
    }
    let mut stranger = stranger.spawn().unwrap();
    let left = text.replacen(&pid.to_string(), &stranger.id().to_string(), 1);
    fs::write_atomic(&lock, left, 0o600).unwrap();
    std::os::unix::fs::chown(&lock, Some(uid), Some(gid)).unwrap();
    let started = bench.start(&want).await;
    let lives = stranger.try_wait().unwrap().is_none();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    started.unwrap();
    assert!(lives, "the stranger was left alone");
    bench.ready(&want).await;
}

#[tokio::test]
async fn a_leaving_incarnation_does_not_touch_the_data_of_its_successor() {
    let bench = Bench::new();
    let (old, new) = (bench.id.clone(), bench.successor());
    let want = bench.want(free_port(), "f1");
    let start = || Action::Start(Arc::new(want.clone()));
    bench.apply_as(&old, start()).await.unwrap();
    ask(&want, "CREATE TABLE kept AS SELECT 'mine' AS text").await;
    let error = bench.apply_as(&new, start()).await.unwrap_err();
    assert!(error.message.contains("shared.00000001/postgres, still runs"), "{error}");
    bench.apply_as(&old, Action::Stop(want.place.clone())).await.unwrap();

    bench.apply_as(&new, start()).await.unwrap();
    assert_eq!(bench.see(&want, false).await, None, "the old one has nothing left");
    bench.apply_as(&old, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(ask(&want, "SELECT text FROM kept").await.as_deref(), Some("mine"));
    bench.apply_as(&new, Action::Purge(want.place.clone())).await.unwrap();
    assert!(fs::metadata(bench.root()).unwrap().is_none());
}

#[tokio::test]
async fn data_that_nobody_claimed_is_not_taken() {
    let bench = Bench::new();
    fs::create_dir_all(bench.root().join("data"), 0o700).unwrap();
    let want = bench.want(free_port(), "f1");
    let error = bench.start(&want).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    bench.apply(Action::Purge(want.place.clone())).await.unwrap();
    assert!(fs::metadata(bench.root().join("data")).unwrap().is_some());
}

#[tokio::test]
async fn a_stranger_on_the_port_is_named_and_never_sees_the_password() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let want = bench.want(port, "f1");
    let Some(Observed::PortTaken(who)) = bench.see(&want, true).await else { panic!() };
    assert!(who.starts_with(&format!("pid {} (", std::process::id())), "{who}");

    // Nothing is sent to it.
    listener.set_nonblocking(true).unwrap();
    let Runtime::EmbeddedPostgres(embedded) = &want.runtime else { panic!() };
    let to = PostgresConnection {
        host: "127.0.0.1".into(),
        port,
        user: "postgres".into(),
        password: embedded.admin_password.clone(),
        database: "postgres".into(),
        sslmode: None,
        in_container: false,
        embedded_root: Some(embedded.root.clone()),
    };
    let error = bench.servers.get("shared", &to).session().await.unwrap_err();
    assert!(error.to_string().contains("our server does not run"), "{error}");
    assert!(listener.accept().is_err(), "nobody connected");

    // Started all the same, it cannot listen, and says so.
    let error = bench.start(&want).await.unwrap_err();
    assert!(error.message.starts_with("PostgreSQL ended right after its start"), "{error}");
    assert!(error.message.contains("Address already in use"), "{error}");
    assert_eq!(error.class, Class::Transient);
    assert!(listener.accept().is_err(), "nobody connected");
}

#[tokio::test]
async fn an_edit_to_a_port_that_a_stranger_has_costs_no_server_that_works() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.start(&want).await.unwrap();
    let pid = bench.ready(&want).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let other = bench.want(port, "f2");
    let error = bench.apply(Action::Restart(Arc::new(other))).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict);
    let who = format!("port {port} is taken by pid {} (", std::process::id());
    assert!(error.message.starts_with(&who), "{error}");
    assert_eq!(bench.ready(&want).await, pid);
}

#[tokio::test]
async fn a_server_of_somebody_else_is_only_looked_at() {
    let bench = Bench::new();
    let connection = TestServer::shared().connection();
    let mut want = bench.want(1, "f1");
    want.place.root = None;
    want.runtime = Runtime::ExternalPostgres(connection.clone());
    let Some(Observed::Running { ready, pid, .. }) = bench.see(&want, true).await else { panic!() };
    assert_eq!((ready, pid), (Readiness::Ready, None));
    let error = bench.start(&want).await.unwrap_err();
    assert_eq!(error.class, Class::Blocked);
    bench.apply(Action::Purge(want.place.clone())).await.unwrap();
    let mut inside =
        login(connection.port, "postgres", connection.password.reveal(), "postgres").await.unwrap();
    execute(&mut inside, "SELECT 1").await.unwrap();

    let port = free_port();
    let server = PostgresConnection { port, ..connection };
    assert!(Server::new(server.clone()).session().await.is_err());
    want.runtime = Runtime::ExternalPostgres(server);
    let Some(Observed::Running { ready, .. }) = bench.see(&want, true).await else { panic!() };
    let why = format!(
        "cannot connect to PostgreSQL at 127.0.0.1:{port}: Connection refused (os error 111); \
         see that it runs, and that `postgres` of the Infra says where"
    );
    assert_eq!(ready, Readiness::NotReady(why));
}
