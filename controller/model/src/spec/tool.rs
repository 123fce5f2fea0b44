//! A program of the host that a stack needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Command;

/// A program that has to be on the host before a stack can work: `ctl doctor --for stack/NAME` looks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tool {
    /// The command that prints its version. Default: `NAME --version`. Example: `go version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Command>,
    /// Which versions will do, as Cargo and npm write it. Default: any. Example: `">=20.19, <25"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether the stack comes up without it. Default: `false`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// What to do where it is missing or too old. Default: none. Example: `corepack enable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}
