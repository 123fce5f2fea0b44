//! Runs the server: listens, serves, sweeps, and stops on SIGTERM or SIGINT.

use std::fs::TryLockError;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use super::access::Keys;
use super::api::Api;
use super::config::{RootKey, StoreConfig};
use super::error::StoreError;
use super::http::Handler;
use super::store::Store;
use super::{lifecycle, now_ms};
use crate::fs;

/// How long open requests may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(5);
/// A larger file is uploaded with a presigned PUT, which is streamed.
const FORM_FILE_MAX: u64 = 8 << 20;
/// File work at once; each takes a thread.
const FILE_THREADS: usize = 8;

/// Reads a configuration file and serves until told to stop: all of `controller object-store --config FILE`.
///
/// Makes its own runtime, with one thread and a few for files, so that the process stays small.
pub fn run(config: &Path) -> Result<(), StoreError> {
    let config = StoreConfig::read(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build()
        .map_err(StoreError::Runtime)?;
    let result = runtime.block_on(serve(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

/// Serves until SIGTERM or SIGINT, then lets open requests finish for a few seconds.
///
/// Fails when the root folder cannot be made, the root key cannot be read, or the port is taken.
pub async fn serve(config: StoreConfig) -> Result<(), StoreError> {
    let root_key = RootKey::read(&config.root_key)?;
    let listener = listen(config.port).await?;
    fs::create_dir_all(&config.root, 0o700)?;
    // Before anything is touched: a second server on the same root would clear the first one's files.
    let _lock = lock(&config.root)?;
    let store = Arc::new(Store::open(&config.root)?);
    let keys = Keys::new(config.root.clone(), root_key.clone(), Arc::clone(&store));
    let api = Api { store: Arc::clone(&store), keys: keys.clone() };
    let s3 = {
        let mut builder = S3ServiceBuilder::new(api.clone());
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits()))));
        builder.set_auth(keys.clone());
        builder.set_access(keys);
        builder.build()
    };
    let handler = Arc::new(Handler { api, s3, root_key, installation: config.installation });
    let stop = |kind| signal(kind).map_err(StoreError::Runtime);
    let (mut terminate, mut interrupt) =
        (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);
    let every = Duration::from_millis(config.sweep_every_ms.max(1));
    let sweeper = tokio::spawn(async move {
        loop {
            lifecycle::sweep(&store, now_ms()).await;
            tokio::time::sleep(every).await;
        }
    });
    tracing::info!(port = config.port, root = %config.root.display(), "the object store serves");

    let mut connections = JoinSet::new();
    let (closing, closed) = tokio::sync::watch::channel(false);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                // Answers are small and many: no waiting for more to send.
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(stream, Arc::clone(&handler), closed.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: give the open requests time to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tracing::info!("the object store stops");
    sweeper.abort();
    drop(listener);
    let _ = closing.send(true);
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} })
        .await;
    Ok(())
}

/// What `s3s` holds in memory of a request. It reads a browser's form, file included, before it asks who sends it.
fn limits() -> S3Config {
    let mut config = S3Config::default();
    config.post_object_max_file_size = FORM_FILE_MAX;
    config.form_max_field_size = 64 << 10;
    // The fields, and what came along with the last one of them: up to 400 KiB of the file.
    config.form_max_fields_size = 1 << 20;
    config.form_max_parts = 100;
    config
}

/// Held until the process ends, however it ends.
fn lock(root: &Path) -> Result<std::fs::File, StoreError> {
    let path = root.join("lock");
    let file = std::fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(root.to_path_buf())),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", path)(error)),
    }
}

async fn listen(port: u16) -> Result<TcpListener, StoreError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| StoreError::Listen { port, source })
}

async fn connection(
    stream: tokio::net::TcpStream,
    handler: Arc<Handler>,
    mut closed: tokio::sync::watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let handler = Arc::clone(&handler);
        async move { handler.handle(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        _ = closed.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}
