//! YAML text to nodes: the only file that knows the YAML library.

mod raw;

use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::Location;

use super::diagnostic::Diagnostic;
use super::node::{Entry, Node, NodeKind};
use super::source::{At, Source};
use raw::{Raw, RawKind};

/// The documents of a file: where each lies in the text, and its tree, or what is wrong with it. A document that
/// holds nothing but comments is left out.
pub fn documents(source: &Arc<Source>) -> Vec<(Range<usize>, Result<Node, Diagnostic>)> {
    read(source, Dialect::Spec)
}

/// The same of a file that is no spec of ours and is read to be converted. Merge keys are YAML there: each comes as an
/// entry named `<<`. What an alias stands for has the place at which it was written, not that of the alias.
pub fn foreign(source: &Arc<Source>) -> Vec<Result<Node, Diagnostic>> {
    read(source, Dialect::Foreign).into_iter().map(|(_, document)| document).collect()
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Ours: an object of the harness.
    Spec,
    /// Another program's.
    Foreign,
}

fn read(source: &Arc<Source>, dialect: Dialect) -> Vec<(Range<usize>, Result<Node, Diagnostic>)> {
    split(&source.text)
        .into_iter()
        .filter_map(|chunk| Some((chunk.inside(), document(source, &chunk, dialect)?)))
        .collect()
}

/// A piece of the text that holds one document.
struct Chunk<'a> {
    text: &'a str,
    /// Bytes before it.
    offset: usize,
    /// Lines before it.
    line: u32,
}

impl Chunk<'_> {
    /// Where the document itself lies: without the markers, but with what stands on the line of one.
    fn inside(&self) -> Range<usize> {
        let first = self.text.split_inclusive('\n').next().unwrap_or_default();
        let begin = if marker(first, "---").is_some_and(is_blank) { first.len() } else { 0 };
        let last = self.text.split_inclusive('\n').next_back().unwrap_or_default();
        let end = if marker(last, "...").is_some() { last.len() } else { 0 };
        self.offset + begin..self.offset + self.text.len().saturating_sub(end).max(begin)
    }
}

/// What stands behind a marker on its line; `None` where the line has none in its first column.
pub fn marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(marker)?;
    (rest.trim_end().is_empty() || rest.starts_with([' ', '\t'])).then_some(rest)
}

/// Cuts at the lines that can only be document markers: `---` and `...` in the first column. Each
/// document is then parsed by itself, so that a broken one does not take the others with it.
fn split(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 0, 0);
    let chunk = |range: Range<usize>, line| Chunk { offset: range.start, text: &text[range], line };
    for (number, line) in (0u32..).zip(text.split_inclusive('\n')) {
        if marker(line, "---").is_some() && offset > start {
            chunks.push(chunk(start..offset, start_line));
            (start, start_line) = (offset, number);
        }
        offset += line.len();
        if marker(line, "...").is_some() {
            chunks.push(chunk(start..offset, start_line));
            (start, start_line) = (offset, number + 1);
        }
    }
    if start < text.len() {
        chunks.push(chunk(start..text.len(), start_line));
    }
    chunks
}

/// Whether a text holds no document: nothing but comments, directives and markers.
pub fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let said = line.trim();
        said.is_empty()
            || said.starts_with(['#', '%'])
            || ["---", "..."].iter().any(|it| marker(line, it).is_some_and(is_blank))
    })
}

fn document(
    source: &Arc<Source>,
    chunk: &Chunk<'_>,
    dialect: Dialect,
) -> Option<Result<Node, Diagnostic>> {
    if is_blank(chunk.text) {
        return None;
    }
    let read = Reader { source, chunk, dialect };
    Some(match serde_saphyr::from_str_with_options::<Raw>(chunk.text, options(dialect)) {
        Ok(raw) => Ok(read.node(raw)),
        Err(error) => Err(read.problem(&error)),
    })
}

