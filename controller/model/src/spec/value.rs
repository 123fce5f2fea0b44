//! A value of an environment variable or setting: text, or the name of a secret.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text written in place (numbers and booleans count as the text they are written as), or
/// `{secret: NAME}` for a secret that the controller keeps outside the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, in which `${…}` is replaced.
    Plain(String),
    /// The name of a secret, generated once when it does not exist.
    Secret(String),
}

impl Value {
    /// Plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Plain(text.into())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Secret(name) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("secret", name)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The name asks the reader of specs for the text of a number as it was written: 1.10 is not
        // 1.1. Any other deserializer goes through `visit_newtype_struct`.
        deserializer.deserialize_newtype_struct(AS_WRITTEN, ValueVisitor)
    }
}

/// The newtype name by which a type asks for scalars as the text that they were written as.
pub(super) const AS_WRITTEN: &str = "$agent-harness::as-written";

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or `{secret: NAME}`")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Plain(v.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Plain(v.to_string()))
    }

    fn visit_i64<E: de::Error>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Plain(v.to_string()))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Plain(v.to_string()))
    }

    fn visit_f64<E: de::Error>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Plain(v.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut secret = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "secret" {
                secret = Some(map.next_value::<String>()?);
            } else {
                return Err(de::Error::unknown_field(&key, &["secret"]));
            }
        }
        secret.map(Value::Secret).ok_or_else(|| de::Error::missing_field("secret"))
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Text written in place, in which `${…}` is replaced, or \
                `{secret: NAME}` for a secret that the controller keeps outside the spec, in \
                `secrets/spec-NAME` of its state folder, and generates once when that file does not \
                exist; write the file for a secret of your own.",
            "anyOf": [
                {"type": ["string", "number", "boolean"]},
                {
                    "type": "object",
                    "properties": {"secret": {
                        "type": "string",
                        "description": "The name of the secret. Example: `postgres`."
                    }},
                    "required": ["secret"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
