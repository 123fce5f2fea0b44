//! A shared server: Postgres, the object store, and whatever else all agents use.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Exit, Kind, Need, Readiness, Reversibility, Target, Verdict};
use crate::secret::{Secret, Text};

/// The kind.
#[derive(Debug)]
pub enum Service {}

/// A server that is to run, or that somebody else runs for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over `runtime`, secrets included.
    pub fingerprint: String,
    /// How it runs.
    pub runtime: Runtime,
}

/// How a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// PostgreSQL as a process of ours.
    EmbeddedPostgres(EmbeddedPostgres),
    /// PostgreSQL that somebody else runs.
    ExternalPostgres(PostgresConnection),
    /// Our object store as a process of ours.
    EmbeddedObjectStore(EmbeddedObjectStore),
    /// An S3-compatible store that somebody else runs.
    ExternalObjectStore(StoreConnection),
}

/// PostgreSQL as a process of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedPostgres {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Wanted major version; `None` takes what the machine has, and fetches 18 where it has none.
    pub version: Option<String>,
    /// Folder with `initdb` and `postgres`; looked for when `None`.
    pub bin_dir: Option<PathBuf>,
    /// Lines of `postgresql.conf`.
    pub settings: BTreeMap<String, Text>,
    /// The data folder's parent; the harness makes it.
    pub root: PathBuf,
    /// Password of the superuser `postgres`.
    pub admin_password: Secret,
}

/// Our object store as a process of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedObjectStore {
    /// TCP port on 127.0.0.1.
    pub port: u16,
    /// Folder of buckets, keys and settings; the harness makes it.
    pub root: PathBuf,
    /// The controller's own access key.
    pub access_key: String,
    /// The controller's own secret key.
    pub secret_key: Secret,
}

/// How the controller reaches a Postgres server as its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConnection {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Role that may create databases and roles.
    pub user: String,
    /// Its password.
    pub password: Secret,
    /// The database to log in to; `postgres` unless told otherwise.
    pub database: String,
    /// Whether the connection is encrypted; `None`: the spec does not say.
    pub sslmode: Option<SslMode>,
    /// It runs in a container of ours: what it came with is closed to agents.
    pub in_container: bool,
    /// The root folder of our own server: a password is shown only to the process that runs on it. `None`
    /// for a server of somebody else's.
    pub embedded_root: Option<PathBuf>,
}

/// Whether a connection is encrypted, and how far the server proves who it is: what `sslmode` means to libpq.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the server can.
    Prefer,
    /// Always, by whatever certificate.
    Require,
    /// Always, by a certificate that a known authority signed.
    VerifyCa,
    /// Always, by one that is also of this host.
    VerifyFull,
}

impl SslMode {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 5] =
        [Self::Disable, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// As libpq and the URL write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// How the controller reaches an object store as its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConnection {
    /// `http://127.0.0.1:19000`
    pub endpoint: String,
    /// Region for signing.
    pub region: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: Secret,
    /// The root folder of our own store, where keys and marks are kept; `None` for a store of somebody else's.
    pub embedded_root: Option<PathBuf>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// `metadata.name` of the Infra.
    pub infra: String,
    /// `postgres`, `objectStore`, or the service's name.
    pub name: String,
    /// Folder with its data; `None` when somebody else runs it.
    pub root: Option<PathBuf>,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It runs.
    Running {
        /// What it was started with; our own wish for a server that somebody else runs.
        fingerprint: String,
        /// Whether it answers as the server that it should be.
        ready: Readiness,
        /// Process id on this host, where it is ours.
        pid: Option<u32>,
    },
    /// It was started and ended.
    Exited {
        /// What it was started with.
        fingerprint: String,
        /// How it ended.
        exit: Exit,
    },
    /// It was stopped by us; its data is there.
    Stopped,
    /// Another program holds its port: pid and command.
    PortTaken(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Prepare its data folder if need be, and start it.
    Start(Arc<Desired>),
    /// Stop it, and start it with other settings.
    Restart(Arc<Desired>),
    /// Stop it and keep its data.
    Stop(Place),
    /// Stop it and delete its data.
    Purge(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start(_) => "start",
            Self::Restart(_) => "restart",
            Self::Stop(_) => "stop",
            Self::Purge(_) => "purge",
        })
    }
}

impl Kind for Service {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), have) => present(want, have),
            (Target::Trashed, None | Some(Observed::Stopped | Observed::PortTaken(_))) => {
                Verdict::Settled
            }
            (Target::Trashed, Some(Observed::Running { .. } | Observed::Exited { .. })) => {
                Verdict::one(Action::Stop(place.clone()), "no longer wanted; its data is kept")
            }
            (Target::Gone, None | Some(Observed::PortTaken(_))) => Verdict::Settled,
            (
                Target::Gone,
                Some(Observed::Running { .. } | Observed::Exited { .. } | Observed::Stopped),
            ) => Verdict::one(Action::Purge(place.clone()), "to be purged"),
        }
    }

    fn satisfies(have: &Observed, need: Need) -> bool {
        match have {
            Observed::Running { ready, .. } => match need {
                Need::Exists | Need::Started => true,
                Need::Ready => *ready == Readiness::Ready,
                Need::Succeeded => false,
            },
            Observed::Exited { .. } | Observed::Stopped | Observed::PortTaken(_) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Start(_) | Action::Restart(_) | Action::Stop(_) => Reversibility::Free,
            Action::Purge(_) => Reversibility::Final,
        }
    }
}

