//! The part that every object has: group and version, metadata, and the rule for names.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The API group of every object.
pub const API_GROUP: &str = "agent-harness.dev";

/// The only `apiVersion` that this release reads.
pub const API_VERSION: &str = "agent-harness.dev/v1alpha1";

/// The longest `metadata.name`, in characters. It leaves room for suffixes in the 63 bytes that a
/// database name, a bucket name and a DNS label have.
pub const MAX_NAME: usize = 40;

/// Who the object is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name of the object, unique among objects of its kind. Lower-case letters, digits and
    /// `-`, at most 40 characters, starting and ending with a letter or digit. Example: `agent-3`.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    pub name: String,
    /// Labels of your own, shown by `ctl describe` and `ctl get -o yaml` and otherwise left alone.
    /// Default: none. Example: `{team: billing}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Notes of your own that nothing reads. Default: none. Example: `{ticket: ABC-17}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The identity that the controller gave the object. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// How often the spec has changed, counted by the controller. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When the controller first saw the object. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Since when the object has been leaving. Ignored on input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Where the controller read the object, `FILE:LINE`. Ignored on input, except that relative
    /// paths of what `ctl get` printed and `ctl apply -f -` reads start at that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Says what is wrong with `name` as a `metadata.name` (or any other name that becomes part of a
/// path, a label or an identifier), or `None` when it is fine.
pub fn name_problem(name: &str) -> Option<String> {
    problem(name, false)
}

/// The same for a name within a spec, such as that of a process: `_` and upper case are allowed too, as many apps'
/// own names have them.
pub(crate) fn inner_name_problem(name: &str) -> Option<String> {
    problem(name, true)
}

fn problem(name: &str, inner: bool) -> Option<String> {
    let allowed = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || c == '-'
            || inner && (c.is_ascii_uppercase() || c == '_')
    };
    if name.is_empty() {
        return Some("a name may not be empty".to_owned());
    }
    if name.contains('/') || name.contains("..") {
        return Some("a name may not be a path: `/` and `..` are not allowed".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| !allowed(*c)) {
        return Some(if bad.is_ascii_uppercase() {
            format!("a name is written in lower case: `{bad}` is not allowed")
        } else if inner {
            format!("only a-z, A-Z, 0-9, `-` and `_` are allowed, not {bad:?}")
        } else {
            format!("only a-z, 0-9 and `-` are allowed, not {bad:?}")
        });
    }
    if name.len() > MAX_NAME {
        return Some(format!("a name has at most {MAX_NAME} characters, this has {}", name.len()));
    }
    if [name.chars().next(), name.chars().last()].iter().flatten().any(|c| !c.is_alphanumeric()) {
        return Some("a name starts and ends with a letter or a digit".to_owned());
    }
    None
}
