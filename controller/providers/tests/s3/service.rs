//! The `Service` kind: our store as a supervised process, and a store that somebody else runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::service::{
    Action, Desired, EmbeddedObjectStore, Observed, Place, Runtime, StoreConnection,
};
use agent_harness_model::kinds::{self, Have, Readiness, Resource};
use agent_harness_model::secret::Secret;
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::process::Supervisor;
use agent_harness_providers::provider::{Context, Provider as _};
use agent_harness_providers::s3::{self, ObjectStoreService};

use crate::shim::shim;

use super::child;
use super::harness::{INSTALLATION, Server, free_port, get, put};

/// A state folder of its own; its server ends with it.
struct Bench {
    folder: tempfile::TempDir,
    service: ObjectStoreService,
    connections: Connections,
    id: ResourceId,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = service(&folder);
        let id = ResourceId {
            owner: ObjectKey::infra("shared"),
            uid: Uid::new("u-00000001"),
            kind: ResourceKind::Service,
            name: "objectStore".into(),
        };
        Self { folder, service, connections: Connections::default(), id }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("object-store")
    }

    fn want(&self, port: u16, fingerprint: &str) -> Desired {
        Desired {
            place: Place {
                infra: "shared".into(),
                name: "objectStore".into(),
                root: Some(self.root()),
            },
            fingerprint: fingerprint.into(),
            runtime: Runtime::EmbeddedObjectStore(EmbeddedObjectStore {
                port,
                root: self.root(),
                access_key: "root".into(),
                secret_key: Secret::new("root-secret"),
            }),
        }
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.connections, INSTALLATION)
    }

    async fn apply(&self, action: Action) -> Result<(), ApplyError> {
        self.apply_as(&self.id, action).await
    }

    async fn apply_as(&self, id: &ResourceId, action: Action) -> Result<(), ApplyError> {
        self.service.apply(&self.context(), id, &kinds::Action::Service(action)).await
    }

    async fn see(&self, want: &Desired, wanted: bool) -> Seen<Option<Observed>> {
        self.see_as(&self.id, want, wanted).await
    }

    async fn see_as(
        &self,
        id: &ResourceId,
        want: &Desired,
        wanted: bool,
    ) -> Seen<Option<Observed>> {
        let place = kinds::Place::Service(want.place.clone());
        let resource = Resource::Service(Arc::new(want.clone()));
        let record = Record::default();
        let ask = Ask { id, place: &place, want: wanted.then_some(&resource), record: &record };
        match self.service.observe(&self.context(), &[ask]).await.get(id) {
            Seen::Known(Some(Have::Service(have))) => Seen::Known(Some(have.clone())),
            Seen::Known(None) => Seen::Known(None),
            Seen::Known(Some(other)) => panic!("{other:?}"),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    /// The same Infra, deleted and put back.
    fn successor(&self) -> ResourceId {
        ResourceId { uid: Uid::new("u-00000002"), ..self.id.clone() }
    }

    fn client(&self, want: &Desired) -> aws_sdk_s3::Client {
        let Runtime::EmbeddedObjectStore(embedded) = &want.runtime else { panic!() };
        s3::client(&StoreConnection {
            endpoint: format!("http://127.0.0.1:{}", embedded.port),
            region: "us-east-1".into(),
            access_key: "root".into(),
            secret_key: Secret::new("root-secret"),
            embedded_root: Some(self.root()),
        })
    }

    async fn until(&self, want: &Desired, holds: impl Fn(&Observed) -> bool) -> Observed {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let seen = self.see(want, true).await;
            if let Seen::Known(Some(have)) = &seen
                && holds(have)
            {
                return have.clone();
            }
            assert!(Instant::now() < deadline, "waited too long; last seen: {seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn ready(&self, want: &Desired) -> u32 {
        let ready = |have: &Observed| {
            matches!(have, Observed::Running { ready: Readiness::Ready, fingerprint, .. }
                if *fingerprint == want.fingerprint)
        };
        match self.until(want, ready).await {
            Observed::Running { pid: Some(pid), .. } => pid,
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
                    let stop = Action::Stop(self.want(1, "f1").place);
                    let _ = runtime.block_on(self.apply_as(&id, stop));
                }
            });
        });
    }
}

/// A service of the folder's, as each new controller makes one.
fn service(folder: &tempfile::TempDir) -> ObjectStoreService {
    let program = folder.path().join("controller");
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n{}=\"$3\" exec {} --exact {} --nocapture\n",
        child::VARIABLE,
        test.display(),
        child::TEST
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let supervisor = Supervisor::new(folder.path().join("run"), shim()).unwrap();
    ObjectStoreService::new(Arc::new(supervisor), program, folder.path().join("logs"))
}

