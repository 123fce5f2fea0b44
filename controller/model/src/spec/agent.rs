//! `Agent`: one coding agent's own stack, with what differs from its `Stack`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::{Metadata, StackSpec};

/// One coding agent with a full development stack of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Agent {
    /// `agent-harness.dev/v1alpha1`.
    pub api_version: String,
    /// `Agent`.
    pub kind: String,
    /// Who the object is.
    pub metadata: Metadata,
    /// Which stack the agent gets, and what differs from it.
    pub spec: AgentSpec,
    /// What the controller last saw. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Json>,
}

/// Which stack the agent gets, and what differs from it: any other key is one of the Stack's, and
/// what it holds is merged into the Stack's as a JSON merge patch (`null` removes).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Json>", into = "Map<String, Json>")]
pub struct AgentSpec {
    /// The name of the Stack.
    pub stack: String,
    /// The agent's number; `None` takes the one that ends the name.
    pub id: Option<u32>,
    /// Whether nothing is done about the agent until it is resumed.
    pub suspend: Option<bool>,
    /// A JSON merge patch onto the Stack's spec.
    pub overrides: Map<String, Json>,
}

impl TryFrom<Map<String, Json>> for AgentSpec {
    type Error = String;

    fn try_from(mut map: Map<String, Json>) -> Result<Self, String> {
        fn take<T: serde::de::DeserializeOwned>(
            map: &mut Map<String, Json>,
            key: &str,
        ) -> Result<Option<T>, String> {
            match map.remove(key) {
                None | Some(Json::Null) => Ok(None),
                Some(value) => {
                    serde_json::from_value(value).map(Some).map_err(|e| format!("`{key}`: {e}"))
                }
            }
        }
        Ok(Self {
            stack: take(&mut map, "stack")?.ok_or("`stack` is missing")?,
            id: take(&mut map, "id")?,
            suspend: take(&mut map, "suspend")?,
            overrides: map,
        })
    }
}

impl From<AgentSpec> for Map<String, Json> {
    fn from(spec: AgentSpec) -> Self {
        let AgentSpec { stack, id, suspend, overrides } = spec;
        let mut map = overrides;
        map.insert("stack".to_owned(), stack.into());
        if let Some(id) = id {
            map.insert("id".to_owned(), id.into());
        }
        if let Some(suspend) = suspend {
            map.insert("suspend".to_owned(), suspend.into());
        }
        map
    }
}

impl JsonSchema for AgentSpec {
    fn schema_name() -> Cow<'static, str> {
        "AgentSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut stack = StackSpec::json_schema(generator);
        let mut properties = stack
            .as_object_mut()
            .and_then(|schema| schema.remove("properties"))
            .and_then(|properties| match properties {
                Json::Object(map) => Some(map),
                _ => None,
            })
            .unwrap_or_default();
        for (key, schema) in own_properties() {
            properties.insert(key, schema);
        }
        json_schema!({
            "description": "Which stack the agent gets, and what differs from it. Every key beside \
                `stack`, `id` and `suspend` is one of the Stack's, and is merged into it as a JSON \
                merge patch: maps are merged key by key, `null` removes, anything else replaces.",
            "type": "object",
            "properties": properties,
            "required": ["stack"],
            "additionalProperties": false
        })
    }
}

fn own_properties() -> [(String, Json); 3] {
    [
        (
            "stack".to_owned(),
            serde_json::json!({
                "type": "string",
                "description": "The name of the Stack. Example: `lightdash`."
            }),
        ),
        (
            "id".to_owned(),
            serde_json::json!({
                "type": ["integer", "null"],
                "minimum": 0,
                "maximum": u32::MAX,
                "description": "The agent's number, from which its ports follow; no two agents of \
                    a Stack have the same. Default: the number that ends the name (`agent-3`: 3)."
            }),
        ),
        (
            "suspend".to_owned(),
            serde_json::json!({
                "type": ["boolean", "null"],
                "description": "Nothing is done about the agent until it is resumed: what runs goes on \
                    running, and what is missing stays missing. Default: `false`."
            }),
        ),
    ]
}
