//! A server of one's own for each test, and clients of it.

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::secret::Secret;
use agent_harness_providers::object_store::{BucketKey, RootKey, SecretText, StoreConfig, proof};
use agent_harness_providers::s3;
use aws_sdk_s3::Client;

use super::child;

pub const INSTALLATION: &str = "i-test";

/// A running server; killed when dropped.
pub struct Server {
    pub folder: tempfile::TempDir,
    pub port: u16,
    config: PathBuf,
    process: Option<Child>,
}

impl Server {
    pub fn start() -> Self {
        Self::start_with_sweep(60_000)
    }

    pub fn start_with_sweep(sweep_every_ms: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let root_key = folder.path().join("root-key.json");
        RootKey { access_key: "root".into(), secret_key: SecretText::new("root-secret") }
            .write(&root_key)
            .unwrap();
        let config = folder.path().join("config.json");
        StoreConfig {
            root: folder.path().join("root"),
            port,
            installation: INSTALLATION.into(),
            root_key,
            sweep_every_ms,
        }
        .write(&config)
        .unwrap();
        let mut server = Self { folder, port, config, process: None };
        server.run();
        server
    }

    /// One with the buckets agent-1 and agent-2, in each of which a note names it; its administrator, and a client with
    /// the key of agent-1.
    pub async fn with_two_buckets() -> (Self, Client, Client) {
        let server = Self::start();
        let admin = server.admin();
        for bucket in ["agent-1", "agent-2"] {
            admin.create_bucket().bucket(bucket).send().await.unwrap();
            put(&admin, bucket, "note", bucket).await;
        }
        let one = server.key("key-1", "agent-1");
        (server, admin, one)
    }

    /// Starts the process and waits until it answers.
    pub fn run(&mut self) {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", child::TEST, "--nocapture"])
            .env(child::VARIABLE, &self.config)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        self.process = Some(process);
        wait_for("the server answers", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The controller's way in.
    pub fn connection(&self) -> StoreConnection {
        StoreConnection {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            region: "us-east-1".into(),
            access_key: "root".into(),
            secret_key: Secret::new("root-secret"),
            embedded_root: Some(self.root()),
        }
    }

    /// The same server as if somebody else ran it.
    pub fn external(&self) -> StoreConnection {
        StoreConnection { embedded_root: None, ..self.connection() }
    }

    pub fn admin(&self) -> Client {
        s3::client(&self.connection())
    }

    /// Writes a key for a bucket and answers its client.
    pub fn key(&self, access_key: &str, bucket: &str) -> Client {
        let secret_key = SecretText::random();
        let key = BucketKey { access_key: access_key.into(), secret_key, bucket: bucket.into() };
        key.write(&self.root()).unwrap();
        self.client_of(&key)
    }

    pub fn client_of(&self, key: &BucketKey) -> Client {
        s3::client(&StoreConnection {
            access_key: key.access_key.clone(),
            secret_key: Secret::new(key.secret_key.expose()),
            ..self.external()
        })
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Sends an admin request as the controller does; its status line and body.
    pub fn admin_request(&self, method: &str, path: &str) -> String {
        let secret = SecretText::new("root-secret");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let proven = proof::admin(&secret, method, path, i64::try_from(now).unwrap());
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}: {proven}\r\nConnection: close\r\n\r\n",
            proof::ADMIN_HEADER
        ))
    }

    /// Sends raw HTTP and reads until the server closes the connection.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Looks again and again until a condition holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// S3's word for an error.
pub fn code<T: std::fmt::Debug, E>(result: Result<T, aws_sdk_s3::error::SdkError<E>>) -> String
where
    E: aws_sdk_s3::error::ProvideErrorMetadata + std::fmt::Debug,
{
    let error = result.unwrap_err();
    let status = error.raw_response().map(|response| response.status().as_u16());
    error
        .as_service_error()
        .and_then(|error| error.code().map(str::to_owned))
        .or_else(|| status.map(|status| status.to_string()))
        .unwrap_or_else(|| panic!("no answer: {error:?}"))
}

pub async fn put(client: &Client, bucket: &str, key: &str, text: &str) {
    let body = text.as_bytes().to_vec().into();
    client.put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

pub async fn get(client: &Client, bucket: &str, key: &str) -> String {
    let answer = client.get_object().bucket(bucket).key(key).send().await.unwrap();
    String::from_utf8(answer.body.collect().await.unwrap().to_vec()).unwrap()
}

pub async fn list(client: &Client, bucket: &str) -> Vec<String> {
    let mut pages = client.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    keys
}

/// The file of an object or part, as the store writes it. The data is zeros, and takes no room.
pub fn write_object(path: &Path, key: &str, size: u64, etag: &str, modified_ms: i64) {
    let footer = serde_json::json!({
        "key": key, "size": size, "etag": etag, "modified_ms": modified_ms,
    });
    let footer = footer.to_string();
    let mut file = std::fs::File::create(path).unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    file.write_all(&[footer.as_bytes(), &length, b"AHOBJv1\n"].concat()).unwrap();
}

/// The name of an object's file.
pub fn file_name(key: &str) -> String {
    blake3::hash(key.as_bytes()).to_hex().to_string()
}

/// How many files there are below a folder.
pub fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 })
        .sum()
}

/// Answers and ends the connection so that the client neither uses it again nor loses the answer: it is told, and
/// heard to its end.
fn finish(client: &mut TcpStream, answer: &str) {
    let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let _ = client.write_all(answer.as_bytes());
    let _ = client.shutdown(std::net::Shutdown::Write);
    let _ = std::io::copy(client, &mut std::io::sink());
}

/// A proxy before the server that answers some requests itself; one request per connection. An empty answer cuts the
/// connection.
pub fn proxy(
    upstream: u16,
    answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let answer = std::sync::Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut buffer = vec![0; 65536];
                let Ok(read) = client.read(&mut buffer) else { return };
                let request = &buffer[..read];
                match answer(&String::from_utf8_lossy(request)) {
                    Some(cut) if cut.is_empty() => return,
                    Some(own) => return finish(&mut client, &own),
                    None => {}
                }
                let mut server = TcpStream::connect(("127.0.0.1", upstream)).unwrap();
                let line = request.windows(2).position(|two| two == b"\r\n").unwrap();
                server.write_all(&request[..line]).unwrap();
                server.write_all(b"\r\nConnection: close").unwrap();
                server.write_all(&request[line..]).unwrap();
                // Bodies may come in pieces of their own.
                let mut rest = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut rest.0, &mut rest.1));
                let _ = std::io::copy(&mut server, &mut client);
            });
        }
    });
    port
}
