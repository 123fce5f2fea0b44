//! The engine: where it is, whether it can be spoken to, and calls whose errors say what was tried.

use std::future::Future;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::OnceCell;

use super::error::{DockerError, chain};

/// The first API that has what is used here: Docker 20.10.
const API_MIN: (u32, u32) = (1, 41);
const API_MIN_TEXT: &str = "1.41";
/// Seconds that an answer may take. Longer than a container may take to stop.
const TIMEOUT_S: u64 = 120;
/// How long the engine may take to say who it is.
const HELLO: Duration = Duration::from_secs(5);
const SOCKET: &str = "/var/run/docker.sock";

/// An engine, connected to when it is first used.
#[derive(Debug)]
pub struct Engine {
    host: String,
    client: OnceCell<Docker>,
}

impl Engine {
    /// The engine that `DOCKER_HOST` names, else the host's own: that of the user where there is one.
    pub fn of_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let rootless = set("XDG_RUNTIME_DIR").map(|dir| PathBuf::from(dir).join("docker.sock"));
        let own = rootless.filter(|socket| socket.exists() && !Path::new(SOCKET).exists());
        let own = own.map_or_else(|| SOCKET.to_owned(), |socket| socket.display().to_string());
        Self::at(set("DOCKER_HOST").unwrap_or_else(|| format!("unix://{own}")))
    }

    /// The engine at an address, as `DOCKER_HOST` has it.
    pub fn at(host: impl Into<String>) -> Self {
        Self { host: host.into(), client: OnceCell::new() }
    }

    /// Its address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The client of an engine that is there and not too old.
    pub async fn client(&self) -> Result<&Docker, DockerError> {
        self.client.get_or_try_init(|| self.connect()).await
    }

    /// One call. `action` is what was tried, as in "refuses to …".
    pub async fn call<T>(
        &self,
        action: &str,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        match call.await {
            Ok(answer) => Ok(answer),
            Err(error) => match DockerError::from_client(&self.host, action, &error) {
                // It may be gone, or closed to us, since it was last spoken to.
                DockerError::Unreachable { why, .. } => Err(self.away(why)),
                error => Err(error),
            },
        }
    }

    async fn connect(&self) -> Result<Docker, DockerError> {
        let bad = |why: String| DockerError::BadHost { host: self.host.clone(), why };
        let client = if self.socket().is_some() {
            Docker::connect_with_unix(&self.host, TIMEOUT_S, API_DEFAULT_VERSION)
        } else if self.host.starts_with("tcp://") || self.host.starts_with("http://") {
            Docker::connect_with_http(&self.host, TIMEOUT_S, API_DEFAULT_VERSION)
        } else {
            return Err(bad("it is neither a Unix socket nor a TCP address".to_owned()));
        };
        let client = client.map_err(|error| self.away(chain(&error)))?;
        let version = match tokio::time::timeout(HELLO, client.version()).await {
            Ok(Ok(version)) => version.api_version.unwrap_or_default(),
            Ok(Err(error)) => return Err(self.away(chain(&error))),
            Err(_) => return Err(self.away(format!("no answer within {} s", HELLO.as_secs()))),
        };
        if parse(&version).is_none_or(|has| has < API_MIN) {
            let host = self.host.clone();
            return Err(DockerError::TooOld { host, has: version, needs: API_MIN_TEXT });
        }
        let host = &self.host;
        let client = client.negotiate_version().await;
        client.map_err(|error| DockerError::from_client(host, "say its version", &error))
    }

    fn socket(&self) -> Option<&Path> {
        self.host.strip_prefix("unix://").map(Path::new)
    }

    /// Why it cannot be reached: what the socket says is clearer than what a connection does.
    fn away(&self, why: String) -> DockerError {
        let host = self.host.clone();
        let Some(socket) = self.socket() else { return DockerError::Unreachable { host, why } };
        match std::os::unix::net::UnixStream::connect(socket) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                DockerError::NotAllowed { socket: socket.to_path_buf(), group: group_of(socket) }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                DockerError::NoEngine { host }
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                let why = "its socket is there, and nobody listens; it is starting, or has ended";
                DockerError::Unreachable { host, why: why.to_owned() }
            }
            Ok(_) | Err(_) => DockerError::Unreachable { host, why },
        }
    }
}

/// `1.41`
fn parse(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The name of the group that may open a socket; Debian and most others call it `docker`.
fn group_of(socket: &Path) -> String {
    let gid = std::fs::metadata(socket).map(|it| it.gid()).ok();
    let groups = crate::fs::read_to_string_if_exists("/etc/group").ok().flatten();
    let name = gid.zip(groups).and_then(|(gid, groups)| {
        let entry = groups.lines().find(|line| line.split(':').nth(2) == Some(&gid.to_string()))?;
        entry.split(':').next().map(str::to_owned)
    });
    name.unwrap_or_else(|| "docker".to_owned())
}
