//! A command to run: a line, or a list of words.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A command as it was written. A line is split into words as a shell would split it, and run by
/// `/bin/sh` only when it holds shell syntax (`&&`, `|`, `>`); a replaced `${…}` is always one word
/// or part of one. A list is taken word by word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// One line. Example: `pnpm -F backend migrate`.
    Line(String),
    /// Word by word. Example: `[pnpm, -F, backend, migrate]`.
    Words(Vec<String>),
}

impl Command {
    /// A command of one line.
    pub fn line(text: impl Into<String>) -> Self {
        Self::Line(text.into())
    }

    /// Every text that it is made of.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = match self {
            Self::Line(line) => std::slice::from_ref(line),
            Self::Words(words) => words,
        };
        texts.iter().map(String::as_str)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Line(line) => serializer.serialize_str(line),
            Self::Words(words) => words.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = Command;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command line, or a list of words")
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Command, E> {
        Ok(Command::Line(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Command, A::Error> {
        let mut words = Vec::new();
        while let Some(word) = seq.next_element::<String>()? {
            words.push(word);
        }
        Ok(Command::Words(words))
    }
}

impl JsonSchema for Command {
    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A command: one line, or a list of words. A line is run by `/bin/sh` \
                only when it holds shell syntax such as `&&`; a replaced `${…}` is always one word \
                or part of one.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1}
            ]
        })
    }
}