fn options(dialect: Dialect) -> serde_saphyr::Options {
    let merge_keys = match dialect {
        Dialect::Spec => serde_saphyr::MergeKeyPolicy::Error,
        Dialect::Foreign => serde_saphyr::MergeKeyPolicy::AsOrdinary,
    };
    // Files of others that live on anchors have hundreds of aliases, each for a map with more of them in it.
    let times = match dialect {
        Dialect::Spec => 1,
        Dialect::Foreign => 10,
    };
    serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        reject_unsupported_tags: true,
        merge_keys: merge_keys,
        budget: serde_saphyr::budget! {
            max_aliases: 200 * times,
            // One anchor that a hundred services use is no bomb: what its uses come to is counted.
            enforce_alias_anchor_ratio: dialect == Dialect::Spec,
            max_anchors: 200 * times,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_documents: 1,
            max_nodes: 50_000 * times,
            max_events: 150_000 * times,
            max_recorded_anchor_events: 20_000 * times,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000 * times,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 200 * times,
        },
    }
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    chunk: &'a Chunk<'a>,
    dialect: Dialect,
}

impl Reader<'_> {
    fn node(&self, raw: Raw) -> Node {
        let location = match self.dialect {
            Dialect::Spec => raw.0.referenced,
            Dialect::Foreign => raw.0.defined,
        };
        let written = self.written(raw.0.defined);
        let mut at = self.at(location);
        let kind = match raw.0.value {
            RawKind::Null => NodeKind::Null,
            RawKind::Bool(value) => NodeKind::Bool(value),
            RawKind::Number(number) => {
                let text = match written {
                    Some(text) => text.to_owned(),
                    None => number.to_string(),
                };
                NodeKind::Number(number, text)
            }
            RawKind::String(text) => NodeKind::String(text),
            RawKind::Seq(items) => {
                at.width = 1;
                NodeKind::Seq(items.into_iter().map(|item| self.node(item)).collect())
            }
            RawKind::Map(entries) => {
                at.width = 1;
                NodeKind::Map(
                    entries
                        .into_iter()
                        .map(|(key, value)| Entry {
                            at: self.at(match self.dialect {
                                Dialect::Spec => key.referenced,
                                Dialect::Foreign => key.defined,
                            }),
                            source: Arc::clone(self.source),
                            key: key.value,
                            value: self.node(value),
                        })
                        .collect(),
                )
            }
        };
        Node { kind, at, source: Arc::clone(self.source) }
    }

    /// The text of a scalar as it stands in the file.
    fn written(&self, location: Location) -> Option<&str> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let len = usize::try_from(span.byte_len()?).ok()?;
        let text = self.chunk.text.get(start..start.checked_add(len)?)?.trim();
        (!text.is_empty()).then_some(text)
    }

    fn at(&self, location: Location) -> At {
        let line = u32::try_from(location.line()).unwrap_or(1).max(1);
        let column = u32::try_from(location.column()).unwrap_or(1).max(1);
        let rest = self
            .source
            .line(self.chunk.line + line)
            .chars()
            .skip(column.saturating_sub(1) as usize)
            .count();
        let width =
            u32::try_from(rest).unwrap_or(1).min(location.span().len().try_into().unwrap_or(1));
        At { line: self.chunk.line + line, column, width: width.max(1) }
    }

    fn problem(&self, error: &serde_saphyr::Error) -> Diagnostic {
        let error = error.without_snippet();
        let at = error.location().map(|location| self.at(location));
        let text = first_line(error);
        let tab = at.and_then(|at| self.tab(at.line, &text));
        let place = tab.or(at).map(|at| self.source.place(at));
        let line = place.as_ref().map_or("", |place| place.text.as_str());
        let (message, help) = match tab {
            Some(_) => (
                "a tab in the indentation".to_owned(),
                Some("indent with spaces: YAML does not allow tabs there"),
            ),
            None => explain(error, &text, line),
        };
        match place {
            Some(place) => Diagnostic::at(place, message),
            None => Diagnostic::file(self.source.file.to_string(), message),
        }
        .maybe_help(help.map(str::to_owned))
    }

    /// The tabs that the library's message `text` is about, if it is about some. The library may name the place where the
    /// value before them begins, `line`: comments and empty lines, in which tabs are allowed, may lie between the two.
    fn tab(&self, line: u32, text: &str) -> Option<At> {
        let last = self.chunk.line + u32::try_from(self.chunk.text.lines().count()).unwrap_or(0);
        let last = match text {
            _ if TAB.iter().any(|words| text.contains(words)) => last,
            // A tab too may be why that line does not fit those before it.
            _ if text.contains("did not find expected key") => line,
            _ => return None,
        };
        // All of a block scalar's lines are its text.
        let all = text.contains("block scalar");
        (line..=last).find_map(|line| {
            let said = self.source.line(line);
            let content = said.trim_start_matches([' ', '\t']);
            let before = &said[..said.len() - content.len()];
            let counts = all || !(content.is_empty() || content.starts_with('#'));
            let column = before.find('\t').filter(|_| counts)?;
            let width = before[column..].chars().take_while(|c| *c == '\t').count();
            let [column, width] = [column + 1, width].map(|it| u32::try_from(it).unwrap_or(1));
            Some(At { line, column, width })
        })
    }
}

