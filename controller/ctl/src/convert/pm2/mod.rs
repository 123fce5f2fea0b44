//! PM2 configs (`ecosystem.config.js` and its like) to a Stack. A config that is a program has been run by then: what
//! comes here is what it said, as JSON.

mod app;
mod env;
mod keys;
mod script;
mod watch;

use std::path::Path;

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::{Node, NodeKind};

use super::field::Field;
use super::report::Report;
use super::stack::{Processes, note_rest};
use super::{Converted, done, output, read};

/// How a config was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// JavaScript: the text is the JSON that it came to, in which no line is the user's.
    Program,
}

impl Form {
    /// By the name of the file.
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("js" | "cjs" | "mjs" | "ts") => Self::Program,
            Some("json") => Self::Json,
            _ => Self::Yaml,
        }
    }
}

/// A config.
pub struct Input<'a> {
    /// Its name, as messages show it.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// How that was written.
    pub form: Form,
    /// Its folder, absolute: what a program says below it is relative to the worktree.
    pub folder: &'a Path,
    /// The name of the Stack.
    pub name: &'a str,
}

/// The Stack that a config says.
pub fn convert(input: &Input<'_>) -> Result<Converted, Vec<Diagnostic>> {
    let node = match input.form {
        Form::Yaml => read::yaml(input.file, input.text),
        Form::Json | Form::Program => read::json(input.file, input.text),
    }?;
    let mut report = Report::new(input.file, input.form != Form::Program);
    let mut processes = Processes::default();
    for app in apps(&node, &mut report) {
        app::read(&app, input.folder, &mut processes, &mut report);
    }
    if !processes.all.is_empty() {
        report.note_file(
            "PM2 ends a process with SIGINT, the harness with SIGTERM; write `stop: {signal: \
             SIGINT}` for one that needs it",
        );
    } else if report.is_well() {
        let problem = Diagnostic::file(input.file, "the file names no app");
        report.problem(problem.help("write them under `apps`"));
    }
    note_rest(&mut report);
    let yaml = output::stack(input.name, processes.into_spec());
    done(report, yaml.map_err(|error| vec![Diagnostic::file(input.file, error.to_string())])?)
}

/// The apps: under `apps`, or the file is a list of them, or one of them.
fn apps<'a>(node: &'a Node, report: &mut Report) -> Vec<Field<'a>> {
    let root = Field::root(node);
    if let NodeKind::Seq(_) = node.kind {
        return root.list(report);
    }
    let parts = root.map(report);
    let Some(apps) = root.get("apps") else {
        let is_app = parts.iter().any(|part| part.key == "script");
        return if is_app { vec![root] } else { Vec::new() };
    };
    for part in parts {
        if part.key == "deploy" {
            report.lost(&part, "nothing is deployed here; keep the file for that");
        }
    }
    apps.list_or_one(report)
}
