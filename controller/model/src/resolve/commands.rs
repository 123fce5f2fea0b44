//! Commands and environments: what setup steps, template builds and processes have in common.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Stop;
use super::context::{Context, plain, text};
use crate::hash;
use crate::kinds::command::Command;
use crate::secret::{Secret, Text};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::Node;
use crate::spec::source::Place;
use crate::spec::{self, Value};
use crate::template::{Piece, Scope, TemplateError, pieces};
use crate::words::{Line, Shell, split, unquotable_words};

/// Where commands of one worktree run, and what they get.
pub(super) struct Surroundings<'a> {
    /// The merged spec, for places.
    pub node: &'a Node,
    /// The names that exist.
    pub scope: &'a Scope,
    /// The worktree.
    pub root: PathBuf,
    /// The environment of everything that runs in it.
    pub env: BTreeMap<String, Text>,
}

impl Surroundings<'_> {
    /// The place of a part of the spec.
    pub fn place(&self, path: &[&str]) -> Place {
        self.node.place_of(path)
    }

    /// A command at `path`, whose `run` is `run`.
    pub fn command(
        &self,
        cx: &mut Context<'_>,
        path: &[&str],
        run: &spec::Command,
        cwd: Option<&str>,
        env: &BTreeMap<String, Value>,
    ) -> Result<Command, Stop> {
        self.command_at(cx, &[path, &["run"]].concat(), path, run, cwd, env)
    }

    /// A command that is written at `at`; its `cwd` and `env` are at `path`.
    pub fn command_at(
        &self,
        cx: &mut Context<'_>,
        at: &[&str],
        path: &[&str],
        run: &spec::Command,
        cwd: Option<&str>,
        env: &BTreeMap<String, Value>,
    ) -> Result<Command, Stop> {
        let argv = self.argv(run, || self.place(at))?;
        let at = || self.place(&[path, &["cwd"]].concat());
        let cwd = match cwd {
            None => self.root.clone(),
            Some(cwd) => {
                inside(&self.root, &plain(cwd, self.scope, at)?).ok_or_else(|| leaves(at(), cwd))?
            }
        };
        let mut variables = self.env.clone();
        for (name, value) in env {
            let mut path = path.to_vec();
            path.extend(["env", name]);
            let value = cx.value(value, self.scope, || self.place(&path))?;
            variables.insert(name.clone(), value);
        }
        Ok(Command { argv, cwd, env: variables })
    }

    fn argv(&self, run: &spec::Command, place: impl Fn() -> Place) -> Result<Vec<String>, Stop> {
        let words = match run {
            spec::Command::Words(words) => words.clone(),
            spec::Command::Line(line) => match split(line) {
                Ok(Line::Words(words)) => words,
                Ok(Line::Shell) => {
                    let script = shown(self.script(line, &place)?, &place)?;
                    return Ok(vec!["/bin/sh".into(), "-c".into(), script]);
                }
                Err(error) => {
                    return Err(Diagnostic::at(
                        place(),
                        format!("the command cannot be read: {error}"),
                    )
                    .help("close the quote, or write the command as a list of words")
                    .into());
                }
            },
        };
        words.iter().map(|word| shown(text(word, self.scope, &place)?, &place)).collect()
    }
}

impl Surroundings<'_> {
    /// A line for a shell, in which no value is taken for syntax, whatever is in it.
    fn script(&self, line: &str, place: &impl Fn() -> Place) -> Result<Text, Stop> {
        let failed = |error: TemplateError| {
            Stop::from(Diagnostic::at(place(), error.to_string()).help(error.help()))
        };
        let mut shell = Shell::default();
        let mut script = String::with_capacity(line.len());
        let mut secret = false;
        for piece in pieces(line) {
            match piece.map_err(failed)? {
                Piece::Literal(text) => {
                    shell.read(text);
                    script.push_str(text);
                }
                Piece::Name { name, offset } => {
                    let value = self.scope.value(name, offset).map_err(failed)?;
                    secret |= value.is_secret();
                    let quoted = shell.quote(value.reveal()).ok_or_else(|| {
                        let (message, help) = unquotable_words(name);
                        Diagnostic::at(place(), message).help(help)
                    })?;
                    script.push_str(&quoted);
                }
            }
        }
        Ok(if secret { Text::Secret(Secret::new(script)) } else { Text::Plain(script) })
    }
}

/// What is wrong with a secret in a command, and what to do.
pub(crate) const SECRET_IN_COMMAND: (&str, &str) = (
    "a secret in a command can be read by everybody on the host",
    "pass it in `env`, which only the process itself can read",
);

/// The text of an argument. Everybody on the host can read the arguments of a process.
fn shown(text: Text, place: &impl Fn() -> Place) -> Result<String, Stop> {
    match text {
        Text::Plain(value) => Ok(value),
        Text::Secret(_) => {
            let (message, help) = SECRET_IN_COMMAND;
            Err(Diagnostic::at(place(), message).help(help).into())
        }
    }
}

/// A path below `root`, or `None` when it leaves it.
pub(super) fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let mut depth = 0_usize;
    let mut out = root.to_path_buf();
    for part in Path::new(path).components() {
        match part {
            std::path::Component::Normal(part) => {
                depth += 1;
                out.push(part);
            }
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if depth > 0 => {
                depth -= 1;
                out.pop();
            }
            _ => return None,
        }
    }
    Some(out)
}

pub(super) fn leaves(place: Place, path: &str) -> Stop {
    Diagnostic::at(place, format!("`{path}` leaves the worktree"))
        .help("write a path below the worktree, without a leading `/` and without `..`")
        .into()
}

/// Hash over a command without its environment: what decides whether something prepared has to be
/// prepared again.
pub(super) fn run_hash(command: &Command, extra: &[String]) -> String {
    let mut parts = command.argv.clone();
    parts.push(command.cwd.display().to_string());
    parts.extend_from_slice(extra);
    hash::parts(parts)
}

/// Hash over a command with its environment, secrets included: what decides whether a process is another.
pub(super) fn whole_hash(command: &Command, extra: &[String]) -> String {
    let mut parts = vec![run_hash(command, extra)];
    for (name, value) in &command.env {
        parts.push(name.clone());
        parts.push(value.reveal().to_owned());
    }
    hash::parts(parts)
}

/// The environment of everything that runs in a worktree: the allow-list, the spec's `env`, PATH in front.
pub(super) fn environment(
    cx: &mut Context<'_>,
    node: &Node,
    spec: &spec::StackSpec,
    scope: &Scope,
    root: &Path,
) -> Result<BTreeMap<String, Text>, Stop> {
    let mut env: BTreeMap<String, Text> =
        cx.facts.environment.iter().map(|(k, v)| (k.clone(), Text::from(v.as_str()))).collect();
    for (name, value) in &spec.env {
        let value = cx.value(value, scope, || node.place_of(&["env", name]))?;
        env.insert(name.clone(), value);
    }
    if !spec.path.is_empty() {
        let mut path = Vec::new();
        for (index, folder) in spec.path.iter().enumerate() {
            let index = index.to_string();
            let place = || node.place_of(&["path", &index]);
            let folder = plain(folder, scope, place)?;
            path.push(if Path::new(&folder).is_absolute() {
                folder
            } else {
                inside(root, &folder).ok_or_else(|| leaves(place(), &folder))?.display().to_string()
            });
        }
        let rest = env.get("PATH").map(|path| path.reveal().to_owned());
        path.extend(rest);
        env.insert("PATH".into(), Text::from(path.join(":")));
    }
    env.insert("HARNESS_AGENT".into(), Text::from(cx.key.name.as_str()));
    Ok(env)
}
