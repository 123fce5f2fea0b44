//! A spec file to documents: bytes to text, text to nodes, nodes to typed objects. What is wrong
//! with one document leaves the others in the file alone.

use std::ops::Range;
use std::sync::Arc;

use super::decode::decode;
use super::diagnostic::{Diagnostic, arrange, list, nearest};
use super::meta::{API_GROUP, API_VERSION, Metadata, name_problem};
use super::node::{Node, NodeKind};
use super::schema::{KINDS, kind_name, schema};
use super::source::{At, Place, Source};
use super::{AgentSpec, InfraSpec, StackSpec, nul, shape, yaml};
use crate::id::{ObjectKey, ObjectKind};

/// The largest spec file that is read, in bytes. Intake asks for the size before it reads.
pub const MAX_FILE: u64 = 1 << 20;

/// One object as it was read: well-formed by itself. Whether it fits the others is checked by
/// [`crate::validate`].
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Which object it is.
    pub key: ObjectKey,
    /// The name of the file.
    pub file: Arc<str>,
    /// Its metadata.
    pub metadata: Metadata,
    /// Its spec.
    pub body: Body,
    /// The whole document, with the place of every part.
    pub node: Arc<Node>,
    /// Where it lies in the text of its source, in bytes: all that is its own, without the markers around it.
    pub range: Range<usize>,
}

/// The spec of an object of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Of an Infra.
    Infra(Arc<InfraSpec>),
    /// Of a Stack.
    Stack(Arc<StackSpec>),
    /// Of an Agent.
    Agent(Arc<AgentSpec>),
}

impl Document {
    /// The place of a dotted path, such as `["spec", "processes", "api", "after"]`: of its key, or
    /// of the nearest part above it that exists.
    pub fn place(&self, path: &[&str]) -> Place {
        self.node.place_of(path)
    }

    /// The objects that it names, nearest first.
    pub fn refers_to(&self) -> Vec<ObjectKey> {
        match &self.body {
            Body::Infra(_) => Vec::new(),
            Body::Stack(spec) => spec.infra.iter().map(ObjectKey::infra).collect(),
            Body::Agent(spec) => {
                let own = spec.overrides.get("infra").and_then(|infra| infra.as_str());
                let stack = ObjectKey::stack(spec.stack.as_str());
                std::iter::once(stack).chain(own.map(ObjectKey::infra)).collect()
            }
        }
    }

    /// The place of the object's name.
    pub fn name_place(&self) -> Place {
        self.node.value_place(&["metadata", "name"])
    }

    /// A hash of everything that the user wrote, without comments and layout: what counts as a new
    /// generation.
    pub fn hash(&self) -> String {
        self.node.get("spec").map(Node::digest).unwrap_or_default()
    }
}

/// What was read from a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The documents that are well-formed.
    pub documents: Vec<Document>,
    /// What is wrong with the others, or with the file.
    pub problems: Vec<Diagnostic>,
}

/// Reads a file's bytes. `file` is its name as messages show it. Never panics.
pub fn parse(file: &str, bytes: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    let text = match text(file, bytes) {
        Ok(text) => text,
        Err(problem) => {
            parsed.problems.push(problem);
            return parsed;
        }
    };
    let source = Arc::new(Source::new(file, text));
    if let Some(problem) = in_a_merge(&source) {
        parsed.problems.push(problem);
        return parsed;
    }
    let documents = yaml::documents(&source);
    if documents.is_empty() {
        parsed.problems.push(
            Diagnostic::file(file, "the file holds no document")
                .help("write an Infra, a Stack or an Agent into it, or remove it"),
        );
    }
    for (range, document) in documents {
        let read = |node| read(node, range);
        match document.map_err(|problem| vec![problem]).and_then(read) {
            Ok(document) => match parsed.documents.iter().find(|other| other.key == document.key) {
                Some(first) => {
                    let place = first.name_place();
                    parsed.problems.push(twice(&document, place));
                }
                None => parsed.documents.push(document),
            },
            Err(problems) => parsed.problems.extend(problems),
        }
    }
    arrange(&mut parsed.problems);
    parsed
}

/// The message about a file in which Git has left both sides of a merge.
fn in_a_merge(source: &Source) -> Option<Diagnostic> {
    let line = |marker: &str| source.text.lines().position(|line| line.starts_with(marker));
    let (begin, end) = (line("<<<<<<< ")?, line(">>>>>>> ")?);
    let line = u32::try_from(begin + 1).ok().filter(|_| begin < end)?;
    let place = source.place(At { line, column: 1, width: 7 });
    let help =
        "decide between the two sides, and take the lines with <<<<<<<, ======= and >>>>>>> out";
    Some(Diagnostic::at(place, "the file is in the middle of a merge").help(help))
}

/// The message about a file that is larger than [`MAX_FILE`]. `bytes` may be what was read of it before the rest was
/// left out.
pub fn too_large(file: &str, bytes: u64) -> Diagnostic {
    let size = if bytes > MAX_FILE + MAX_FILE / 10 {
        #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
        let size = bytes as f64 / f64::from(1 << 20);
        format!("{size:.1} MiB")
    } else {
        "more than 1 MiB".to_owned()
    };
    Diagnostic::file(
        file,
        format!("the file is too large: {size}, and a spec file has 1 MiB at most"),
    )
    .help("move data out of the spec, or move the file out of this folder")
}

