//! Every `${…}` of a spec: its name must be one that there will be.

use super::files::{OPEN_SECRET, OPEN_SECRET_HELP};
use crate::id::ObjectKey;
use crate::resolve::names::{in_build, known};
use crate::resolve::{SECRET_IN_COMMAND, SECRET_IN_NAME};
use crate::secret::Text;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::{Node, NodeKind};
use crate::spec::source::{At, Place, Source};
use crate::spec::{InfraSpec, StackSpec};
use crate::template::{Scope, TemplateError, names_in, render};

/// Everything that is wrong with the templates in the tree of a Stack's spec, whether an agent's
/// overrides are in it or not.
pub(super) fn check(
    object: &ObjectKey,
    node: &Node,
    spec: &StackSpec,
    stack: &str,
    infra: Option<&InfraSpec>,
    problems: &mut Vec<Diagnostic>,
) {
    let all = known(spec, node, stack, infra);
    let mut found = Vec::new();
    for part in node.entries() {
        check_text(&part.key, &part.source, part.at, &all, &mut found);
        if !matches!(part.value.kind, NodeKind::Map(_)) {
            walk(&part.value, &all, &mut found);
        }
        for entry in part.value.entries() {
            check_text(&entry.key, &entry.source, entry.at, &all, &mut found);
            match later(&part.key, &entry.key) {
                Some(later) => walk(&entry.value, &all.without(later), &mut found),
                None => walk(&entry.value, &all, &mut found),
            }
        }
    }
    Shown { agent: &all, build: &in_build(&all), found: &mut found }.walk(node, &mut Vec::new());
    for (name, file) in &spec.files {
        let open = file.mode.is_some_and(|mode| mode.0 & 0o007 != 0);
        if open && has_secret(file.content.as_deref().unwrap_or_default(), &all) {
            let place = node.value_place(&["files", name, "mode"]);
            found.push(Diagnostic::at(place, OPEN_SECRET).help(OPEN_SECRET_HELP));
        }
    }
    problems.extend(found.into_iter().map(|problem| problem.of(object.clone())));
}

/// The search for secrets in what can be seen: everything but the values of variables and the content of files.
struct Shown<'a> {
    /// What the names stand for in an agent.
    agent: &'a Scope,
    /// What they stand for while the template is built.
    build: &'a Scope,
    found: &'a mut Vec<Diagnostic>,
}

impl Shown<'_> {
    fn walk<'a>(&mut self, node: &'a Node, path: &mut Vec<&'a str>) {
        match &node.kind {
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
            NodeKind::String(text) => {
                if !is_hidden(path) {
                    self.check(text, &node.source, node.at, path);
                }
            }
            NodeKind::Seq(items) => items.iter().for_each(|item| self.walk(item, path)),
            NodeKind::Map(entries) => {
                for entry in entries {
                    self.check(&entry.key, &entry.source, entry.at, path);
                    path.push(&entry.key);
                    self.walk(&entry.value, path);
                    path.pop();
                }
            }
        }
    }

    fn check(&mut self, text: &str, source: &Source, at: At, path: &[&str]) {
        let build = path.starts_with(&["database", "template", "build"]);
        if has_secret(text, if build { self.build } else { self.agent }) {
            let command = path.iter().any(|key| ["run", "command", "parallel"].contains(key));
            let (message, help) = if command { SECRET_IN_COMMAND } else { SECRET_IN_NAME };
            self.found.push(Diagnostic::at(source.place(at), message).help(help));
        }
    }
}

/// Whether only those see a value for whom it is meant. A step or a file may be called `env` as well.
fn is_hidden(path: &[&str]) -> bool {
    matches!(
        path,
        ["env", _]
            | ["files", _, "content"]
            | ["processes" | "setup", _, "env", _]
            | ["database", "afterClone", _, "env", _]
            | ["database", "template", "build", _, "env", _]
    )
}

