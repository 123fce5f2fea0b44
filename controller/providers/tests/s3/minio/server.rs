//! A MinIO of one's own for each test, what somebody else does to it, and a way to what is wanted.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Once};

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::bucket::{Action, Bucket, Desired, Observed};
use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::kinds::{self, Have, Kind as _, Resource, Target, Verdict};
use agent_harness_model::secret::Secret;
use agent_harness_model::world::{ApplyError, Ask, Record, Seen};
use agent_harness_providers::provider::Provider as _;
use agent_harness_providers::s3;
use aws_sdk_s3::Client;

use super::super::harness::{free_port, wait_for};
use super::super::provider::World;

/// A running server; killed when dropped.
pub struct Minio {
    pub port: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Minio {
    /// `None`: this machine has none, which is said once.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let process = Command::new(program)
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .arg(folder.path().join("data"))
            .env_clear()
            .envs([("MINIO_ROOT_USER", "root"), ("MINIO_ROOT_PASSWORD", "root-secret")])
            .envs([("MINIO_BROWSER", "off"), ("MINIO_UPDATE", "off")])
            .env("HOME", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { port, process, _folder: folder };
        wait_for("MinIO knows its users", || {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
            let request = "GET /minio/health/cluster HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            let answer = stream
                .write_all(request.as_bytes())
                .and_then(|()| std::io::read_to_string(&mut stream));
            answer.is_ok_and(|answer| answer.contains(" 200 "))
        });
        Some(server)
    }

    pub fn connection(&self) -> StoreConnection {
        StoreConnection {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            region: "us-east-1".into(),
            access_key: "root".into(),
            secret_key: Secret::new("root-secret"),
            embedded_root: None,
        }
    }

    pub fn world(&self) -> World {
        World::new(self.connection())
    }

    pub fn admin(&self) -> Client {
        s3::client(&self.connection())
    }

    /// What an agent sends with its key.
    pub fn agent(&self, agent: u32) -> Client {
        s3::client(&StoreConnection {
            access_key: format!("key-{agent}"),
            secret_key: Secret::new(format!("secret-{agent}")),
            ..self.connection()
        })
    }
}

impl Drop for Minio {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> Option<PathBuf> {
    static SAID: Once = Once::new();
    if let Some(program) = std::env::var_os("HARNESS_TEST_MINIO") {
        return Some(program.into());
    }
    let required = std::env::var_os("HARNESS_TEST_DOCKER").is_some_and(|word| word == "require");
    assert!(!required, "HARNESS_TEST_MINIO names no MinIO");
    // Not by a macro, whose words are shown of tests that fail alone.
    SAID.call_once(|| {
        let line =
            b"skipped: the tests with a real MinIO; HARNESS_TEST_MINIO does not name its program\n";
        let _ = std::io::stderr().write_all(line);
    });
    None
}

/// A request of the admin API whose body is not encrypted, as somebody else may send it; the code of a refusal.
pub async fn admin(
    client: &Client,
    method: &str,
    name: &str,
    query: &str,
    body: &str,
) -> Result<String, String> {
    let (key, query) = (format!("admin/v3/{name}"), format!("&{query}"));
    let add = move |request: &mut aws_sdk_s3::config::http::HttpRequest| {
        let uri = format!("{}{query}", request.uri());
        request.set_uri(uri).unwrap();
    };
    let refusal = |body: Option<&[u8]>| {
        let said: serde_json::Value = serde_json::from_slice(body.unwrap()).unwrap();
        said["Code"].as_str().unwrap().to_owned()
    };
    macro_rules! send {
        ($request:expr) => {
            $request
                .bucket("minio")
                .key(key)
                .customize()
                .mutate_request(add)
                .send()
                .await
                .map_err(|error| refusal(error.raw_response().unwrap().body().bytes()))
        };
    }
    match method {
        "GET" => {
            let answer = send!(client.get_object())?;
            let bytes = answer.body.collect().await.unwrap().to_vec();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "PUT" => {
            let body = body.as_bytes().to_vec();
            send!(client.put_object().body(body.into())).map(|_| String::new())
        }
        "DELETE" => send!(client.delete_object()).map(|_| String::new()),
        other => panic!("{other}"),
    }
}

/// A user as MinIO shows it; `None`: there is none.
pub async fn user(client: &Client, access_key: &str) -> Option<serde_json::Value> {
    match admin(client, "GET", "user-info", &format!("accessKey={access_key}"), "").await {
        Ok(body) => Some(serde_json::from_str(&body).unwrap()),
        Err(code) => {
            assert_eq!(code, "XMinioAdminNoSuchUser");
            None
        }
    }
}

/// The names of all policies that we made.
pub async fn policies(client: &Client) -> Vec<String> {
    let body = admin(client, "GET", "list-canned-policies", "", "").await.unwrap();
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
    all.into_iter().map(|(name, _)| name).filter(|name| name.starts_with("agent-harness")).collect()
}

/// What the controller sees of a bucket that is wanted in the trash or gone.
pub async fn see_leaving(world: &World, id: &ResourceId, want: &Desired) -> Option<Observed> {
    seen(world, id, want, false).await
}

async fn seen(world: &World, id: &ResourceId, want: &Desired, wanted: bool) -> Option<Observed> {
    let place = kinds::Place::Bucket(want.place.clone());
    let resource = Resource::Bucket(Arc::new(want.clone()));
    let record = Record { applied: None, intended: Some(want.fingerprint.clone()) };
    let ask = Ask { id, place: &place, want: wanted.then_some(&resource), record: &record };
    let observed = world.provider.observe(&world.context(), &[ask]).await;
    match observed.get(id) {
        Seen::Known(Some(Have::Bucket(have))) => Some(have.clone()),
        Seen::Known(None) => None,
        other => panic!("{other:?}"),
    }
}

/// Looks and acts, as the controller does, until there is nothing left to do; how many actions that took.
pub async fn settle(
    world: &World,
    id: &ResourceId,
    want: &Desired,
    target: &Target<Desired>,
) -> Result<usize, ApplyError> {
    for done in 0..8 {
        let wanted = matches!(target, Target::Present(_));
        let have = seen(world, id, want, wanted).await;
        match Bucket::diff(target, &want.place, have.as_ref()) {
            Verdict::Settled => return Ok(done),
            Verdict::Change(steps) => {
                for (step, _) in steps {
                    world.apply(id, step).await?;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it never settles")
}

/// An agent's bucket with its key.
pub async fn create(world: &World, agent: u32) -> (ResourceId, Desired) {
    let (id, want) = (super::super::provider::id(agent), super::super::provider::want(agent));
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    (id, want)
}