/// Words of the library's messages about a tab: it always stands before the first word of a line.
const TAB: &[&str] = &[
    "found a tab",
    "tabs disallowed",
    "tab cannot be used as indentation",
    "cannot start with a tab",
];

/// The library's message, without the place: that is shown by itself.
fn first_line(error: &serde_saphyr::Error) -> String {
    let text = error.render_with_options(serde_saphyr::RenderOptions::default());
    let text = text.lines().next().unwrap_or_default();
    text.split(" at line ").next().unwrap_or(text).to_owned()
}

/// The library's message `text` in the words of a spec's author, with what to do where that is known.
/// `line` is the line that it points at.
fn explain(error: &serde_saphyr::Error, text: &str, line: &str) -> (String, Option<&'static str>) {
    use serde_saphyr::Error as E;
    match error {
        E::Budget { .. }
        | E::AliasError { .. }
        | E::AliasReplayLimitExceeded { .. }
        | E::AliasExpansionLimitExceeded { .. }
        | E::AliasReplayStackDepthExceeded { .. }
        | E::AliasReplayCounterOverflow { .. } => (
            "the document becomes too large or too deep here".to_owned(),
            Some(
                "a spec holds at most 50,000 values, 32 levels deep and with 200 aliases: write \
                  values out in place of `*aliases`",
            ),
        ),
        E::DuplicateMappingKey { key, .. } => (
            match key {
                Some(key) => format!("the key `{key}` is there twice in this map"),
                None => "a key is there twice in this map".to_owned(),
            },
            Some("keep one of them: each would overwrite the other"),
        ),
        E::NullIntoString { .. } => (
            "a key must be text, but this is nothing".to_owned(),
            Some("write a name before the `:`"),
        ),
        E::UnsupportedTag { tag, .. } => (
            format!("the tag `{tag}` means nothing here"),
            Some("remove it: a spec holds text, numbers, `true`, `false`, lists and maps alone"),
        ),
        E::MergeKeyNotAllowed { .. } => (
            "the key `<<` merges no maps here".to_owned(),
            Some("merge keys are not part of YAML 1.2: write the keys out"),
        ),
        E::NonFiniteFloat { .. } => {
            ("a number must be finite".to_owned(), Some("write it in quotes if text is meant"))
        }
        _ if text.contains("unknown anchor") => {
            (text.to_owned(), Some("text that begins with `*` needs quotes"))
        }
        _ if text.contains("recursion limit") => (
            "the document is nested too deeply here".to_owned(),
            Some("a spec has at most 32 levels"),
        ),
        _ if text.contains("flow mapping") && line.contains("${") => (
            text.to_owned(),
            Some("put text that holds `${…}` in quotes here: inside `{ }` its braces are YAML's"),
        ),
        _ if text.contains("unclosed") => (
            text.to_owned(),
            Some("close it; if the file is being written, it is not complete yet"),
        ),
        _ if text.contains("mapping values are not allowed") => (
            text.to_owned(),
            Some(
                "is the indentation uneven, or a `:` missing on the line before? Text that holds \
                  `: ` needs quotes",
            ),
        ),
        _ if text.contains("simple key expected") => (
            "a key without a `:` after it".to_owned(),
            Some("write `key: value`; if the file is being written, it is not complete yet"),
        ),
        _ => (
            text.to_owned(),
            Some("look at the indentation and quotes here and on the line before"),
        ),
    }
}
