//! A part of a foreign file with its dotted key, asked for what is expected there. What has another shape is wrong, and
//! said to be so at its place; what is left out or `null` is empty.

use std::str::FromStr;

use agent_harness_model::spec::node::{Entry, Node, NodeKind};
use agent_harness_model::spec::source::Place;

use super::report::Report;

/// A part of a file.
#[derive(Debug, Clone)]
pub struct Field<'a> {
    /// Its dotted key, such as `services.db.ports[0]`.
    pub path: String,
    /// Its last part.
    pub key: &'a str,
    /// Where its key stands, or the item of a list itself.
    pub at: Place,
    /// What it holds.
    pub node: &'a Node,
}

/// An entry of what may be a map or a list of `NAME=VALUE`.
#[derive(Debug, Clone)]
pub struct Pair<'a> {
    /// The name.
    pub name: String,
    /// The value; `None` where only the name was written.
    pub value: Option<String>,
    /// Where it was written, under the name.
    pub field: Field<'a>,
}

impl<'a> Field<'a> {
    /// The whole document.
    pub fn root(node: &'a Node) -> Self {
        Self { path: String::new(), key: "", at: node.place(), node }
    }

    fn under(&self, entry: &'a Entry) -> Self {
        let path = match self.path.as_str() {
            "" => entry.key.clone(),
            path => format!("{path}.{}", entry.key),
        };
        Self { path, key: &entry.key, at: entry.place(), node: &entry.value }
    }

    /// The field of a key, unless nothing is written there.
    pub fn get(&self, key: &str) -> Option<Self> {
        let entry = self.node.entry(key)?;
        (entry.value.kind != NodeKind::Null).then(|| self.under(entry))
    }

    fn is_not(&self, what: &str, help: &str, report: &mut Report) {
        let message = match self.path.as_str() {
            "" => format!("the file must be {what}, but is {}", self.node.describe()),
            path => format!("`{path}` must be {what}, but is {}", self.node.describe()),
        };
        report.wrong(self.node.place(), message, help);
    }

    /// The entries of a map.
    pub fn map(&self, report: &mut Report) -> Vec<Self> {
        match &self.node.kind {
            NodeKind::Map(entries) => entries.iter().map(|entry| self.under(entry)).collect(),
            NodeKind::Null => Vec::new(),
            _ => {
                self.is_not("a map", "write `KEY: VALUE` lines below it", report);
                Vec::new()
            }
        }
    }

    /// The items of a list.
    pub fn list(&self, report: &mut Report) -> Vec<Self> {
        match &self.node.kind {
            NodeKind::Seq(items) => self.items(items),
            NodeKind::Null => Vec::new(),
            _ => {
                self.is_not("a list", "write `- VALUE` lines below it", report);
                Vec::new()
            }
        }
    }

    /// The items of a list, or the one value that stands for a list.
    pub fn list_or_one(&self, report: &mut Report) -> Vec<Self> {
        match &self.node.kind {
            NodeKind::Seq(_) | NodeKind::Null => self.list(report),
            _ => vec![self.clone()],
        }
    }

    fn items(&self, items: &'a [Node]) -> Vec<Self> {
        let item = |(index, node): (usize, &'a Node)| Self {
            path: format!("{}[{index}]", self.path),
            key: self.key,
            at: node.place(),
            node,
        };
        items.iter().enumerate().map(item).collect()
    }

    /// A scalar as the text that it was written as.
    pub fn text(&self, report: &mut Report) -> Option<String> {
        match &self.node.kind {
            NodeKind::String(text) => Some(text.clone()),
            NodeKind::Number(_, text) => Some(text.clone()),
            NodeKind::Bool(value) => Some(value.to_string()),
            NodeKind::Null => None,
            NodeKind::Seq(_) | NodeKind::Map(_) => {
                self.is_not("text", "write one value", report);
                None
            }
        }
    }

    /// A scalar that is written in a form of its own, such as a number.
    pub fn parsed<T: FromStr>(&self, what: &str, report: &mut Report) -> Option<T> {
        self.read_as(what, report, |text| text.trim().parse().ok())
    }

    /// A scalar that `read` understands.
    pub fn read_as<T>(
        &self,
        what: &str,
        report: &mut Report,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(report)?;
        let value = read(&text);
        if value.is_none() {
            let message = format!("`{}` must be {what}, but is {text:?}", self.path);
            let help = match text.as_str() {
                "" => "write one; a variable that is not set is empty",
                _ => "correct it",
            };
            report.wrong(self.node.place(), message, help);
        }
        value
    }

    /// Whether it says `true`.
    pub fn is_on(&self, report: &mut Report) -> bool {
        self.parsed("`true` or `false`", report).unwrap_or(false)
    }

    /// A command: a line is split into words as a shell would split it, a list is taken word by word.
    pub fn words(&self, report: &mut Report) -> Option<Vec<String>> {
        match &self.node.kind {
            NodeKind::Null => None,
            NodeKind::Seq(_) => {
                let items = self.list(report);
                Some(items.iter().filter_map(|item| item.text(report)).collect())
            }
            _ => {
                let line = self.text(report)?;
                let words = shlex::split(&line);
                if words.is_none() {
                    let message = format!("`{}` cannot be split into words", self.path);
                    let help = "close its quotes, or write it as a list of words";
                    report.wrong(self.node.place(), message, help);
                }
                words
            }
        }
    }

    /// A map, or a list of `NAME=VALUE` with one of these separators. A name that comes again overrides.
    pub fn pairs(&self, separators: &[char], report: &mut Report) -> Vec<Pair<'a>> {
        let written: Vec<Pair<'a>> = match &self.node.kind {
            NodeKind::Seq(_) => {
                let items = self.list(report);
                items.into_iter().filter_map(|item| item.pair(separators, report)).collect()
            }
            _ => {
                let entries = self.map(report);
                let pair = |field: Self| {
                    let value = field.text(report);
                    Pair { name: field.key.to_owned(), value, field }
                };
                entries.into_iter().map(pair).collect()
            }
        };
        let mut pairs: Vec<Pair<'a>> = Vec::new();
        for pair in written {
            pairs.retain(|other| other.name != pair.name);
            pairs.push(pair);
        }
        pairs
    }

    fn pair(&self, separators: &[char], report: &mut Report) -> Option<Pair<'a>> {
        let text = self.text(report)?;
        let (name, value) = match text.split_once(separators) {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text, None),
        };
        let stem = self.path.rsplit_once('[').map_or(self.path.as_str(), |(stem, _)| stem);
        let field = Self { path: format!("{stem}.{name}"), ..self.clone() };
        Some(Pair { name, value, field })
    }
}
