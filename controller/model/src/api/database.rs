//! What is told of an agent's databases that are kept, and of the generations of a template.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::ObjectKey;

/// A database that is about to be replaced: it is on record, and comes about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// The agent.
    pub object: ObjectKey,
    /// The name under which what it is now will be kept.
    pub kept: String,
    /// Until when; `None`: until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// What an agent's database was at some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptDatabase {
    /// Its name.
    pub name: String,
    /// Since when it is kept.
    pub at: Timestamp,
    /// Until when; `None`: until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The template generation that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Bytes on disk; `None`: it is not there yet, or cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

/// A generation of a Stack's template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Its database.
    pub database: String,
    /// The hash over what it is made of.
    pub hash: String,
    /// How it stands.
    pub state: GenerationState,
    /// New databases come from this one.
    pub current: bool,
    /// Why it is not there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Bytes on disk; `None`: it is not there yet, or cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// When its build ended; `None`: it has not, or an earlier release built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Timestamp>,
    /// The agents whose databases came from it.
    pub users: Vec<ObjectKey>,
    /// When it goes, where nobody uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How a generation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GenerationState {
    /// It is being built, or is about to be.
    Building,
    /// Its build failed.
    Failed,
    /// It can be cloned.
    Ready,
    /// It is on its way out.
    Leaving,
}

impl std::fmt::Display for GenerationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Building => "Building",
            Self::Failed => "Failed",
            Self::Ready => "Ready",
            Self::Leaving => "Leaving",
        })
    }
}

/// A template of which a new generation is about to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    /// The Stack.
    pub object: ObjectKey,
    /// The database of the new generation.
    pub database: String,
}
