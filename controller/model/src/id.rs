//! Names: of objects (what users write) and of resources (what the harness makes for them).
//!
//! How a name may look is checked by `spec`; here names are only carried, ordered and printed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a user can write in a spec file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// Shared services.
    Infra,
    /// What the stack of one app looks like.
    Stack,
    /// One coding agent's own stack.
    Agent,
}

impl ObjectKind {
    /// All of them, in the order in which they are needed.
    pub const ALL: [Self; 3] = [Self::Infra, Self::Stack, Self::Agent];

    /// The word used on the command line and in file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Infra => "infra",
            Self::Stack => "stack",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The identity of an object: `agent/agent-3`. Serialized in that form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ObjectKey {
    /// Which kind of object.
    pub kind: ObjectKind,
    /// `metadata.name`.
    pub name: String,
}

impl ObjectKey {
    /// An object of the given kind and name.
    pub fn new(kind: ObjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// `agent/NAME`
    pub fn agent(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Agent, name)
    }

    /// `stack/NAME`
    pub fn stack(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Stack, name)
    }

    /// `infra/NAME`
    pub fn infra(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Infra, name)
    }

    /// Where it stands in a list: shared things first, `agent-9` before `agent-10`.
    pub fn listed(&self) -> (ObjectKind, String, u64, String) {
        let stem = self.name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = self.name.get(stem.len()..).unwrap_or_default().parse().unwrap_or(0);
        (self.kind, stem.to_owned(), number, self.name.clone())
    }

    /// The key as a file-name-safe word: `agent-agent-3`.
    pub fn slug(&self) -> String {
        format!("{}-{}", self.kind, self.name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl From<ObjectKey> for String {
    fn from(key: ObjectKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for ObjectKey {
    type Error = ParseKeyError;

    /// Reads what was written by [`ObjectKey`] itself: `agent/3` is the agent that is called `3`.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let key = text.split_once('/').and_then(|(kind, name)| {
            let kind = ObjectKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
            (!name.is_empty() && !name.contains('/')).then(|| Self::new(kind, name))
        });
        key.ok_or(ParseKeyError(text))
    }
}

/// A word that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no object: write KIND/NAME with the kind infra, stack or agent")]
pub struct ParseKeyError(String);

impl FromStr for ObjectKey {
    type Err = ParseKeyError;

    /// Reads `agent/agent-3`, and the short forms of the command line: `agent-3` and `3`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let err = || ParseKeyError(text.to_owned());
        let (kind, name) = match text.split_once('/') {
            Some(("infra" | "infras", name)) => (ObjectKind::Infra, name),
            Some(("stack" | "stacks", name)) => (ObjectKind::Stack, name),
            Some(("agent" | "agents", name)) => (ObjectKind::Agent, name),
            Some(_) => return Err(err()),
            None => (ObjectKind::Agent, text),
        };
        if name.is_empty() || name.contains('/') {
            return Err(err());
        }
        let is_id = name.bytes().all(|b| b.is_ascii_digit());
        Ok(if kind == ObjectKind::Agent && is_id {
            Self::agent(format!("agent-{name}"))
        } else {
            Self::new(kind, name)
        })
    }
}

/// The identity of one incarnation of an object. A name that is deleted and made again gets another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(String);

impl Uid {
    /// Wraps a unique word of `[0-9a-z-]`, at least eight characters long.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last eight characters: enough to tell incarnations apart in a name.
    /// (The first ones of a time-ordered UUID are the same for objects made together.)
    pub fn short(&self) -> &str {
        self.0.get(self.0.len().saturating_sub(8)..).unwrap_or(&self.0)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every resource of ours carries, so that nothing else is ever touched:
/// `agent-harness:<installation>:<uid>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// The state folder's own id: two installations on one host never share resources.
    pub installation: String,
    /// The object that the resource was made for.
    pub uid: Uid,
}

impl Mark {
    const PREFIX: &'static str = "agent-harness";

    /// The mark in a text, if the text starts with one (further words may follow after a space).
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let mut parts = word.split(':');
        let (prefix, installation, uid) = (parts.next()?, parts.next()?, parts.next()?);
        (prefix == Self::PREFIX && parts.next().is_none())
            .then(|| Self { installation: installation.to_owned(), uid: Uid::new(uid) })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", Self::PREFIX, self.installation, self.uid)
    }
}

/// What the harness makes for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// A shared server.
    Service,
    /// A container of the Docker engine.
    Container,
    /// A git worktree.
    Worktree,
    /// A file rendered into a worktree.
    File,
    /// A seeded template database.
    Template,
    /// An agent's own database.
    Database,
    /// A bucket.
    Bucket,
    /// A command that prepares something once.
    Setup,
    /// A supervised process.
    Process,
}

impl ResourceKind {
    /// The word used in plans and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Container => "container",
            Self::Worktree => "worktree",
            Self::File => "file",
            Self::Template => "template",
            Self::Database => "database",
            Self::Bucket => "bucket",
            Self::Setup => "setup",
            Self::Process => "process",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One resource of one incarnation of one object. Printed as `agent/agent-3 database/agent_3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId {
    /// The object that it was made for.
    pub owner: ObjectKey,
    /// That object's incarnation.
    pub uid: Uid,
    /// Which kind of resource.
    pub kind: ResourceKind,
    /// Its name within the owner, stable over changes of the spec's values.
    pub name: String,
}

impl ResourceId {
    /// `database/agent_3`: the resource within its owner.
    pub fn local(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.owner, self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_name_the_same_agent() {
        for text in ["3", "agent-3", "agent/agent-3", "agent/3", "agents/agent-3"] {
            assert_eq!(text.parse::<ObjectKey>().unwrap(), ObjectKey::agent("agent-3"), "{text}");
        }
        assert_eq!("infra/shared".parse::<ObjectKey>().unwrap(), ObjectKey::infra("shared"));
        for text in ["", "pod/x", "agent/", "agent/a/b"] {
            assert!(text.parse::<ObjectKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_written_is_read_back_exactly() {
        for key in [ObjectKey::agent("3"), ObjectKey::agent("agent-3"), ObjectKey::infra("x")] {
            let text = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<ObjectKey>(&text).unwrap(), key);
        }
        for text in ["3", "agents/agent-3", "agent/", "pod/x"] {
            assert!(ObjectKey::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mark_is_read_back_and_nothing_else_is_taken_for_one() {
        let mark = Mark { installation: "i1".into(), uid: Uid::new("u-12345678") };
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
        assert_eq!(Mark::parse(&format!("{mark} template=ab")), Some(mark));
        for text in ["", "agent-harness", "agent-harness:i", "other:i:u", "agent-harness:i:u:x"] {
            assert_eq!(Mark::parse(text), None, "{text}");
        }
    }
}
