//! What Procfiles and PM2 configs have in common: names of processes, their ports, and the Stack that holds them.

use std::collections::BTreeMap;

use agent_harness_model::spec::{Command, Process, RestartPolicy, StackSpec, Value};
use agent_harness_model::words;

use super::field::Field;
use super::output::escape;
use super::report::Report;

/// The longest name within a spec.
const LONGEST: usize = 40;

/// A name that a spec takes: what it does not take becomes `-`.
pub fn name_of(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let name = name.trim_matches(['-', '_']);
    let name: String = name.chars().take(LONGEST).collect();
    match name.trim_end_matches(['-', '_']) {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// The same for the name of an object, which has no upper case and no `_`.
pub fn object_name_of(text: &str) -> String {
    name_of(&text.to_lowercase().replace('_', "-"))
}

/// A name that is not taken yet: with a number behind it where it is.
pub fn free_name<V>(wanted: &str, taken: &BTreeMap<String, V>) -> String {
    let numbered = |number: usize| {
        let number = number.to_string();
        let stem: String = wanted.chars().take(LONGEST - 1 - number.len()).collect();
        format!("{}-{number}", stem.trim_end_matches(['-', '_']))
    };
    let candidates = std::iter::once(wanted.to_owned()).chain((2..).map(numbered));
    candidates.into_iter().find(|name| !taken.contains_key(name)).unwrap_or_default()
}

/// A Stack in the making.
#[derive(Default)]
pub struct Processes {
    /// The processes by name.
    pub all: BTreeMap<String, Process>,
    /// The base ports by name.
    pub ports: BTreeMap<String, u16>,
    /// Folders before PATH.
    pub path: Vec<String>,
}

impl Processes {
    /// Adds a process under its name, or under one that a spec takes and that is free; answers with that.
    pub fn add(
        &mut self,
        field: &Field<'_>,
        name: &str,
        process: Process,
        report: &mut Report,
    ) -> String {
        let taken = free_name(&name_of(name), &self.all);
        if taken != name {
            let says = if self.all.contains_key(name) {
                format!("there is another `{name}`: this one is `{taken}` here")
            } else {
                format!("`{name}` is no name in a spec: it is `{taken}` here")
            };
            report.note(field, says);
        }
        self.all.insert(taken.clone(), process);
        taken
    }

    /// Gives a process a port of the Stack in its `PORT`. Those of one number are one port.
    pub fn give_port(&mut self, process: &str, number: u16) -> String {
        let same = self.ports.iter().find(|(_, other)| **other == number);
        let port = same.map_or_else(|| process.to_owned(), |(name, _)| name.clone());
        self.ports.insert(port.clone(), number);
        if let Some(process) = self.all.get_mut(process) {
            process.env.insert("PORT".to_owned(), Value::Plain(format!("${{ports.{port}}}")));
        }
        port
    }

    /// The spec that they make.
    pub fn into_spec(self) -> StackSpec {
        let Self { all: processes, ports, path } = self;
        StackSpec { ports, path, processes, ..StackSpec::default() }
    }
}

/// A process of which only the command is known.
pub fn process(run: Command) -> Process {
    Process {
        enabled: true,
        run,
        cwd: None,
        env: BTreeMap::new(),
        ready: None,
        live: None,
        startup: None,
        watch: None,
        restart: RestartPolicy::Always,
        stop: None,
        memory: None,
        cpus: None,
        pids: None,
        open_files: None,
        nice: None,
        after: BTreeMap::new(),
    }
}

/// A command line as it was written, if it can be one.
pub fn line(field: &Field<'_>, text: &str, report: &mut Report) -> Option<Command> {
    let line = escape(text.trim());
    match words::split(&line) {
        Ok(_) => Some(Command::Line(line)),
        Err(error) => {
            let message = format!("the command cannot be read: {error}");
            report.wrong(field.node.place(), message, "write it as you would in a shell");
            None
        }
    }
}

/// A command of words, as a line.
pub fn line_of(words: &[String]) -> Command {
    let quoted: Vec<String> = words.iter().map(|word| words::quote(&escape(word))).collect();
    Command::Line(quoted.join(" "))
}

/// What there is to know about a Stack that was made from a list of processes.
pub fn note_rest(report: &mut Report) {
    report.note_file(
        "a process runs in the agent's worktree: add `worktree: {repo: …}` to the spec; without \
         one it runs in the home folder",
    );
}