/// The text of a file that is not too large and holds no control characters.
pub fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(file, bytes.len() as u64));
    }
    let not_text = |text: &str, what: String| {
        Err(Diagnostic::file(file, format!("the file is not {text}: {what}"))
            .help("a spec file is YAML; save it as UTF-8"))
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let line = String::from_utf8_lossy(&bytes[..at]).matches('\n').count() + 1;
            return not_text(
                "UTF-8 text",
                format!("byte {at} (line {line}) is 0x{:02x}", bytes[at]),
            );
        }
    };
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{85}');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| control(*c)) {
        return not_text("text", format!("byte {at} is the control character 0x{:02x}", c as u32));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn twice(document: &Document, first: Place) -> Diagnostic {
    Diagnostic::at(document.name_place(), format!("{} is defined twice in this file", document.key))
        .related("the first one is here and stays in force", first)
        .help("remove one of them, or give it another name")
        .about(document.key.clone())
}

fn read(node: Node, range: Range<usize>) -> Result<Document, Vec<Diagnostic>> {
    let key = identify(&node).map_err(|problem| vec![problem])?;
    let mut problems = shape::check(&node, schema(key.kind), &key);
    problems.extend(nul::check(&node, &key));
    if !problems.is_empty() {
        return Err(problems);
    }
    typed(key, node, range).map_err(|problem| vec![*problem])
}

fn typed(key: ObjectKey, node: Node, range: Range<usize>) -> Result<Document, Box<Diagnostic>> {
    let wrong = |error: super::decode::DecodeError| {
        let place = error.place.unwrap_or_else(|| node.place());
        Box::new(Diagnostic::at(place, error.message).of(key.clone()))
    };
    let null = Node { kind: NodeKind::Null, at: node.at, source: Arc::clone(&node.source) };
    let spec = node.get("spec").unwrap_or(&null);
    let body = match key.kind {
        ObjectKind::Infra => Body::Infra(Arc::new(decode(spec).map_err(wrong)?)),
        ObjectKind::Stack => Body::Stack(Arc::new(decode(spec).map_err(wrong)?)),
        ObjectKind::Agent => Body::Agent(Arc::new(decode(spec).map_err(wrong)?)),
    };
    let metadata = decode(node.get("metadata").unwrap_or(&null)).map_err(wrong)?;
    let file = Arc::clone(&node.source.file);
    Ok(Document { file, key, metadata, body, node: Arc::new(node), range })
}

/// Which object the document is.
fn identify(node: &Node) -> Result<ObjectKey, Diagnostic> {
    if !matches!(node.kind, NodeKind::Map(_)) {
        return Err(Diagnostic::at(
            node.place(),
            format!(
                "a document is a map with apiVersion, kind, metadata and spec, but this is {}",
                node.describe()
            ),
        )
        .help(format!("begin with `apiVersion: {API_VERSION}`")));
    }
    let text = |path: &[&str], example: &str| match node.find(path) {
        Some(value) => value.as_str().map(|text| (text, value)).ok_or_else(|| {
            Diagnostic::at(
                value.place(),
                format!("`{}` must be text, but is {}", path.join("."), value.describe()),
            )
            .maybe_help(match &value.kind {
                NodeKind::Number(_, number) if path.ends_with(&["name"]) => {
                    Some(format!("write a name, such as `agent-{number}`"))
                }
                NodeKind::Number(_, number) => Some(format!("write it in quotes: \"{number}\"")),
                _ => None,
            })
        }),
        None => {
            Err(Diagnostic::at(node.place_of(path), format!("`{}` is missing", path.join(".")))
                .help(format!("add `{}: {example}`", path[path.len() - 1])))
        }
    };

    let (version, version_node) = text(&["apiVersion"], API_VERSION)?;
    if version != API_VERSION {
        let message = if version.starts_with(API_GROUP) {
            format!("this release does not know the version `{version}`")
        } else {
            format!("`{version}` is not an API of the harness")
        };
        return Err(Diagnostic::at(version_node.place(), message)
            .help(format!("write `apiVersion: {API_VERSION}`")));
    }
    let (word, kind_node) = text(&["kind"], "Agent")?;
    let kinds = KINDS.map(kind_name);
    let Some(kind) = KINDS.into_iter().find(|kind| kind_name(*kind) == word) else {
        let known = format!("the kinds are {}", list(kinds));
        return Err(Diagnostic::at(kind_node.place(), format!("unknown kind `{word}`")).help(
            match nearest(word, kinds) {
                Some(near) => format!("did you mean `{near}`? {known}"),
                None => known,
            },
        ));
    };
    let (name, name_node) = text(&["metadata", "name"], "agent-1")?;
    if let Some(problem) = name_problem(name) {
        let shown: String = name.chars().take(60).collect();
        return Err(Diagnostic::at(
            name_node.place(),
            format!("{shown:?} is not a name: {problem}"),
        )
        .help("a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`"));
    }
    if kind == ObjectKind::Agent && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Diagnostic::at(
            name_node.place(),
            format!("`{name}` is short for `agent-{name}` and cannot be another agent's name"),
        )
        .help(format!("write `name: agent-{name}`")));
    }
    Ok(ObjectKey::new(kind, name))
}
