//! A supervised process of an agent.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Command;
pub use super::limits::{Budget, Limits};
use super::{End, Exit, Kind, Need, Readiness, Reversibility, Target, Verdict};
use crate::plant::{Bug, is_planted};

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
    /// What has to pass before the others are looked at; `None`: nothing.
    pub startup: Option<Probe>,
    /// How to see that it does its work; `None`: it runs.
    pub ready: Option<Probe>,
    /// How to see that it never will again; `None`: it runs.
    pub live: Option<Probe>,
    /// Files whose change starts it again.
    pub watch: Option<Watch>,
    /// What happens when it ends.
    pub restart: Restart,
    /// What it may use.
    pub limits: Limits,
    /// What all processes of its agent may use together.
    pub budget: Budget,
}

/// Files whose change starts a process again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The folder that the patterns are of.
    pub root: PathBuf,
    /// Which files, as patterns.
    pub paths: Vec<String>,
    /// Which of them do not count.
    pub ignore: Vec<String>,
    /// Milliseconds without a change until it is started again.
    pub delay_ms: u64,
}

/// How to see how a process does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What is looked at.
    pub check: Check,
    /// Milliseconds from the start to the first look.
    pub delay_ms: u64,
    /// Milliseconds between two looks once it passed; before that they come faster.
    pub period_ms: u64,
    /// Milliseconds after the start within which it must pass; later it is reported, or ended, as failing.
    pub timeout_ms: u64,
    /// Milliseconds that one look may take; `None`: 3 s, and longer for a command that was too slow.
    pub attempt_ms: Option<u64>,
    /// Failures in a row until what passed does not any more.
    pub failures: u32,
    /// Passes in a row until it passes.
    pub successes: u32,
}

impl Probe {
    /// Default time between two looks at a process that passes: a look costs the controller a third of a
    /// millisecond, and five agents with two such processes each are to cost it under 0.3 % of a core.
    pub const PERIOD_MS: u64 = 10_000;
    /// Default time within which a process has to pass.
    pub const TIMEOUT_MS: u64 = 60_000;
    /// Default of failures in a row.
    pub const FAILURES: u32 = 3;

    /// With the defaults of all else.
    pub fn of(check: Check) -> Self {
        Self {
            check,
            delay_ms: 0,
            period_ms: Self::PERIOD_MS,
            timeout_ms: Self::TIMEOUT_MS,
            attempt_ms: None,
            failures: Self::FAILURES,
            successes: 1,
        }
    }
}

/// What a probe looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `GET` on 127.0.0.1.
    Http(HttpCheck),
    /// A connection to 127.0.0.1 is accepted.
    Tcp {
        /// TCP port.
        port: u16,
    },
    /// A command ends with code 0.
    Exec(Command),
    /// A line that it has printed matches this regular expression.
    Log {
        /// As `regex` understands it.
        line: String,
    },
}

/// What a `GET` is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// TCP port.
    pub port: u16,
    /// Path with query.
    pub path: String,
    /// Statuses that are good; none named: 200 to 399.
    pub statuses: Vec<u16>,
    /// Fields of the JSON in its body, by dotted path, and what they are as text.
    pub json: BTreeMap<String, String>,
}

impl HttpCheck {
    /// Any good status, whatever the body.
    pub fn get(port: u16, path: impl Into<String>) -> Self {
        Self { port, path: path.into(), statuses: Vec::new(), json: BTreeMap::new() }
    }
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
        /// It is to be ended, as it does not come up or does not live any more: why.
        hopeless: Option<String>,
        /// A file that it watches has changed since its start: which one, relative to its folder.
        changed: Option<String>,
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
    /// End what runs and does not do its work, for the reason given; then its restart policy says what follows.
    Fail(Place, String),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start(_) => "start",
            Self::Respawn(_) => "respawn",
            Self::Stop(_) => "stop",
            Self::End(_) | Self::Fail(..) => "end",
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
            (
                Target::Present(want),
                Some(Observed::Running { fingerprint, ready, hopeless, changed, .. }),
            ) => {
                if *fingerprint != want.fingerprint && !is_planted(Bug::EditIsMissed) {
                    Verdict::one(Action::Respawn(Arc::clone(want)), CHANGED)
                } else if let Some(file) = changed {
                    Verdict::one(Action::Respawn(Arc::clone(want)), format!("{file} has changed"))
                } else if let Some(why) = hopeless {
                    Verdict::one(Action::Fail(want.place.clone(), why.clone()), why.clone())
                } else {
                    match ready {
                        Readiness::Ready => Verdict::Settled,
                        Readiness::NotReady(_) if is_planted(Bug::StartsTwice) => {
                            Verdict::one(Action::Start(Arc::clone(want)), "is not ready")
                        }
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
            Action::Start(_)
            | Action::Respawn(_)
            | Action::Stop(_)
            | Action::End(_)
            | Action::Fail(..) => Reversibility::Free,
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
        Verdict::Stalled(format!("{}, and its spec says `restart: never`", exit.told()))
    } else if exit.restart_due {
        Verdict::one(Action::Start(Arc::clone(want)), exit.told())
    } else {
        let again = if exit.end == End::NotStarted { "is tried" } else { "starts" };
        Verdict::Wait(format!(
            "{}; {again} again after a backoff of {} s (restart {})",
            exit.told(),
            exit.backoff_ms / 1000,
            exit.restarts + 1
        ))
    }
}
