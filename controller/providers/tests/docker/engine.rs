//! A real engine, and a container of a test's own in it, which leaves with the test.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::Action;
use agent_harness_model::kinds::container::{self, Config, Desired, Place};
use agent_harness_model::secret::{Secret, Text};
use agent_harness_providers::docker::{Containers, DockerProvider, Engine};
use agent_harness_providers::provider::{Context, Provider as _};

/// Has a shell, and is pulled from wherever the engine pulls from.
const IMAGE: &str = "pgvector/pgvector:pg16";
const INSTALLATION: &str = "tests";
pub const SECRET: &str = "s3cr3t-of-the-environment";

/// The engine, if there is one.
pub async fn engine() -> Option<Arc<Engine>> {
    let required = std::env::var("HARNESS_TEST_DOCKER").is_ok_and(|it| it == "require");
    let engine = Arc::new(Engine::of_environment());
    match engine.client().await {
        Ok(_) => Some(engine),
        Err(error) if required => panic!("HARNESS_TEST_DOCKER=require: {error}"),
        Err(error) => {
            // Past the capture of the test's output: that it was not run has to be seen.
            let line = format!("not run without a Docker engine: {error}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            None
        }
    }
}

/// A container of ours.
pub struct Made {
    pub provider: Arc<DockerProvider>,
    pub containers: Containers,
    pub id: ResourceId,
    pub want: Arc<Desired>,
}

impl Made {
    /// One that runs a script of the shell.
    pub async fn running(engine: &Arc<Engine>, script: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let infra = format!("t-{}-{number}", std::process::id());
        let id = ResourceId {
            owner: ObjectKey::infra(infra.as_str()),
            uid: Uid::new(format!("u-{:08}", std::process::id())),
            kind: ResourceKind::Container,
            name: "box".to_owned(),
        };
        let config = Config {
            image: IMAGE.to_owned(),
            entrypoint: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            env: BTreeMap::from([("TOKEN".to_owned(), Text::Secret(Secret::new(SECRET)))]),
            memory: Some(64 << 20),
            ..Config::default()
        };
        let container = format!("harness-{infra}-box-1");
        let volumes = vec![format!("harness-{infra}_data")];
        let place = Place { infra, name: "box".to_owned(), container, volumes };
        let want = Desired { place, fingerprint: "f".to_owned(), config, ready: Vec::new() };
        let provider = DockerProvider::new(Arc::clone(engine), Arc::new(|_, _| {}), None);
        let containers = Containers::new(Arc::clone(engine));
        let made = Self { provider: Arc::new(provider), containers, id, want: Arc::new(want) };
        made.act(container::Action::Create(Arc::clone(&made.want))).await;
        made
    }

    pub fn container(&self) -> &str {
        &self.want.place.container
    }

    pub fn mark(&self) -> Mark {
        Mark { installation: INSTALLATION.to_owned(), uid: self.id.uid.clone() }
    }

    pub async fn act(&self, action: container::Action) {
        let connections = Connections::default();
        let cx = Context::new(&connections, INSTALLATION);
        self.provider.apply(&cx, &self.id, &Action::Container(action)).await.unwrap();
    }
}

impl Drop for Made {
    /// Also when the test failed.
    fn drop(&mut self) {
        let (provider, id, place) =
            (Arc::clone(&self.provider), self.id.clone(), self.want.place.clone());
        let gone = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let connections = Connections::default();
                let cx = Context::new(&connections, INSTALLATION);
                let purge = Action::Container(container::Action::Purge(place));
                provider.apply(&cx, &id, &purge).await
            })
        });
        let _ = gone.join();
    }
}
