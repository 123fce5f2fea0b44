//! A supervised process of an agent.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Command;
pub use super::limits::{Budget, Limits};
use super::{End, Exit, Kind, Need, Readiness, Reversibility, Target, Verdict};

/// The kind.
#[derive(Debug)]
pub enum Process {}

/// A process that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over `command` (secrets included), `ports` and what it may use: another one means a new process.
    pub fingerprint: String,
    /// What is run.
    pub command: Command,
    /// Ports that it alone may listen on: by name.
    pub ports: Vec<(String, u16)>,
    /// How to see that it does its work; `None`: it runs.
    pub ready: Option<Probe>,
    /// What happens when it ends.
    pub restart: Restart,
    /// What it may use.
    pub limits: Limits,
    /// What all processes of its agent may use together.
    pub budget: Budget,
}

/// How to see that a process does its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is looked at.
    pub check: Check,
    /// Milliseconds between two looks once it is ready; before that they come faster.
    pub period_ms: u64,
    /// Milliseconds after the start within which it must become ready; later it is reported as failing.
    pub timeout_ms: u64,
}

/// What a probe looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `GET` on 127.0.0.1 answers 2xx or 3xx.
    Http {
        /// TCP port.
        port: u16,
        /// Path with query.
        path: String,
    },
    /// A connection to 127.0.0.1 is accepted.
    Tcp {
        /// TCP port.
        port: u16,
    },
    /// A command ends with code 0.
    Exec(Command),
}

/// What happens when a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Restart {
    /// It is started again.
    Always,
    /// It is started again unless it ended with code 0.
    OnFailure,
    /// It stays ended.
    Never,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The signal that asks it to stop: `SIGTERM`.
    pub stop_signal: String,
    /// Milliseconds until its whole tree is killed.
    pub stop_grace_ms: u64,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// It runs.
    Running {
        /// What it was started with.
        fingerprint: String,
        /// Its process id.
        pid: u32,
        /// What its probe says.
        ready: Readiness,
        /// Restarts in a row.
        restarts: u32,
        /// Milliseconds since its start.
        age_ms: u64,
        /// Its working folder was deleted under it, and whatever is there now is another one.
        folder_gone: bool,
    },
    /// It ended.
    Exited {
        /// What it was started with.
        fingerprint: String,
        /// How it ended.
        exit: Exit,
    },
    /// It does not run, and a port of its own is held by another program: which port, pid and command.
    PortTaken(String),
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start it.
    Start(Arc<Desired>),
    /// Stop its whole tree, then start it anew.
    Respawn(Arc<Desired>),
    /// Stop its whole tree and forget it.
    Stop(Place),
    /// End what its holder left when it was killed; that it was lost stays on record.
    End(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start(_) => "start",
            Self::Respawn(_) => "respawn",
            Self::Stop(_) => "stop",
            Self::End(_) => "end",
        })
    }
}

/// Why a process is started anew whose fingerprint is another.
const CHANGED: &str = "its command, environment, ports or limits changed";

impl Kind for Process {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        match (target, have) {
            (Target::Present(want), None) => {
                Verdict::one(Action::Start(Arc::clone(want)), "does not run")
            }
            (Target::Present(want), Some(Observed::Running { folder_gone: true, .. })) => {
                Verdict::one(
                    Action::Respawn(Arc::clone(want)),
                    "its working folder was deleted under it",
                )
            }
            (Target::Present(want), Some(Observed::Running { fingerprint, ready, .. })) => {
                if *fingerprint != want.fingerprint {
                    Verdict::one(Action::Respawn(Arc::clone(want)), CHANGED)
                } else {
                    match ready {
                        Readiness::Ready => Verdict::Settled,
                        Readiness::NotReady(why) => Verdict::Wait(format!("is not ready: {why}")),
                    }
                }
            }
            (Target::Present(want), Some(Observed::Exited { fingerprint, exit })) => {
                exited(want, fingerprint, exit)
            }
            (Target::Present(_), Some(Observed::PortTaken(who))) => {
                Verdict::Conflict(format!("{who}; stop that program or change the Stack's ports"))
            }
            (Target::Trashed | Target::Gone, None | Some(Observed::PortTaken(_))) => {
                Verdict::Settled
            }
            (
                Target::Trashed | Target::Gone,
                Some(Observed::Running { .. } | Observed::Exited { .. }),
            ) => Verdict::one(Action::Stop(place.clone()), "no longer wanted"),
        }
    }

    fn satisfies(have: &Observed, need: Need) -> bool {
        match (have, need) {
            (Observed::Running { .. }, Need::Exists | Need::Started) => true,
            (Observed::Running { ready, .. }, Need::Ready) => *ready == Readiness::Ready,
            // A good end that is the last one, as of what runs once; the planner sees whether it is.
            (Observed::Exited { exit, .. }, Need::Succeeded | Need::Started | Need::Ready) => {
                exit.end == End::Success
            }
            (Observed::Running { .. }, Need::Succeeded)
            | (Observed::Exited { .. }, Need::Exists)
            | (Observed::PortTaken(_), _) => false,
        }
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Start(_) | Action::Respawn(_) | Action::Stop(_) | Action::End(_) => {
                Reversibility::Free
            }
        }
    }
}

fn exited(want: &Arc<Desired>, fingerprint: &str, exit: &Exit) -> Verdict<Action> {
    if fingerprint != want.fingerprint {
        // Another command than the one that ended: its history does not count against it.
        return Verdict::one(Action::Start(Arc::clone(want)), CHANGED);
    }
    let stays = match (want.restart, exit.end) {
        // It is to run once, and has not.
        (_, End::NotStarted) | (Restart::Always, _) => false,
        (Restart::OnFailure, end) => end == End::Success,
        (Restart::Never, _) => true,
    };
    // A start that is due ends it as well.
    if exit.end == End::Orphaned && (stays || !exit.restart_due) {
        Verdict::one(Action::End(want.place.clone()), exit.how.clone())
    } else if stays && exit.end == End::Success {
        Verdict::Settled
    } else if stays {
        let how = &exit.how;
        Verdict::Stalled(format!("ended with {how}, and its spec says `restart: never`"))
    } else if exit.restart_due {
        Verdict::one(Action::Start(Arc::clone(want)), format!("ended with {}", exit.how))
    } else {
        Verdict::Wait(format!(
            "ended with {}; starts again after a backoff of {} s (restart {})",
            exit.how,
            exit.backoff_ms / 1000,
            exit.restarts + 1
        ))
    }
}