/// Whether anything that a text names is a secret.
fn has_secret(text: &str, scope: &Scope) -> bool {
    names_in(text).into_iter().any(|name| scope.get(name).is_some_and(Text::is_secret))
}

/// What the names of things are made of comes before the things: the names that there are only later.
fn later(part: &str, key: &str) -> Option<&'static [&'static str]> {
    match (part, key) {
        ("worktree", "repo" | "base" | "branch") => {
            Some(&["worktree.", "database.", "bucket.", "s3."])
        }
        ("worktree", "path") => Some(&["worktree.path", "database.", "bucket.", "s3."]),
        ("database", "name") => Some(&["database.", "bucket.", "s3."]),
        ("bucket", "name") => Some(&["bucket.", "s3."]),
        _ => None,
    }
}

/// Everything that is wrong with the templates of an Infra, which knows of no agent. A service that is a process of the host
/// knows its own ports.
pub(super) fn check_shared(
    object: &ObjectKey,
    node: &Node,
    spec: &InfraSpec,
    problems: &mut Vec<Diagnostic>,
) {
    let mut scope = Scope::default();
    for name in ["harness.bin", "harness.state", "home"] {
        scope.set(name, "1");
    }
    let mut found = Vec::new();
    for part in node.entries() {
        check_text(&part.key, &part.source, part.at, &scope, &mut found);
        if part.key != "services" {
            walk(&part.value, &scope, &mut found);
            continue;
        }
        for entry in part.value.entries() {
            check_text(&entry.key, &entry.source, entry.at, &scope, &mut found);
            let mut own = scope.clone();
            let ports = spec.services.get(&entry.key).map(|service| service.ports.keys());
            for port in ports.into_iter().flatten() {
                own.set(format!("ports.{port}"), "1");
            }
            walk(&entry.value, &own, &mut found);
        }
    }
    problems.extend(found.into_iter().map(|problem| problem.of(object.clone())));
}

fn walk(node: &Node, scope: &Scope, found: &mut Vec<Diagnostic>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
        NodeKind::String(text) => check_text(text, &node.source, node.at, scope, found),
        NodeKind::Seq(items) => items.iter().for_each(|item| walk(item, scope, found)),
        NodeKind::Map(entries) => {
            for entry in entries {
                check_text(&entry.key, &entry.source, entry.at, scope, found);
                walk(&entry.value, scope, found);
            }
        }
    }
}

fn check_text(text: &str, source: &Source, at: At, scope: &Scope, found: &mut Vec<Diagnostic>) {
    if let Err(error) = render(text, scope) {
        found.push(
            Diagnostic::at(place_of(text, source, at, &error), error.to_string())
                .help(error.help()),
        );
    }
}

/// Where in the file the `${` of an error stands. Quotes, escapes and folded lines put it elsewhere
/// than its offset in the text says, so it is looked for.
fn place_of(text: &str, source: &Source, at: At, error: &TemplateError) -> Place {
    let rest = text.get(error.offset()..).unwrap_or_default();
    let piece = rest.find(['}', '\n']).map_or(rest, |end| {
        rest.get(..end + usize::from(rest[end..].starts_with('}'))).unwrap_or(rest)
    });
    // The same piece may stand in the text before, unharmed: `$${x} ${x}`.
    let mut earlier = text.get(..error.offset()).map_or(0, |before| before.matches(piece).count());
    let mut skip = at.column.saturating_sub(1) as usize;
    for line in at.line..at.line.saturating_add(200) {
        let whole = source.line(line);
        let from = whole.char_indices().nth(skip).map_or(whole.len(), |(index, _)| index);
        for (index, _) in whole[from..].match_indices(piece) {
            if earlier == 0 {
                let before = whole[..from + index].chars().count();
                let column = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
                let width = u32::try_from(piece.chars().count()).unwrap_or(1);
                return source.place(At { line, column, width });
            }
            earlier -= 1;
        }
        skip = 0;
    }
    source.place(at)
}
