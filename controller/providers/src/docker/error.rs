//! What can go wrong with a Docker engine, in words for people.

use std::path::PathBuf;

use bollard::errors::Error as Bollard;

use crate::Class;

/// Why nothing came of a look or an action.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error(
        "there is no Docker engine at {host}: start it (`sudo systemctl start docker`), install it (Debian: `apt-get \
         install docker.io`), name another one in DOCKER_HOST, or use `embedded` servers"
    )]
    NoEngine { host: String },
    #[error(
        "{} may not be opened by this user: join the group that owns it (`sudo usermod -aG {group} $USER`, then log in \
         again), and start the controller anew",
        .socket.display()
    )]
    NotAllowed { socket: PathBuf, group: String },
    #[error(
        "DOCKER_HOST is `{host}`: {why}; name a local engine, such as unix:///var/run/docker.sock"
    )]
    BadHost { host: String, why: String },
    #[error(
        "the Docker engine at {host} speaks API {has}; this needs {needs} (Docker 20.10) or later: upgrade it"
    )]
    TooOld { host: String, has: String, needs: &'static str },
    #[error("the Docker engine at {host} does not answer: {why}")]
    Unreachable { host: String, why: String },
    #[error(
        "the Docker engine did not answer in time to `{action}`; what came of it is looked at again"
    )]
    NoAnswer { action: String },
    #[error("the Docker engine refuses to {action}: {message}")]
    Refused { action: String, status: u16, message: String },
    #[error("no image `{image}` can be pulled: {message}; see whether its name and tag exist{}", private(.image))]
    NoImage { image: String, message: String },
    #[error(
        "the registry lets nobody pull `{image}` without a login: {message}; say `docker login {registry}` as the user \
         who runs the controller"
    )]
    Login { image: String, registry: String, message: String },
    #[error("`{image}` could not be pulled: {message}")]
    Pull { image: String, message: String },
    #[error(
        "the disk is full: {message}; free some space (`docker system df` shows what takes it)"
    )]
    DiskFull { message: String },
    #[error("the start was broken off, because something else is wanted by now")]
    Unwanted,
    #[error("{who}; rename that one, or give the Infra or the service another name")]
    ForeignContainer { who: String },
    #[error(
        "the volume `{volume}` is {whose}, and nothing of it is touched: give the volume another name in the spec, or \
         remove that one"
    )]
    ForeignVolume { volume: String, whose: String },
    #[error(
        "the network `{network}` is not of this installation: give the Infra another name, or remove that one"
    )]
    ForeignNetwork { network: String },
    #[error(
        "the container {name} was made by a later version of the controller; use that one, or remove the container (its volumes stay)"
    )]
    Unreadable { name: String },
    #[error("cannot see who listens on port {port}")]
    Port { port: u16, source: std::io::Error },
    #[error("{what}; stop that, or give the service another port")]
    PortTaken { what: String },
    #[error("there is no container {name} now; `ctl describe` says what it waits for")]
    NoContainer { name: String },
    #[error("the container {name} does not run now; `ctl describe` says why")]
    NotRunning { name: String },
    #[error("{} cannot be read: {why}; the engine's credentials are in it", .path.display())]
    Credentials { path: PathBuf, why: String },
}

/// What else may be the reason where a registry does not tell.
fn private(image: &str) -> &'static str {
    if image.contains('/') { ", and, if it is private, say `docker login` first" } else { "" }
}

impl DockerError {
    pub fn class(&self) -> Class {
        match self {
            Self::NoEngine { .. }
            | Self::NoContainer { .. }
            | Self::NotRunning { .. }
            | Self::Unreachable { .. }
            | Self::Pull { .. }
            | Self::DiskFull { .. }
            | Self::Port { .. }
            | Self::Unwanted => Class::Transient,
            Self::NotAllowed { .. }
            | Self::BadHost { .. }
            | Self::TooOld { .. }
            | Self::NoImage { .. }
            | Self::Login { .. }
            | Self::Credentials { .. }
            | Self::Unreadable { .. } => Class::Terminal,
            Self::NoAnswer { .. } => Class::Indeterminate,
            // What is asked for cannot be; or the engine has a trouble of its own.
            Self::Refused { status, .. } => match status {
                400 | 404 => Class::Terminal,
                _ => Class::Transient,
            },
            Self::ForeignContainer { .. }
            | Self::ForeignVolume { .. }
            | Self::ForeignNetwork { .. }
            | Self::PortTaken { .. } => Class::Conflict,
        }
    }

    /// Whether the engine says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the engine says that it is used, or on its way already.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// From what the client says of an action.
    pub fn from_client(host: &str, action: &str, error: &Bollard) -> Self {
        match error {
            Bollard::DockerResponseServerError { status_code, message } => {
                Self::refused(action, *status_code, message.trim())
            }
            Bollard::RequestTimeoutError => Self::NoAnswer { action: action.to_owned() },
            other => Self::Unreachable { host: host.to_owned(), why: chain(other) },
        }
    }

    fn refused(action: &str, status: u16, message: &str) -> Self {
        if message.contains("no space left on device") {
            return Self::DiskFull { message: message.to_owned() };
        }
        let taken = ["port is already allocated", "address already in use", "cannot expose port"];
        if taken.iter().any(|it| message.contains(it)) {
            return Self::PortTaken { what: message.to_owned() };
        }
        Self::Refused { action: action.to_owned(), status, message: message.to_owned() }
    }
}

/// An error and its sources in one line, each once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if parts.last().is_none_or(|last| !last.contains(&text)) {
            parts.push(text);
        }
        source = error.source();
    }
    parts.join(": ")
}
