//! A command that prepares something once, and again when what it depends on changed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::{Kind, Need, Reversibility, Target, Verdict};

/// The kind.
#[derive(Debug)]
pub enum Setup {}

/// A step that is to have been run with success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Where it is.
    pub place: Place,
    /// Hash over the command line, the working folder and what `inputs` and `creates` say. Not over the
    /// environment, which holds ports and passwords: a new port must not install everything again.
    pub fingerprint: String,
    /// What is run.
    pub command: Command,
    /// Glob patterns below `place.root`; their files' contents are part of what it depends on.
    pub inputs: Vec<String>,
    /// They are those of the template that it prepares clones of, for it names none itself: what counts is what the
    /// commit has that is checked out.
    pub inherits: bool,
    /// Path below `place.root` that it makes: missing means it has to run.
    pub creates: Option<PathBuf>,
    /// Seconds after which it is stopped and counts as failed.
    pub timeout_s: u64,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Absolute path of the worktree.
    pub root: PathBuf,
}

/// What was seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The last run, if any is on record.
    pub last: Option<Run>,
    /// Hash over the inputs as they are now.
    pub inputs: String,
    /// What it makes is not there.
    pub output_missing: bool,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `Desired::fingerprint` at that time.
    pub fingerprint: String,
    /// Hash over the inputs at that time.
    pub inputs: String,
    /// `Desired::inherits` at that time. What an earlier release ran looked at no inputs, and is not run again for that
    /// alone: an upgrade stops nobody.
    #[serde(default)]
    pub inherits: bool,
    /// It ended with code 0.
    pub success: bool,
    /// `exit code 1`, `timed out after 20 min`.
    pub how: String,
}

/// What can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run it.
    Run(Arc<Desired>),
    /// Forget the last run, because what it prepared is about to be made anew.
    Forget(Place),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(want) => write!(f, "run `{}`", want.command.line()),
            Self::Forget(_) => f.write_str("forget"),
        }
    }
}

impl Kind for Setup {
    type Desired = Desired;
    type Place = Place;
    type Observed = Observed;
    type Action = Action;

    fn diff(target: &Target<Desired>, place: &Place, have: Option<&Observed>) -> Verdict<Action> {
        let last = have.and_then(|have| have.last.as_ref());
        match target {
            Target::Present(want) => match cause(want, have) {
                None => Verdict::Settled,
                Some(cause) => Verdict::one(Action::Run(Arc::clone(want)), cause),
            },
            Target::Trashed => Verdict::Settled,
            Target::Gone if last.is_some() => {
                Verdict::one(Action::Forget(place.clone()), "no longer wanted")
            }
            Target::Gone => Verdict::Settled,
        }
    }

    fn satisfies(have: &Observed, _need: Need) -> bool {
        have.last.as_ref().is_some_and(|run| run.success) && !have.output_missing
    }

    fn reversibility(action: &Action) -> Reversibility {
        match action {
            Action::Run(_) | Action::Forget(_) => Reversibility::Free,
        }
    }
}

/// Why it has to run; `None` when it has not.
fn cause(want: &Desired, have: Option<&Observed>) -> Option<String> {
    let Some((have, last)) = have.and_then(|have| Some((have, have.last.as_ref()?))) else {
        return Some("was not run yet".into());
    };
    if !last.success {
        Some(format!("its last run ended with {}", last.how))
    } else if last.fingerprint != want.fingerprint {
        Some("its command changed".into())
    } else if last.inputs != have.inputs && last.inherits == want.inherits {
        Some("its inputs changed".into())
    } else if have.output_missing {
        Some("what it creates is missing".into())
    } else {
        None
    }
}
