//! What is wrong with a spec: where, what, and what would be right.
//!
//! A diagnostic is data: it goes into a status and over the control socket as it is, and is drawn
//! as rustc draws its own by whoever shows it.

use std::collections::BTreeMap;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use super::source::Place;
use crate::id::ObjectKey;

/// One thing that is wrong with what a user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// The object that falls out because of it; `None` when the file did not get that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKey>,
    /// The object whose status is to say it although it stays in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<ObjectKey>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The file, always known.
    pub file: String,
    /// Where in it; `None` when the file as a whole is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Other places that belong to it, each with what is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// What would be right, or what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Another place that belongs to a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Related {
    /// What is there: `the other one is here`.
    pub label: String,
    /// Where.
    pub place: Place,
}

impl Diagnostic {
    /// Something wrong at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            object: None,
            about: None,
            message: visible(&message.into(), false),
            file: place.file.clone(),
            place: Some(place),
            related: Vec::new(),
            help: None,
        }
    }

    /// Something wrong with a file as a whole.
    pub fn file(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            object: None,
            about: None,
            message: visible(&message.into(), false),
            file: file.into(),
            place: None,
            related: Vec::new(),
            help: None,
        }
    }

    /// Adds what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(visible(&help.into(), true));
        self
    }

    /// Adds what would be right, where there is something to say.
    pub fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Adds another place.
    pub fn related(mut self, label: impl Into<String>, place: Place) -> Self {
        self.related.push(Related { label: visible(&label.into(), false), place });
        self
    }

    /// Says which object falls out because of it.
    pub fn of(mut self, object: ObjectKey) -> Self {
        self.object = Some(object);
        self
    }

    /// Says which object's status is to say it; that one stays in force.
    pub fn about(mut self, object: ObjectKey) -> Self {
        self.about = Some(object);
        self
    }

    /// `specs/agent-3.yaml:6:3: unknown key `worktre`; did you mean `worktree`?`: one line for a
    /// status or a log.
    pub fn line(&self) -> String {
        let place = self.place.as_ref().map_or_else(|| self.file.clone(), ToString::to_string);
        match &self.help {
            Some(help) => format!("{place}: {}; {}", self.message, help.replace('\n', " ")),
            None => format!("{place}: {}", self.message),
        }
    }

    /// The diagnostic drawn with its source line and a caret, in plain text or in colours.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut main = match &self.place {
            Some(place) => title.element(snippet(place, None)),
            None => title.element(annotate_snippets::Origin::path(self.file.as_str())),
        };
        for related in &self.related {
            let note = Level::NOTE.secondary_title(related.label.as_str());
            groups.push(note.element(snippet(&related.place, None)));
        }
        if let Some(help) = &self.help {
            if self.related.is_empty() {
                main = main.element(Level::HELP.message(help.as_str()));
            } else {
                groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
            }
        }
        groups.insert(0, main);
        renderer.render(&groups)
    }
}

fn snippet<'a>(
    place: &'a Place,
    label: Option<&'a str>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let byte = |column: u32| {
        place
            .text
            .char_indices()
            .nth(column.saturating_sub(1) as usize)
            .map_or(place.text.len(), |(index, _)| index)
    };
    let span = byte(place.column)..byte(place.column.saturating_add(place.width));
    Snippet::source(place.text.as_str())
        .line_start(place.line as usize)
        .path(place.file.as_str())
        .annotation(AnnotationKind::Primary.span(span).label(label))
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Puts diagnostics in the order of their lines, file by file. The files stay in the order in which they come first:
/// what is wrong with a Stack is found before what follows from it for its agents.
pub fn arrange(problems: &mut [Diagnostic]) {
    let mut files: BTreeMap<String, usize> = BTreeMap::new();
    for problem in problems.iter() {
        let next = files.len();
        files.entry(problem.file.clone()).or_insert(next);
    }
    problems.sort_by_cached_key(|problem| {
        let place = problem.place.as_ref().map(|place| (place.line, place.column));
        (files.get(&problem.file).copied(), place)
    });
}

/// The text with control characters as they are written: a name in it may hold any, and a terminal obeys some.
fn visible(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && !(lines && c == '\n') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The nearest of `known` to `wrong`, if it is near enough to be what was meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong_lower = wrong.to_lowercase();
    let most = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wrong_lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Names for a sentence: `` `a`, `b` and `c` ``.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