fn present(want: &Arc<Desired>, have: Option<&Observed>) -> Verdict<Action> {
    let external =
        matches!(want.runtime, Runtime::ExternalPostgres(_) | Runtime::ExternalObjectStore(_));
    match have {
        None | Some(Observed::Stopped) if external => {
            Verdict::Wait("somebody else runs this server, and it does not answer".into())
        }
        // What the spec asked for before: it holds memory and, perhaps, the port, and nobody looks after it any more.
        Some(Observed::Exited { .. }) if external => left_over(want),
        Some(Observed::Running { fingerprint, .. })
            if external && *fingerprint != want.fingerprint =>
        {
            left_over(want)
        }
        None => Verdict::one(Action::Start(Arc::clone(want)), "does not run"),
        Some(Observed::Stopped) => Verdict::one(Action::Start(Arc::clone(want)), "is stopped"),
        Some(Observed::Exited { fingerprint, exit }) => exited(want, fingerprint, exit),
        Some(Observed::Running { fingerprint, .. }) if *fingerprint != want.fingerprint => {
            Verdict::one(Action::Restart(Arc::clone(want)), "its settings changed")
        }
        Some(Observed::Running { ready: Readiness::NotReady(why), .. }) => {
            Verdict::Wait(why.clone())
        }
        Some(Observed::Running { ready: Readiness::Ready, .. }) => Verdict::Settled,
        Some(Observed::PortTaken(who)) => Verdict::Conflict(format!(
            "its port is taken by {who}; stop that program or give the service another port"
        )),
    }
}

fn exited(want: &Arc<Desired>, fingerprint: &str, exit: &Exit) -> Verdict<Action> {
    if fingerprint != want.fingerprint {
        // Other settings than those that it ended with: its history does not count against them.
        Verdict::one(Action::Start(Arc::clone(want)), "its settings changed")
    } else if exit.restart_due {
        Verdict::one(Action::Start(Arc::clone(want)), format!("ended: {}", exit.how))
    } else {
        Verdict::Wait(format!(
            "ended: {}; starts again after a backoff of {} s",
            exit.how,
            exit.backoff_ms / 1000
        ))
    }
}

/// A process of ours, where somebody else runs the server now.
fn left_over(want: &Desired) -> Verdict<Action> {
    let cause = "does not run as a process of ours any more; its data is kept";
    Verdict::one(Action::Stop(want.place.clone()), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external() -> Arc<Desired> {
        let place = Place { infra: "shared".into(), name: "objectStore".into(), root: None };
        let connection = StoreConnection {
            endpoint: "https://store.example".into(),
            region: "us-east-1".into(),
            access_key: "a".into(),
            secret_key: Secret::new("s"),
            embedded_root: None,
        };
        let runtime = Runtime::ExternalObjectStore(connection);
        Arc::new(Desired { place, fingerprint: "external".into(), runtime })
    }

    fn embedded(fingerprint: &str) -> Arc<Desired> {
        let root = PathBuf::from("/state/store");
        let place =
            Place { infra: "shared".into(), name: "objectStore".into(), root: Some(root.clone()) };
        let store = EmbeddedObjectStore {
            port: 19000,
            root,
            access_key: "a".into(),
            secret_key: Secret::new("s"),
        };
        let runtime = Runtime::EmbeddedObjectStore(store);
        Arc::new(Desired { place, fingerprint: fingerprint.into(), runtime })
    }

    fn ended(fingerprint: &str, restart_due: bool) -> Observed {
        let exit = Exit {
            how: "exit code 1".into(),
            end: crate::kinds::End::Failure,
            restarts: 0,
            restart_due,
            backoff_ms: 8000,
            last_lines: Vec::new(),
        };
        Observed::Exited { fingerprint: fingerprint.into(), exit }
    }

    fn plan(have: Option<&Observed>) -> String {
        plan_for(&external(), have)
    }

    fn plan_for(want: &Arc<Desired>, have: Option<&Observed>) -> String {
        match Service::diff(&Target::Present(Arc::clone(want)), &want.place, have) {
            Verdict::Settled => "settled".into(),
            Verdict::Change(steps) => {
                let text = steps.iter().map(|(action, cause)| format!("{action}: {cause}"));
                text.collect::<Vec<_>>().join("; ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_corrected_spec_does_not_wait_for_the_backoff_of_the_old_one() {
        let waiting = "Wait(\"ended: exit code 1; starts again after a backoff of 8 s\")";
        let want = embedded("f1");
        assert_eq!(plan_for(&want, Some(&ended("f1", false))), waiting);
        assert_eq!(plan_for(&want, Some(&ended("f1", true))), "start: ended: exit code 1");
        let corrected = plan_for(&embedded("f2"), Some(&ended("f1", false)));
        assert_eq!(corrected, "start: its settings changed");
    }

    #[test]
    fn a_process_of_ours_ends_when_somebody_else_runs_the_server() {
        let running = |fingerprint: &str, ready, pid| Observed::Running {
            fingerprint: fingerprint.into(),
            ready,
            pid,
        };
        let stop = "stop: does not run as a process of ours any more; its data is kept";
        assert_eq!(plan(Some(&running("embedded", Readiness::Ready, Some(7)))), stop);
        // Caught while it starts or ends.
        let ending = running("embedded", Readiness::NotReady("has ended".into()), None);
        assert_eq!(plan(Some(&ending)), stop);
        assert_eq!(plan(Some(&ended("embedded", true))), stop);

        assert_eq!(plan(Some(&running("external", Readiness::Ready, None))), "settled");
        let down = running("external", Readiness::NotReady("no answer".into()), None);
        assert_eq!(plan(Some(&down)), "Wait(\"no answer\")");
        assert_eq!(plan(None), "Wait(\"somebody else runs this server, and it does not answer\")");
    }
}