#[tokio::test]
async fn a_store_is_started_adopted_restarted_stopped_and_purged() {
    let mut bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    assert_eq!(bench.see(&want, true).await, Seen::Known(None));
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    // A start waits for the first answer.
    let seen = bench.see(&want, true).await;
    let Seen::Known(Some(Observed::Running { ready: Readiness::Ready, pid: Some(pid), .. })) = seen
    else {
        panic!("{seen:?}")
    };
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    let client = bench.client(&want);
    client.create_bucket().bucket("b-1").send().await.unwrap();
    put(&client, "b-1", "note", "kept").await;

    // No secret where everybody can read it.
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!arguments.contains("root-secret") && !environment.contains("root-secret"));

    // The next controller finds it again.
    bench.service = service(&bench.folder);
    assert_eq!(bench.ready(&want).await, pid);

    let moved = bench.want(free_port(), "f2");
    bench.apply(Action::Restart(Arc::new(moved.clone()))).await.unwrap();
    let second = bench.ready(&moved).await;
    assert_ne!(second, pid);
    assert_eq!(get(&bench.client(&moved), "b-1", "note").await, "kept");

    let second = rustix::process::Pid::from_raw(second.cast_signed()).unwrap();
    rustix::process::kill_process(second, rustix::process::Signal::KILL).unwrap();
    let killed = |have: &Observed| matches!(have, Observed::Exited { exit, .. } if exit.how == "signal SIGKILL");
    bench.until(&moved, killed).await;
    bench.apply(Action::Start(Arc::new(moved.clone()))).await.unwrap();
    bench.ready(&moved).await;

    bench.apply(Action::Stop(moved.place.clone())).await.unwrap();
    assert_eq!(bench.see(&moved, false).await, Seen::Known(Some(Observed::Stopped)));
    bench.apply(Action::Purge(moved.place.clone())).await.unwrap();
    assert_eq!(bench.see(&moved, false).await, Seen::Known(None));
    assert!(!bench.root().exists());
    bench.apply(Action::Purge(moved.place.clone())).await.unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_named() {
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let want = bench.want(listener.local_addr().unwrap().port(), "f1");
    let seen = bench.see(&want, true).await;
    let Seen::Known(Some(Observed::PortTaken(who))) = &seen else { panic!("{seen:?}") };
    assert!(who.starts_with(&format!("pid {} (", std::process::id())), "{who}");
}

#[tokio::test]
async fn data_of_another_installation_is_left_alone() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    bench.ready(&want).await;
    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    let owner = bench.root().join("owner");
    let refused = async || {
        assert_eq!(bench.see(&want, false).await, Seen::Known(None));
        let error = bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap_err();
        assert_eq!(error.class, Class::Conflict, "{error}");
        bench.apply(Action::Purge(want.place.clone())).await.unwrap();
        assert!(bench.root().join("buckets").exists());
    };
    std::fs::write(&owner, "agent-harness:i-other:u-00000001").unwrap();
    refused().await;

    // No note, and a configuration of another one; or none of all that.
    std::fs::remove_file(&owner).unwrap();
    let config = bench.root().join(".harness/config.json");
    let text = std::fs::read_to_string(&config).unwrap().replace(INSTALLATION, "i-other");
    std::fs::write(&config, text).unwrap();
    refused().await;
    std::fs::remove_file(&config).unwrap();
    refused().await;
}

