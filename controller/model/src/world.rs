//! The words in which the pure core and the world outside talk: what is asked, what was seen, what went wrong.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::ResourceId;
use crate::kinds::{Have, Place, Resource};

/// What was found out about something. Unknown is never absent: it plans nothing and deletes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It was looked at.
    Known(T),
    /// It could not be looked at; why, in words.
    Unknown(String),
}

/// A question to a provider: what is there for this resource?
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The resource.
    pub id: &'a ResourceId,
    /// Where it is, or would be.
    pub place: &'a Place,
    /// What is wanted there; `None` when it is to go.
    pub want: Option<&'a Resource>,
    /// What the ledger remembers of it.
    pub record: &'a Record,
}

/// What the ledger remembers of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// Fingerprint of the last desired state that was applied with success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// Fingerprint of the desired state that was about to be applied, written before the first mutation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intended: Option<String>,
}

impl Record {
    /// Whether we ever wrote, or were about to write, a state with this fingerprint.
    pub fn knows(&self, fingerprint: &str) -> bool {
        [&self.applied, &self.intended].into_iter().any(|f| f.as_deref() == Some(fingerprint))
    }
}

/// One look at the world: for every resource asked about, what was found. `None` inside `Known` is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed(BTreeMap<ResourceId, Seen<Option<Have>>>);

impl Observed {
    /// Notes an answer.
    pub fn insert(&mut self, id: ResourceId, seen: Seen<Option<Have>>) {
        self.0.insert(id, seen);
    }

    /// The answer for a resource; what nobody looked at is unknown.
    pub fn get(&self, id: &ResourceId) -> Seen<Option<&Have>> {
        match self.0.get(id) {
            Some(Seen::Known(have)) => Seen::Known(have.as_ref()),
            Some(Seen::Unknown(why)) => Seen::Unknown(why.clone()),
            None => Seen::Unknown("not looked at yet".into()),
        }
    }

    /// Takes in the answers of another look; the newer answer wins.
    pub fn merge(&mut self, other: Observed) {
        self.0.extend(other.0);
    }

    /// All answers, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (&ResourceId, &Seen<Option<Have>>)> {
        self.0.iter()
    }
}

impl FromIterator<(ResourceId, Seen<Option<Have>>)> for Observed {
    fn from_iter<I: IntoIterator<Item = (ResourceId, Seen<Option<Have>>)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

/// What a failure means for what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Class {
    /// Will probably pass: try again with backoff.
    Transient,
    /// Cannot pass until something else happens: wait for an event.
    Blocked,
    /// Will not pass until somebody changes something: say so, look again at each resync.
    Terminal,
    /// It may or may not have happened: observe before any retry.
    Indeterminate,
    /// Something that is not ours stands there: never touch it.
    Conflict,
}

/// A step that did not work. The message holds the whole chain of causes and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApplyError {
    /// What it means for what comes next.
    pub class: Class,
    /// What happened, where, and what to do about it.
    pub message: String,
    /// The part of the resource that it is about, by its name in the specs: a build step of a template.
    pub part: Option<String>,
}

impl ApplyError {
    /// Builds one from an error with its sources, joined by `: `.
    pub fn from_error(class: Class, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            message.push_str(": ");
            message.push_str(&inner.to_string());
            source = inner.source();
        }
        Self { class, message, part: None }
    }
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was carried out, or was so already.
    Done,
    /// It did not work.
    Failed(ApplyError),
    /// It was not tried, because the step with this number did not end well.
    Blocked {
        /// The step's number in the plan.
        by: usize,
    },
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Blocked { by } => write!(f, "not tried: step {by} did not end well"),
        }
    }
}
