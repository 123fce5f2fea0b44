//! What becomes of an agent that is to go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentSpec, Duration, StackSpec};

/// What becomes of an agent that is to go. The spec that was accepted last says it, not the file that vanished.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletion {
    /// Whether it stays although its file is gone, and `ctl delete` is refused: first this has to be taken out. Default:
    /// `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect: Option<bool>,
    /// How long what it made can be brought back with `ctl undelete`. Default: `24h`. Example: `7d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Duration>,
}

impl Deletion {
    /// That of an agent: what it says itself, else what its Stack says.
    pub fn of(agent: &AgentSpec, stack: Option<&StackSpec>) -> Self {
        let stack = stack.and_then(|stack| stack.deletion.clone()).unwrap_or_default();
        let own = match agent.overrides.get("deletion") {
            // As in a merge patch: all of the Stack's is taken out.
            Some(serde_json::Value::Null) => return Self::default(),
            Some(own) => serde_json::from_value::<Self>(own.clone()).unwrap_or_default(),
            None => return stack,
        };
        Self { protect: own.protect.or(stack.protect), retain: own.retain.or(stack.retain) }
    }

    /// Whether it may not go.
    pub fn is_protected(&self) -> bool {
        self.protect == Some(true)
    }
}