#[tokio::test]
async fn a_leaving_incarnation_does_not_touch_the_data_of_its_successor() {
    let bench = Bench::new();
    let (old, new) = (bench.id.clone(), bench.successor());
    let want = bench.want(free_port(), "f1");
    bench.apply_as(&old, Action::Start(Arc::new(want.clone()))).await.unwrap();
    bench.client(&want).create_bucket().bucket("b-1").send().await.unwrap();
    put(&bench.client(&want), "b-1", "note", "kept").await;

    // As long as the old server runs nobody takes its data from under it.
    let elsewhere = bench.want(free_port(), "f2");
    let error = bench.apply_as(&new, Action::Start(Arc::new(elsewhere))).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert!(error.message.contains("shared.00000001/objectStore, still runs"), "{error}");
    bench.apply_as(&new, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(get(&bench.client(&want), "b-1", "note").await, "kept");

    bench.apply_as(&old, Action::Stop(want.place.clone())).await.unwrap();
    assert_eq!(bench.see_as(&old, &want, false).await, Seen::Known(Some(Observed::Stopped)));
    bench.apply_as(&new, Action::Start(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(bench.see_as(&old, &want, false).await, Seen::Known(None));
    bench.apply_as(&old, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(get(&bench.client(&want), "b-1", "note").await, "kept");

    bench.apply_as(&new, Action::Stop(want.place.clone())).await.unwrap();
    bench.apply_as(&old, Action::Purge(want.place.clone())).await.unwrap();
    assert!(bench.root().join("buckets/b-1").exists());
    bench.apply_as(&new, Action::Purge(want.place.clone())).await.unwrap();
    assert!(!bench.root().exists());
}

/// Earlier versions wrote the installation into the configuration, and no note.
#[tokio::test]
async fn data_of_an_earlier_version_is_taken_up() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    let owner = bench.root().join("owner");
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    bench.client(&want).create_bucket().bucket("b-1").send().await.unwrap();
    put(&bench.client(&want), "b-1", "note", "kept").await;
    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    std::fs::remove_file(&owner).unwrap();
    // Nobody can say whose it is: it is not removed.
    bench.apply(Action::Purge(want.place.clone())).await.unwrap();
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(get(&bench.client(&want), "b-1", "note").await, "kept");

    // The server that runs on it says whose it is.
    std::fs::remove_file(&owner).unwrap();
    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    assert_eq!(bench.see(&want, false).await, Seen::Known(Some(Observed::Stopped)));
    bench.apply(Action::Purge(want.place.clone())).await.unwrap();
    assert!(!bench.root().exists());
}

#[tokio::test]
async fn a_purge_takes_what_a_cut_off_start_left() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    std::fs::write(bench.root().join(".harness/.config.json.1-0.harness-tmp"), "{").unwrap();
    bench.apply(Action::Purge(want.place.clone())).await.unwrap();
    assert!(!bench.root().exists());
}

#[tokio::test]
async fn what_cannot_be_prepared_stops_no_server_that_runs() {
    let bench = Bench::new();
    let want = bench.want(free_port(), "f1");
    bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap();
    let pid = bench.ready(&want).await;
    let root_key = bench.root().join(".harness/root-key.json");
    std::fs::remove_file(&root_key).unwrap();
    std::fs::create_dir_all(root_key.join("in the way")).unwrap();
    let other = bench.want(free_port(), "f2");
    bench.apply(Action::Restart(Arc::new(other))).await.unwrap_err();
    assert_eq!(bench.ready(&want).await, pid);
}

#[tokio::test]
async fn a_server_that_ends_at_once_says_why() {
    let bench = Bench::new();
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let want = bench.want(listener.local_addr().unwrap().port(), "f1");
    let error = bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    let how = "the object store ended right after its start (exit code 1)";
    assert!(error.message.starts_with(how), "{error}");
    assert!(error.message.contains("cannot listen on 127.0.0.1"), "{error}");
}

#[tokio::test]
async fn our_own_server_is_seen_until_it_has_ended_where_somebody_else_runs_one_now() {
    let theirs = Server::start();
    let bench = Bench::new();
    let ours = bench.want(free_port(), "f1");
    bench.apply(Action::Start(Arc::new(ours.clone()))).await.unwrap();
    let mut want = bench.want(1, "f2");
    want.runtime = Runtime::ExternalObjectStore(theirs.external());
    want.place.root = None;
    let seen = bench.see(&want, true).await;
    let Seen::Known(Some(Observed::Running { fingerprint, pid: Some(_), .. })) = seen else {
        panic!("{seen:?}")
    };
    assert_eq!(fingerprint, "f1");
    bench.apply(Action::Stop(want.place.clone())).await.unwrap();
    let ready = Observed::Running { fingerprint: "f2".into(), ready: Readiness::Ready, pid: None };
    assert_eq!(bench.see(&want, true).await, Seen::Known(Some(ready)));
    assert!(bench.root().join("buckets").exists(), "the data is kept");
}

#[tokio::test]
async fn a_store_of_somebody_else_s_is_only_looked_at() {
    let mut server = Server::start();
    let bench = Bench::new();
    let mut want = bench.want(server.port, "f1");
    want.runtime = Runtime::ExternalObjectStore(server.external());
    want.place.root = None;
    let ready = Observed::Running { fingerprint: "f1".into(), ready: Readiness::Ready, pid: None };
    assert_eq!(bench.see(&want, true).await, Seen::Known(Some(ready)));
    let error = bench.apply(Action::Start(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Blocked);
    server.kill();
    let seen = bench.see(&want, true).await;
    let told = format!(
        "cannot reach the object store at {} (see that it runs, and that `objectStore` of the Infra says where)",
        server.external().endpoint
    );
    assert!(
        matches!(&seen, Seen::Known(Some(Observed::Running { ready: Readiness::NotReady(why), .. }))
            if why.starts_with(&told)),
        "{seen:?}"
    );
}
