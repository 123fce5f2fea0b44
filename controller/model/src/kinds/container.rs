//! A container of the Docker engine: a shared server, or whatever else all agents use.
//!
//! Whether a server in it answers as the server that it should be is the `Service` kind's to say.

mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{End, Exit, Kind, Need, Readiness, Reversibility, Target, Verdict};
use crate::secret::Text;

/// The kind.
#[derive(Debug)]
pub enum Container {}

/// A container that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over everything here.
    pub fingerprint: String,
    /// What it is made from: another one of these means a new container.
    pub config: Config,
    /// How to see that it does its work, when its image and the spec have no health check.
    pub ready: Vec<Check>,
}

/// What a container is made from, every choice made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The image, by tag or digest.
    pub image: String,
    /// In place of the image's own command; empty: that one.
    pub command: Vec<String>,
    /// In place of the image's own entry point; empty: that one.
    pub entrypoint: Vec<String>,
    /// Environment beside the image's.
    pub env: BTreeMap<String, Text>,
    /// Published ports, by name.
    pub ports: BTreeMap<String, Port>,
    /// Volumes, and files and folders of the host.
    pub mounts: Vec<Mount>,
    /// The engine's own check; `None`: the image's.
    pub healthcheck: Option<Healthcheck>,
    /// Bytes of `/dev/shm`; `None`: the engine's default.
    pub shm_size: Option<u64>,
    /// Bytes of memory; `None`: no limit.
    pub memory: Option<u64>,
    /// Billionths of a processor; `None`: no limit.
    pub nano_cpus: Option<u64>,
    /// When the engine starts it again.
    pub restart: Restart,
    /// Labels beside ours.
    pub labels: BTreeMap<String, String>,
    /// Host names and their addresses.
    pub extra_hosts: BTreeMap<String, String>,
    /// The engine's log driver and its options; `None`: its default.
    pub logging: Option<(String, BTreeMap<String, String>)>,
    /// Soft and hard limits of the kernel, by name.
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// User and group; `None`: the image's.
    pub user: Option<String>,
    /// A network of somebody else's; `None`: the Infra's own.
    pub network: Option<String>,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Address of the host.
    pub address: String,
    /// Port of the host.
    pub host: u16,
    /// Port in the container.
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: &'static str,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, host, container, protocol } = self;
        write!(f, "{address}:{host}:{container}/{protocol}")
    }
}

/// Something of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What it is.
    pub source: Source,
    /// Where it is in the container.
    pub target: String,
    /// The container can only read it.
    pub read_only: bool,
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Volume(name) => write!(f, "{name}:{}", self.target),
            Source::Path(path) => write!(f, "{}:{}", path.display(), self.target),
        }?;
        f.write_str(if self.read_only { ":ro" } else { "" })
    }
}

/// What of the host is in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A volume of the engine, by its full name.
    Volume(String),
    /// A file or folder.
    Path(PathBuf),
}

/// A health check that the engine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// `[CMD, …]`, `[CMD-SHELL, LINE]` or `[NONE]`.
    pub test: Vec<String>,
    /// Milliseconds between two checks; `None`: the engine's default.
    pub interval_ms: Option<u64>,
    /// Milliseconds that one may take.
    pub timeout_ms: Option<u64>,
    /// Failures in a row that count.
    pub retries: Option<u32>,
    /// Milliseconds after the start in which they do not.
    pub start_period_ms: Option<u64>,
}

/// When the engine starts a container again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// However it ended.
    #[default]
    Always,
    /// However it ended, unless somebody stopped it.
    UnlessStopped,
    /// When it failed.
    OnFailure,
    /// Not at all.
    Never,
}

impl Restart {
    /// As the engine calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
            Self::Never => "no",
        }
    }
}

/// A look at a published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// A connection is accepted and stays open.
    Tcp(u16),
    /// `GET` answers 2xx or 3xx.
    Http(u16, String),
    /// A mail server greets.
    Smtp(u16),
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// `metadata.name` of the Infra.
    pub infra: String,
    /// `postgres`, `objectStore`, or the service's name.
    pub name: String,
    /// The container's name in the engine.
    pub container: String,
    /// The full names of its volumes: what a purge removes.
    pub volumes: Vec<String>,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It is there and ours.
    There {
        /// What it was made from, as its label says: see [`Config::settings`].
        settings: BTreeMap<String, String>,
        /// How it is.
        state: State,
    },
    /// It is not there, and volumes of ours are: their full names. Of one that leaves also: none, and its network is.
    Kept(Vec<String>),
    /// A container or volume with its name is somebody else's: whose.
    Foreign(String),
    /// It does not run, and a port of its own is held by somebody else: which port and who.
    PortTaken(String),
}

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was never started.
    Created,
    /// It runs.
    Running(Readiness),
    /// It ended, and the engine is about to start it again: how it ended.
    Restarting(String),
    /// Somebody paused it.
    Paused,
    /// It ended.
    Exited(Exit),
    /// It is being removed.
    Removing,
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Have its image, network and volumes, make it and start it.
    Create(Arc<Desired>),
    /// The same in place of the one that is there; its volumes are kept.
    Recreate(Arc<Desired>),
    /// Start the one that is there, or let it go on.
    Start(Arc<Desired>),
    /// Stop it, and start it again as it is: never planned, only asked for.
    Restart(Place),
    /// Remove it and keep its volumes.
    Remove(Place),
    /// Remove it and its volumes.
    Purge(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(want) => write!(f, "create from {}", want.config.image),
            Self::Recreate(want) => write!(f, "recreate from {}", want.config.image),
            Self::Start(_) => f.write_str("start"),
            Self::Restart(_) => f.write_str("restart"),
            Self::Remove(_) => f.write_str("remove"),
            Self::Purge(place) if place.volumes.is_empty() => f.write_str("purge"),
            Self::Purge(place) => write!(f, "purge with {}", volumes(&place.volumes)),
        }
    }
}

