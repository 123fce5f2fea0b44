//! What every check of one object shares: its tree, and problems at paths of it.

use super::overrides;
use crate::id::ObjectKey;
use crate::resolve::names::begins_at_root;
use crate::spec::diagnostic::{Diagnostic, list, nearest};
use crate::spec::node::{Node, NodeKind};
use crate::spec::parse::Document;
use crate::spec::source::Place;
use crate::spec::{Command, Duration, Value, inner_name_problem, name_problem};
use crate::template::names_in;
use crate::words::{self, Line};

/// The check of one spec.
pub(super) struct Lint<'a> {
    /// The object that falls out.
    pub object: &'a ObjectKey,
    /// The tree of its spec.
    pub spec: &'a Node,
    /// The agent whose overrides are in the spec.
    pub agent: Option<&'a Document>,
    /// What was found.
    pub problems: &'a mut Vec<Diagnostic>,
}

impl Lint<'_> {
    /// Something wrong with the value at a path.
    pub fn value(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<String>) {
        let place = self.spec.value_place(path);
        self.problems.push(Diagnostic::at(place, message).help(help).of(self.object.clone()));
    }

    /// Something wrong with the key at a path.
    pub fn key(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<String>) {
        let place = self.spec.place_of(path);
        self.problems.push(Diagnostic::at(place, message).help(help).of(self.object.clone()));
    }

    /// Something wrong at a place because of what is said, or not said, at `cause`: that is where an agent is told
    /// which says it itself.
    pub fn because(
        &mut self,
        cause: &[&str],
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        let own = self.agent.and_then(|agent| Some((agent, overrides::cause(agent, cause)?)));
        self.problems.push(match own {
            Some((agent, cause)) => overrides::told(agent, cause, place, &message, &help),
            None => Diagnostic::at(place, message).help(help).of(self.object.clone()),
        });
    }

    /// Exactly one of some keys is to be there. Those that are, if it is not one.
    pub fn exactly_one(&mut self, path: &[&str], keys: &[&str]) {
        let node = self.spec.find(path);
        let is_set = |key: &&&str| {
            node.and_then(|node| node.get(key))
                .is_some_and(|value| !matches!(value.kind, NodeKind::Null))
        };
        let set: Vec<&str> = keys.iter().filter(is_set).copied().collect();
        let name = format!("spec.{}", path.join("."));
        match set.as_slice() {
            [_] => {}
            [] => {
                let empty =
                    keys.iter().find(|key| node.is_some_and(|node| node.get(key).is_some()));
                let help = match empty {
                    Some(key) => format!("nothing is written after `{key}:`"),
                    None => "add one of them".to_owned(),
                };
                let message =
                    format!("`{name}` needs exactly one of {}", list(keys.iter().copied()));
                self.key(path, message, help);
            }
            [.., last] => {
                let mut path = path.to_vec();
                path.push(last);
                let message = format!(
                    "`{name}` has {}, but only one of them may be there",
                    list(set.iter().copied())
                );
                let help = match self.agent {
                    Some(_) => {
                        "remove all but one; an agent removes what its Stack says with `null`"
                    }
                    None => "remove all but one",
                };
                self.key(&path, message, help);
            }
        }
    }

    /// A time in which something is to happen.
    pub fn some_time(&mut self, path: &[&str], time: Option<Duration>) {
        if time.is_some_and(|time| time.0.is_zero()) {
            self.value(path, "no time at all", "write a time such as `30s`, or leave it out");
        }
    }

    /// A name that a map is keyed by and that becomes part of paths and labels.
    pub fn name(&mut self, path: &[&str], what: &str) {
        let Some(name) = path.last() else { return };
        if let Some(problem) = inner_name_problem(name) {
            self.key(
                path,
                format!("{name:?} is no name for {what}: {problem}"),
                "a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`",
            );
        }
    }

    /// A name of an environment variable.
    pub fn variable(&mut self, path: &[&str]) {
        let Some(name) = path.last() else { return };
        let ok = name.chars().enumerate().all(|(index, c)| {
            c == '_' || c.is_ascii_alphabetic() || (index > 0 && c.is_ascii_digit())
        });
        if !ok || name.is_empty() {
            self.key(
                path,
                format!("{name:?} is no name for a variable"),
                "a variable has letters, digits and `_`, and does not start with a digit",
            );
        }
    }

    /// Environment: names of variables and of secrets.
    pub fn env(&mut self, path: &[&str], env: &std::collections::BTreeMap<String, Value>) {
        for (name, value) in env {
            let mut path = path.to_vec();
            path.push(name);
            self.variable(&path);
            self.secret(&path, value);
        }
    }

    /// The name of a secret.
    pub fn secret(&mut self, path: &[&str], value: &Value) {
        let Value::Secret(name) = value else { return };
        if let Some(problem) = name_problem(name) {
            let mut path = path.to_vec();
            path.push("secret");
            self.value(
                &path,
                format!("{name:?} is no name for a secret: {problem}"),
                "a secret is named like an object, such as `lightdash`; its value is not written here",
            );
        }
    }

    /// A command: a line that can be split into words, or a list with a program in it.
    pub fn command(&mut self, path: &[&str], command: &Command) {
        match command {
            Command::Line(line) => match words::split(line) {
                Err(error) => self.value(
                    path,
                    format!("the command cannot be read: {error}"),
                    "write it as you would in a shell, or as a list of words",
                ),
                Ok(Line::Words(words)) => self.program(path, &words),
                Ok(Line::Shell) => {
                    if let Some(name) = words::unquotable(line) {
                        let (message, help) = words::unquotable_words(name);
                        self.value(path, message, help);
                    }
                }
            },
            Command::Words(words) => self.program(path, words),
        }
    }

    /// The first word of a command.
    fn program(&mut self, path: &[&str], words: &[String]) {
        if words.first().is_none_or(String::is_empty) {
            self.value(path, "the command is empty", "write a program and its arguments");
        }
    }

    /// Text in which nothing is replaced, because it is the same for all agents or names files as they
    /// are.
    pub fn fixed(&mut self, path: &[&str], text: &str) {
        if let Some(name) = names_in(text).first() {
            self.value(
                path,
                format!("`${{{name}}}` is not replaced here"),
                "this is the same for all agents: write it out",
            );
        }
    }

    /// A path that may not leave the worktree.
    pub fn below(&mut self, path: &[&str], written: &str) {
        if !stays_below(written) {
            self.value(
                path,
                format!("{written:?} leaves the worktree"),
                "write a path relative to the worktree, without `..` that leads out of it",
            );
        }
    }

    /// A name, written as a value, out of some that exist under `group`; without one, whatever is written.
    pub fn one_of(
        &mut self,
        path: &[&str],
        what: &str,
        name: &str,
        group: &[&str],
        exist: &[&str],
    ) {
        if !exist.contains(&name) {
            let message = format!("there is no {what} named `{name}`");
            if group.is_empty() {
                return self.value(path, message, known(what, name, exist));
            }
            let cause: Vec<&str> = group.iter().copied().chain([name]).collect();
            let place = self.spec.value_place(path);
            self.because(&cause, place, message, known(what, name, exist));
        }
    }

    /// A name, written as a key, out of some that exist under `group`.
    pub fn key_of(&mut self, path: &[&str], what: &str, group: &[&str], exist: &[&str]) {
        let name = path.last().copied().unwrap_or_default();
        if !exist.contains(&name) {
            let cause: Vec<&str> = group.iter().copied().chain([name]).collect();
            let message = format!("there is no {what} named `{name}`");
            self.because(&cause, self.spec.place_of(path), message, known(what, name, exist));
        }
    }
}

