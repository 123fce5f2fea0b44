//! The control socket as a client meets it: a real engine over a world in memory.

mod leaving;
mod processes;
mod restart;
mod services;
mod specs;
mod whatif;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_harness_model::api::{
    Applied, ApplyRequest, Change, Deleted, ErrorBody, Info, Object, SpecFile, Trashed,
};
use agent_harness_model::desired::Connections;
use agent_harness_model::world::Observed;
use agent_harness_providers::fs;
use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::core::Config;
use crate::down::DownError;
use crate::engine::Engine;
use crate::observe::Question;
use crate::testing::Hall;

struct Site {
    folder: tempfile::TempDir,
    world: Hall,
    engine: Engine<Hall>,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("specs"), 0o755).unwrap();
        let world = Hall::default();
        let site = Self { engine: engine(folder.path(), &world), folder, world };
        let stack = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                     spec: {processes: {main: {run: sleep 1000}}}\n";
        fs::write_atomic(site.spec("s.yaml"), stack, 0o644).unwrap();
        site
    }

    /// Ends the engine and starts another one over another world.
    async fn restart(self, world: &Hall) -> Self {
        self.engine.stop().await;
        let engine = engine(self.folder.path(), world);
        Self { engine, folder: self.folder, world: world.clone() }
    }

    /// Waits until something holds.
    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !holds().await {
            assert!(std::time::Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    async fn is_there(&self, path: &str) -> bool {
        self.call("GET", path, b"").await.0 == StatusCode::OK
    }

    async fn trash(&self) -> Vec<Trashed> {
        self.ok("GET", "/v1/trash", b"").await
    }

    fn spec(&self, name: &str) -> PathBuf {
        self.folder.path().join("specs").join(name)
    }

    async fn call(&self, method: &str, path: &str, body: &[u8]) -> (StatusCode, Bytes) {
        let state = self.folder.path().join("state");
        let stream = super::connect(&state).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "control.sock")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes())
    }

    async fn ok<T: DeserializeOwned>(&self, method: &str, path: &str, body: &[u8]) -> T {
        let (status, bytes) = self.call(method, path, body).await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_slice(&bytes).unwrap()
    }

    async fn refused(&self, method: &str, path: &str, body: &[u8]) -> (u16, ErrorBody) {
        let (status, bytes) = self.call(method, path, body).await;
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    /// Applies one file, once the controller has seen the Stack.
    async fn apply(&self, text: &str) -> Vec<Applied> {
        self.until("the Stack", async || self.is_there("/v1/objects/stack/s").await).await;
        self.ok("POST", "/v1/apply", &request(text)).await
    }
}

fn config(folder: &Path) -> Config {
    Config::new(folder.join("specs"), folder.join("state")).unwrap()
}

fn engine(folder: &Path, world: &Hall) -> Engine<Hall> {
    Engine::start(config(folder), |_| Ok(world.clone())).unwrap()
}

fn open(folder: &Path, world: &Hall) -> Engine<Hall> {
    Engine::open(config(folder), |_| Ok(world.clone())).unwrap()
}

fn request(text: &str) -> Vec<u8> {
    files(&[("given.yaml", None, text)])
}

/// A request with files: each with its name, its folder and its text.
fn files(files: &[(&str, Option<&Path>, &str)]) -> Vec<u8> {
    let file = |(name, folder, text): &(&str, Option<&Path>, &str)| SpecFile {
        name: (*name).to_owned(),
        folder: folder.map(Path::to_path_buf),
        text: (*text).to_owned(),
    };
    let files = files.iter().map(file).collect();
    serde_json::to_vec(&ApplyRequest { files, dry_run: false }).unwrap()
}

