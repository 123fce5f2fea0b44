//! The socket itself: mode 0600, and only its owner and root are listened to.

use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use agent_harness_model::layout::SOCKET;
use agent_harness_providers::fs;
use tokio::net::{UnixListener, UnixStream, unix};

use crate::core::{Core, StartError};

/// The path of the socket of a state folder.
pub fn path(state: &Path) -> PathBuf {
    state.join(SOCKET)
}

/// Binds the socket. The lock of the state folder is held, so one that is there is left over.
pub fn listen(core: &Core) -> Result<UnixListener, StartError> {
    let path = path(&core.config.state);
    if fs::metadata(&path)?.is_some_and(|metadata| metadata.file_type().is_socket()) {
        fs::remove_file_if_exists(&path)?;
    }
    let failed = |source| StartError::Socket { path: path.clone(), source };
    // The folder is 0700, so nobody can come in between.
    let listener = bind(&path).map_err(failed)?;
    fs::set_mode(&path, 0o600)?;
    Ok(listener)
}

/// Connects to the controller of a state folder, as `controller down` does.
pub async fn connect(state: &Path) -> std::io::Result<UnixStream> {
    let path = path(state);
    match path.parent() {
        Some(folder) if path.as_os_str().len() > 107 => {
            let folder = std::fs::File::open(folder)?;
            UnixStream::connect(short(&folder)).await
        }
        _ => UnixStream::connect(path).await,
    }
}

/// A name of the socket that always fits, while the folder is open.
fn short(folder: &std::fs::File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(SOCKET)
}

/// Binds also where the path is longer than the 107 bytes that a socket's address holds.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match path.parent() {
        Some(folder) if path.as_os_str().len() > 107 => {
            let folder = std::fs::File::open(folder)?;
            UnixListener::bind(short(&folder))
        }
        _ => UnixListener::bind(path),
    }
}

/// Removes the socket at the end.
pub fn forget(core: &Core) {
    if let Err(error) = fs::remove_file_if_exists(path(&core.config.state)) {
        tracing::debug!(%error, "the control socket stays");
    }
}

/// Accepts only connections of our own user and of root.
pub struct Owned(pub UnixListener);

impl axum::serve::Listener for Owned {
    type Io = UnixStream;
    type Addr = unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) if is_ours(&stream) => return (stream, address),
                Ok(_) => tracing::warn!("a stranger on the control socket was turned away"),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::set_thread_uid;
    use std::io::Read as _;

    /// The folder and the socket are opened for everybody, as a careless hand might.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_stranger_is_turned_away_even_where_the_modes_let_him_in() {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can be somebody else");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let mut listener = Owned(bind(&path).unwrap());
        fs::set_mode(folder.path(), 0o755).unwrap();
        fs::set_mode(&path, 0o666).unwrap();
        let accepted = tokio::spawn(async move {
            use axum::serve::Listener as _;
            let (stream, _) = listener.accept().await;
            stream.peer_cred().unwrap().uid()
        });
        let socket = path.clone();
        // The user of a thread is its own affair, and the thread ends here.
        let stranger = std::thread::spawn(move || {
            set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
            let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
            stream.read(&mut [0])
        });
        let heard = tokio::task::spawn_blocking(|| stranger.join().unwrap()).await.unwrap();
        assert_eq!(heard.unwrap_or(0), 0, "he is told nothing");
        // Nobody was handed his connection: the first one is ours.
        let _ours = UnixStream::connect(&path).await.unwrap();
        assert_eq!(accepted.await.unwrap(), 0);
    }
}