/// Which names exist, and which was probably meant.
fn known(what: &str, name: &str, exist: &[&str]) -> String {
    let known = match exist {
        [] => format!("there is no {what} at all"),
        [one] => format!("the only {what} is `{one}`"),
        _ => format!("there are {}", list(exist.iter().copied())),
    };
    match nearest(name, exist.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => known,
    }
}

/// Whether a path below some folder stays there, read as text.
fn stays_below(path: &str) -> bool {
    use std::path::Component;
    if path.starts_with('~') || begins_at_root(path) {
        return false;
    }
    let mut depth = 0i32;
    for part in std::path::Path::new(path).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    true
}

/// A cycle among names that wait for each other, as `a → b → a`; the first in the order of names.
pub(super) fn cycle<'a>(
    names: impl IntoIterator<Item = &'a str>,
    after: impl Fn(&'a str) -> Vec<&'a str>,
) -> Option<Vec<&'a str>> {
    fn visit<'a>(
        name: &'a str,
        after: &impl Fn(&'a str) -> Vec<&'a str>,
        path: &mut Vec<&'a str>,
        done: &mut std::collections::BTreeSet<&'a str>,
    ) -> Option<Vec<&'a str>> {
        if let Some(start) = path.iter().position(|other| *other == name) {
            let mut cycle = path[start..].to_vec();
            cycle.push(name);
            return Some(cycle);
        }
        if !done.insert(name) {
            return None;
        }
        path.push(name);
        let found = after(name).into_iter().find_map(|next| visit(next, after, path, done));
        path.pop();
        found
    }
    let mut done = std::collections::BTreeSet::new();
    names.into_iter().find_map(|name| visit(name, &after, &mut Vec::new(), &mut done))
}
