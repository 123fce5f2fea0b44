//! Checks of a process: what is looked at, how often, and how many failures count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Command, Duration, Value};

/// How to find out how a process does. Exactly one of `http`, `tcp`, `exec` and `log`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// Passes when a GET answers with a good status. Example: `{port: api, path: /api/v1/health}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Passes when the port accepts a connection. Example: `{port: api}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,
    /// Passes when a command ends with exit code 0. Example: `{command: ./healthy.sh}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
    /// Passes when the process has printed a line, and from then on. Example: `{line: "listening on port \\d+"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogProbe>,
    /// How long the process may take to pass for the first time. Of `ready`: before the agent is reported as not
    /// ready in time; checks go on. Of `startup`: before it is ended. Not for `live`. Default: `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Time between two checks of a process that passes; until it does for the first time, and after a check that
    /// failed, they come faster, but those of `live` never do. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// Time before the first check. Default: none. Example: `2s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// How long one check may take. Default: `3s`; a command of `ready` or `startup` gets twice as long after each
    /// that took longer, up to `timeout`. Example: `500ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<Duration>,
    /// How many checks in a row have to fail before one that passed does not pass any more. Default: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// How many checks in a row have to pass before it passes; of `ready` alone. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successes: Option<u32>,
}

/// A check over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpProbe {
    /// The name of a port under `ports`. Example: `api`.
    pub port: String,
    /// The path to get. Default: `/`. Example: `/api/v1/health`.
    #[serde(default = "root_path")]
    pub path: String,
    /// The status that is good, or several. Default: all from 200 to 399. Example: `[200, 204]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Statuses>,
    /// Fields of the JSON that it answers, at most 1 MiB, and what they have to be; a dot leads into an object or a
    /// list. Default: the body is not looked at. Example: `{status: ok, db.connected: true}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, Value>,
}

fn root_path() -> String {
    "/".to_owned()
}

/// HTTP statuses: one, or a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Statuses(pub Vec<u16>);

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusesVisitor)
    }
}

struct StatusesVisitor;

impl<'de> Visitor<'de> for StatusesVisitor {
    type Value = Statuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an HTTP status such as 200, or a list of them")
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Statuses, E> {
        // What is no status is told by the schema, with its place.
        Ok(Statuses(vec![u16::try_from(v).unwrap_or(u16::MAX)]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Statuses, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = seq.next_element::<u16>()? {
            all.push(one);
        }
        Ok(Statuses(all))
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({"type": "integer", "minimum": 100, "maximum": 599});
        json_schema!({
            "description": "An HTTP status, or a list of them.",
            "anyOf": [one, {"type": "array", "items": one, "minItems": 1}]
        })
    }
}

/// A check that opens a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpProbe {
    /// The name of a port under `ports`. Example: `api`.
    pub port: String,
}

/// A check that runs a command in the folder and environment of the process. What it starts is ended with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecProbe {
    /// The command: a line or a list of words. Example: `./healthy.sh`.
    pub command: Command,
}

/// A check of what the process prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogProbe {
    /// A regular expression that a line of its output has to match. Example: `listening on`.
    pub line: String,
}