impl Kind for Container {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), have) => present(want, have),
            (Target::Trashed, Some(Observed::There { .. })) => {
                Verdict::one(Action::Remove(place.clone()), "no longer wanted; its data is kept")
            }
            (Target::Gone, Some(Observed::There { .. } | Observed::Kept(_))) => {
                Verdict::one(Action::Purge(place.clone()), "to be purged")
            }
            (Target::Trashed, None | Some(Observed::Kept(_)))
            | (Target::Gone, None)
            | (_, Some(Observed::Foreign(_) | Observed::PortTaken(_))) => Verdict::Settled,
        }
    }

    fn satisfies(have: &Observed, need: Need) -> bool {
        let Observed::There { state, .. } = have else { return false };
        match need {
            Need::Exists => true,
            Need::Started => matches!(state, State::Running(_)),
            Need::Ready => matches!(state, State::Running(Readiness::Ready)),
            Need::Succeeded => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Create(_)
            | Action::Recreate(_)
            | Action::Start(_)
            | Action::Restart(_)
            | Action::Remove(_) => Reversibility::Free,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}

fn present(want: &Arc<Desired>, have: Option<&Observed>) -> Verdict<Action> {
    let (settings, state) = match have {
        None => return Verdict::one(Action::Create(Arc::clone(want)), "does not exist"),
        Some(Observed::Kept(kept)) => {
            let cause = format!("does not exist; {} kept from before", volumes(kept));
            return Verdict::one(Action::Create(Arc::clone(want)), cause);
        }
        Some(Observed::Foreign(who)) => return Verdict::Conflict(who.clone()),
        Some(Observed::PortTaken(who)) => {
            return Verdict::Conflict(format!(
                "{who}; stop that, or give the service another port"
            ));
        }
        Some(Observed::There { settings, state }) => (settings, state),
    };
    // Whoever removes it is waited for: until then its name is taken.
    if *state == State::Removing {
        return Verdict::Wait("it is being removed".into());
    }
    let changes = changes(settings, &want.config.settings());
    if !changes.is_empty() {
        return Verdict::one(Action::Recreate(Arc::clone(want)), changes.join(", "));
    }
    let start = |cause: String| Verdict::one(Action::Start(Arc::clone(want)), cause);
    match state {
        State::Created => start("was never started".into()),
        State::Paused => start("is paused".into()),
        State::Running(Readiness::Ready) => Verdict::Settled,
        State::Running(Readiness::NotReady(why)) => Verdict::Wait(why.clone()),
        State::Restarting(how) => {
            Verdict::Wait(format!("ended: {how}; the engine starts it again after a backoff"))
        }
        State::Removing => Verdict::Wait("it is being removed".into()),
        State::Exited(exit) if stays_ended(want.config.restart, exit.end) => {
            Verdict::Stalled(format!("ended: {}; its `restart` says that it stays so", exit.how))
        }
        State::Exited(exit) if exit.restart_due => start(format!("ended: {}", exit.how)),
        State::Exited(exit) => Verdict::Wait(format!(
            "ended: {}; starts again after a backoff of {} s",
            exit.how,
            exit.backoff_ms / 1000
        )),
    }
}

/// Whether a container that ended is left alone.
fn stays_ended(restart: Restart, end: End) -> bool {
    match restart {
        Restart::Always | Restart::UnlessStopped => false,
        Restart::OnFailure => end == End::Success,
        Restart::Never => true,
    }
}

/// Each setting that is another one now, in words.
fn changes(have: &BTreeMap<String, String>, want: &BTreeMap<String, String>) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, value) in want {
        let (before, value) = (have.get(name), settings::shown(value));
        match before.map(|before| settings::shown(before)) {
            _ if before == want.get(name) => {}
            Some(before) if before == value => changes.push(format!("`{name}` is another secret")),
            Some(before) => changes.push(format!("`{name}` was {before}, is to be {value}")),
            None => changes.push(format!("`{name}` is to be {value}")),
        }
    }
    for (name, before) in have.iter().filter(|(name, _)| !want.contains_key(*name)) {
        let before = settings::shown(before);
        changes.push(format!("`{name}` was {before}, is not set any more"));
    }
    changes
}

fn volumes(names: &[String]) -> String {
    let word = if names.len() == 1 { "volume" } else { "volumes" };
    format!("{word} {}", names.join(", "))
}
