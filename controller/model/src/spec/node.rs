//! A YAML document as a tree that knows where each part was written, whichever file it came from.
//!
//! An agent's overrides are merged here, so that a message about the merged spec still points at
//! the line of the file that caused it.

use std::sync::Arc;

use super::source::{At, Place, Source};

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it holds.
    pub kind: NodeKind,
    /// Where it was written.
    pub at: At,
    /// In which file.
    pub source: Arc<Source>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeKind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, with the text that it was written as.
    Number(serde_json::Number, String),
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Where the key was written.
    pub at: At,
    /// In which file the key was written.
    pub source: Arc<Source>,
    /// Its value.
    pub value: Node,
}

impl Entry {
    /// The place of the key.
    pub fn place(&self) -> Place {
        self.source.place(self.at)
    }
}

impl Node {
    /// The place of the value.
    pub fn place(&self) -> Place {
        self.source.place(self.at)
    }

    /// The entries, if it is a map.
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            NodeKind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of that key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of that key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in words: `the string "8000"`.
    pub fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Bool(value) => format!("`{value}`"),
            NodeKind::Number(_, text) => format!("the number {text}"),
            NodeKind::String(text) => {
                let short: String = text.chars().take(40).collect();
                let dots = if short.len() < text.len() { "…" } else { "" };
                format!("the text {:?}", format!("{short}{dots}"))
            }
            NodeKind::Seq(items) => format!("a list of {}", items.len()),
            NodeKind::Map(_) => "a map".to_owned(),
        }
    }

    /// The node that a path of keys and list indices leads to.
    pub fn find(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, part| node.step(part))
    }

    /// The place of what `path` names: its key where it has one, else the nearest that exists above it.
    pub fn place_of(&self, path: &[&str]) -> Place {
        let mut node = self;
        let mut place = self.place();
        for part in path {
            if let Some(entry) = node.entry(part) {
                place = entry.place();
                node = &entry.value;
            } else if let Some(item) = node.step(part) {
                place = item.place();
                node = item;
            } else {
                break;
            }
        }
        place
    }

    /// The place of the value that `path` names, else of the nearest part above it that exists.
    pub fn value_place(&self, path: &[&str]) -> Place {
        self.find(path).map_or_else(|| self.place_of(path), Node::place)
    }

    /// The file in which what `path` names was written; of something left out, that of the whole.
    pub fn file_of(&self, path: &[&str]) -> &str {
        &self.find(path).unwrap_or(self).source.file
    }

    fn step(&self, part: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Map(_) => self.get(part),
            NodeKind::Seq(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Applies a JSON merge patch (RFC 7386): maps are merged, `null` removes, anything else
    /// replaces. An entry that exists keeps its place in the order.
    pub fn merge(&mut self, patch: &Node) {
        let NodeKind::Map(changes) = &patch.kind else {
            *self = patch.clone();
            return;
        };
        if !matches!(self.kind, NodeKind::Map(_)) {
            *self = Node { kind: NodeKind::Map(Vec::new()), ..patch.clone() };
        }
        let NodeKind::Map(entries) = &mut self.kind else { return };
        for change in changes {
            let existing = entries.iter().position(|entry| entry.key == change.key);
            match (existing, &change.value.kind) {
                (Some(index), NodeKind::Null) => {
                    entries.remove(index);
                    // Whoever misses it is to look at what took it away.
                    (self.at, self.source) = (change.at, Arc::clone(&change.source));
                }
                (None, NodeKind::Null) => {}
                (Some(index), _) => {
                    let entry = &mut entries[index];
                    entry.value.merge(&change.value);
                    (entry.at, entry.source) = (change.at, Arc::clone(&change.source));
                }
                (None, _) => {
                    let mut value = Node { kind: NodeKind::Null, ..change.value.clone() };
                    value.merge(&change.value);
                    entries.push(Entry { value, ..change.clone() });
                }
            }
        }
    }

    /// Whether both say the same, wherever it was written.
    pub fn same(&self, other: &Self) -> bool {
        match (&self.kind, &other.kind) {
            (NodeKind::Seq(a), NodeKind::Seq(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (NodeKind::Map(a), NodeKind::Map(b)) => {
                a.len() == b.len()
                    && a.iter().zip(b).all(|(a, b)| a.key == b.key && a.value.same(&b.value))
            }
            (a, b) => a == b,
        }
    }

    /// A hash over everything that was written but places, comments and layout. The order of a map counts
    /// (steps run in it), and so does how a number is written (`1.10` is not `1.1`).
    pub fn digest(&self) -> String {
        let mut parts = Vec::new();
        self.add_to(&mut parts);
        crate::hash::parts(parts)
    }

    fn add_to<'a>(&'a self, parts: &mut Vec<&'a str>) {
        match &self.kind {
            NodeKind::Null => parts.push("null"),
            NodeKind::Bool(true) => parts.push("true"),
            NodeKind::Bool(false) => parts.push("false"),
            NodeKind::Number(_, text) => parts.extend(["number", text]),
            NodeKind::String(text) => parts.extend(["text", text]),
            NodeKind::Seq(items) => {
                parts.push("list");
                for item in items {
                    item.add_to(parts);
                }
                parts.push("end");
            }
            NodeKind::Map(entries) => {
                parts.push("map");
                for entry in entries {
                    parts.push(&entry.key);
                    entry.value.add_to(parts);
                }
                parts.push("end");
            }
        }
    }

    /// The same without places, for showing.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.kind {
            NodeKind::Null => Json::Null,
            NodeKind::Bool(value) => Json::Bool(*value),
            NodeKind::Number(number, _) => Json::Number(number.clone()),
            NodeKind::String(text) => Json::String(text.clone()),
            NodeKind::Seq(items) => items.iter().map(Node::to_json).collect(),
            NodeKind::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }
}