const AGENT: &str = "# mine\napiVersion: agent-harness.dev/v1alpha1\nkind: Agent\n\
                     metadata: {name: agent-3}\nspec: {stack: s}\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_applied_deleted_and_brought_back() {
    let site = Site::start();
    let info: Info = site.ok("GET", "/v1/info", b"").await;
    assert_eq!(info.pid, std::process::id());

    let applied = site.apply(AGENT).await;
    assert_eq!((applied[0].change, applied[0].generation), (Change::Created, 1));
    assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), AGENT);
    assert_eq!(site.apply(AGENT).await[0].change, Change::Unchanged);
    let edited = AGENT
        .replace("{stack: s}", "{stack: s, id: 7}")
        .replace("{name: agent-3}", "{name: agent-3, labels: {team: billing}}");
    let applied = site.apply(&edited).await;
    assert_eq!((applied[0].change, applied[0].generation), (Change::Configured, 2));
    assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), edited);
    let object: Object = site.ok("GET", "/v1/objects/agent/agent-3", b"").await;
    assert_eq!(object.spec["id"], 7);
    assert_eq!(object.metadata.labels["team"], "billing");

    let (status, body) = site.refused("DELETE", "/v1/objects/stack/s", b"").await;
    assert_eq!(status, 409);
    assert_eq!(body.message, "stack/s is still used by agent/agent-3; delete these first");

    let deleted: Deleted = site.ok("DELETE", "/v1/objects/agent/agent-3", b"").await;
    assert_eq!(deleted.uids, std::slice::from_ref(&object.metadata.uid));
    assert!(deleted.until.is_some());
    assert!(fs::metadata(site.spec("agent-3.yaml")).unwrap().is_none());
    assert_eq!(site.trash().await.len(), 1);

    let restored: Applied = site.ok("POST", "/v1/objects/agent/agent-3/undelete", b"").await;
    assert_eq!(restored.change, Change::Restored);
    let again: Object = site.ok("GET", "/v1/objects/agent/agent-3", b"").await;
    assert_eq!(again.metadata.uid, object.metadata.uid, "it is the same one");
    assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), edited);
    let (status, body) = site.refused("POST", "/v1/objects/agent/agent-3/undelete", b"").await;
    assert_eq!((status, body.message.as_str()), (409, "agent/agent-3 is there already"));
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_and_changes_nothing() {
    let site = Site::start();
    site.apply(AGENT).await;
    let wrong = AGENT.replace("{stack: s}", "{stack: t}");
    let (status, body) = site.refused("POST", "/v1/apply", &request(&wrong)).await;
    assert_eq!(status, 422);
    assert_eq!(body.message, "1 problem in the specs; nothing was changed");
    assert!(body.diagnostics[0].contains("given.yaml:5"), "{}", body.diagnostics[0]);
    assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), AGENT);
    for (method, path) in [
        ("GET", "/v1/objects/agent/no"),
        ("DELETE", "/v1/objects/agent/no"),
        ("POST", "/v1/objects/agent/no/undelete"),
        ("POST", "/v1/objects/agent/no/reconcile"),
        ("POST", "/v1/objects/agent/agent-3/restart?process=no"),
        ("GET", "/v1/objects/pod/x"),
        ("GET", "/v2"),
    ] {
        assert_eq!(site.refused(method, path, b"").await.0, 404, "{method} {path}");
    }
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_controller_saw_is_not_passed_on() {
    let site = Site::start();
    site.apply(AGENT).await;
    let path = "/v1/objects/agent/agent-3";
    let first: Object = site.ok("GET", path, b"").await;
    assert!(first.status.is_some(), "it was looked at");

    let world = Hall::default().closed();
    let site = site.restart(&world).await;
    let unseen: Object = site.ok("GET", path, b"").await;
    assert_eq!((unseen.metadata.uid, unseen.status), (first.metadata.uid, None));
    let all: Vec<Object> = site.ok("GET", "/v1/objects", b"").await;
    assert!(all.iter().all(|object| object.kind == "Stack" || object.status.is_none()), "{all:?}");

    world.open();
    let seen: Object = site.ok("GET", path, b"").await;
    assert!(seen.status.is_some(), "the answer waits for the first look");
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_about_objects_before_the_specs_were_read() {
    let site = Site::start();
    site.apply(AGENT).await;
    let Site { folder, world, engine } = site;
    engine.stop().await;
    // An engine that only listens, and reads the specs when the test says so.
    let site = Site { engine: open(folder.path(), &world), folder, world };
    let core = Arc::clone(site.engine.core());
    let stop = CancellationToken::new();
    let outside = Arc::new(Nobody);
    tokio::spawn(super::serve(super::listen(&core).unwrap(), core, outside, stop.clone()));
    let early = site.call("POST", "/v1/objects/agent/agent-3/restart", b"");
    let later = async {
        for _ in 0..20 {
            let _: Info = site.ok("GET", "/v1/info", b"").await;
        }
        crate::survey::survey(site.engine.core(), std::time::Duration::ZERO).unwrap();
    };
    let (answer, ()) = tokio::join!(early, later);
    assert_eq!(answer.0, StatusCode::NO_CONTENT, "{:?}", answer.1);
    stop.cancel();
    site.engine.stop().await;
}

/// Requests can do nothing with the world.
struct Nobody;

impl super::Outside for Nobody {
    fn suppose(&self, _: Arc<Connections>, _: Vec<Question>) -> super::Later<Observed> {
        Box::pin(std::future::pending())
    }

    fn down(&self, _: bool) -> super::Later<Result<(), DownError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_in_words() {
    let site = Site::start();
    site.apply(AGENT).await;
    let (status, body) = site.refused("POST", "/v1/apply", b"{").await;
    assert_eq!(status, 400);
    assert!(body.message.contains("JSON"), "{}", body.message);
    let (status, body) = site.refused("PUT", "/v1/apply", b"{}").await;
    assert_eq!(status, 405);
    assert!(body.message.contains("may differ in version"), "{}", body.message);
    let path = "/v1/objects/agent/agent-3?purge=maybe";
    assert_eq!(site.refused("DELETE", path, b"").await.0, 400);
    // More than two megabytes are no reason to refuse: specs come by the folder.
    let padding = format!("# {}\n", "x".repeat(900_000));
    let padded = |name: &str| AGENT.replace("agent-3", name) + &padding;
    let (one, two, three) = (padded("agent-4"), padded("agent-5"), padded("agent-6"));
    let large = files(&[("4.yaml", None, &one), ("5.yaml", None, &two), ("6.yaml", None, &three)]);
    let applied: Vec<Applied> = site.ok("POST", "/v1/apply", &large).await;
    assert_eq!(applied.len(), 3);
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::start();
    let mode = |name: &str| {
        let path = site.folder.path().join("state").join(name);
        fs::metadata(path).unwrap().unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("."), mode("control.sock")), (0o700, 0o600));
    site.engine.stop().await;
}
