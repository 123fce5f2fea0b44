//! The object store as a shared server: the files that ours is started with, and whether a store answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::service::{EmbeddedObjectStore, Runtime, StoreConnection};
use rustix::process::Signal;

use super::admin;
use super::error::{EXTERNAL_REMEDY, S3Error};
use super::remote::Remote;
use crate::Class;
use crate::fs;
use crate::mask::Mask;
use crate::object_store::{RootKey, SecretText, StoreConfig, StoreError};
use crate::process::Supervisor;
use crate::provider::Context;
use crate::service::{Backend, How, Program, Services};

const SWEEP_EVERY_MS: u64 = 60_000;
/// How long a store of somebody else's may take to say that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Object stores, embedded and external: the resources whose place is named `objectStore`.
pub type ObjectStoreService = Services<ObjectStore>;

/// What is special about object stores.
pub struct ObjectStore {
    program: PathBuf,
    /// Clients of stores of others: making one reads all certificates of the host.
    clients: Mutex<Vec<Remote>>,
}

impl ObjectStoreService {
    /// `program` is run as `PROGRAM object-store --config FILE`; logs lie below `log_root`.
    pub fn new(supervisor: Arc<Supervisor>, program: PathBuf, log_root: PathBuf) -> Self {
        Self::with(supervisor, log_root, ObjectStore { program, clients: Mutex::default() })
    }
}

impl Backend for ObjectStore {
    type Embedded = EmbeddedObjectStore;
    type External = StoreConnection;
    type Error = S3Error;

    const NAME: &'static str = "the object store";
    /// A little longer than the server lets open requests take.
    const STOP: (Signal, Duration) = (Signal::TERM, Duration::from_secs(7));
    const PATIENCE: Duration = Duration::from_secs(5);
    const SETTINGS: &'static str = "objectStore.embedded";
    const ROOT_MODE: u32 = 0o700;

    fn how(runtime: &Runtime) -> Option<How<'_, Self>> {
        match runtime {
            Runtime::EmbeddedObjectStore(want) => Some(How::Embedded(want)),
            Runtime::ExternalObjectStore(to) => Some(How::External(to)),
            Runtime::EmbeddedPostgres(_) | Runtime::ExternalPostgres(_) => None,
        }
    }

    fn port(want: &EmbeddedObjectStore) -> u16 {
        want.port
    }

    fn root(want: &EmbeddedObjectStore) -> &Path {
        &want.root
    }

    /// Earlier versions wrote whose it is into the configuration alone.
    fn is_foreign(root: &Path, installation: &str) -> Result<bool, S3Error> {
        let config = config(root);
        if fs::metadata(&config).map_err(StoreError::from)?.is_some() {
            return Ok(StoreConfig::read(&config)?.installation != installation);
        }
        Ok(fs::metadata(root.join("buckets")).map_err(StoreError::from)?.is_some())
    }

    async fn prepare(
        &self,
        cx: &Context<'_>,
        _id: &ResourceId,
        want: &EmbeddedObjectStore,
    ) -> Result<Program, S3Error> {
        let config = write(want, cx.installation)?;
        let words = [self.program.as_path(), "object-store".as_ref(), "--config".as_ref(), &config];
        Ok(Program {
            argv: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            env: BTreeMap::new(),
            cwd: want.root.clone(),
            user: None,
            refused: None,
        })
    }

    /// Its files hold nothing that it could refuse: they are in force as soon as they are written.
    fn put_in_force(&self, _want: &EmbeddedObjectStore) -> Result<bool, S3Error> {
        Ok(false)
    }

    fn put_back(&self, _want: &EmbeddedObjectStore) -> Result<bool, S3Error> {
        Ok(false)
    }

    fn came_up(&self, _want: &EmbeddedObjectStore) -> Result<(), S3Error> {
        Ok(())
    }

    fn secrets(want: &EmbeddedObjectStore) -> Mask {
        Mask::of_secrets([&want.secret_key])
    }

    /// Our server proves who it is at each use: there is nothing to open.
    fn up(
        &self,
        _cx: &Context<'_>,
        _infra: &str,
        _want: Option<&EmbeddedObjectStore>,
        _pid: u32,
    ) -> Result<(), S3Error> {
        Ok(())
    }

    async fn answers(
        &self,
        cx: &Context<'_>,
        _infra: &str,
        want: &EmbeddedObjectStore,
        _pid: u32,
    ) -> Result<(), S3Error> {
        admin::identify(&connection(want), cx.installation).await
    }

    async fn external_answers(&self, _infra: &str, to: &StoreConnection) -> Result<(), S3Error> {
        let remote = self.client(to);
        match tokio::time::timeout(PROBE_TIMEOUT, remote.names()).await {
            Ok(names) => names.map(drop),
            Err(elapsed) => Err(S3Error::Unreachable {
                endpoint: remote.connection.endpoint.clone(),
                remedy: EXTERNAL_REMEDY.to_owned(),
                source: elapsed.into(),
            }),
        }
    }

    /// It does not listen yet. Or a stranger has its port: then it ends, and its own last words are the better message.
    fn passes(error: &S3Error) -> bool {
        matches!(error, S3Error::Unreachable { .. } | S3Error::Impostor { .. })
    }

    /// As little is there to close.
    fn down(&self, _cx: &Context<'_>, _infra: &str, _want: Option<&EmbeddedObjectStore>) {}

    /// All of it lies in the root.
    fn clear(_root: &Path) -> Result<(), S3Error> {
        Ok(())
    }

    fn class(error: &S3Error) -> Class {
        error.class()
    }
}

impl ObjectStore {
    fn client(&self, connection: &StoreConnection) -> Remote {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        // One per endpoint: an old key is of no more use.
        if let Some(known) = clients.iter().find(|known| known.connection == *connection) {
            return known.clone();
        }
        clients.retain(|known| known.connection.endpoint != connection.endpoint);
        let remote = Remote::new(connection.clone());
        clients.push(remote.clone());
        remote
    }
}

fn connection(want: &EmbeddedObjectStore) -> StoreConnection {
    StoreConnection {
        endpoint: format!("http://127.0.0.1:{}", want.port),
        region: "us-east-1".to_owned(),
        access_key: want.access_key.clone(),
        secret_key: want.secret_key.clone(),
        embedded_root: Some(want.root.clone()),
    }
}

fn config(root: &Path) -> PathBuf {
    root.join(".harness").join("config.json")
}

/// Writes the files that the server reads at its start; the path of its configuration.
fn write(want: &EmbeddedObjectStore, installation: &str) -> Result<PathBuf, StoreError> {
    let EmbeddedObjectStore { port, root, access_key, secret_key } = want;
    let folder = root.join(".harness");
    fs::create_dir_all(&folder, 0o700)?;
    let root_key = folder.join("root-key.json");
    RootKey { access_key: access_key.clone(), secret_key: SecretText::new(secret_key.reveal()) }
        .write(&root_key)?;
    let path = config(root);
    StoreConfig {
        root: root.clone(),
        port: *port,
        installation: installation.to_owned(),
        root_key,
        sweep_every_ms: SWEEP_EVERY_MS,
    }
    .write(&path)?;
    Ok(path)
}
