//! Procfiles: `NAME: COMMAND` lines.

use std::sync::Arc;

use agent_harness_model::spec::StackSpec;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::{Node, NodeKind};
use agent_harness_model::spec::source::{At, Source};

use super::field::Field;
use super::report::Report;
use super::stack::{Processes, line, note_rest, process};
use super::{Converted, done, output};

/// The first port that foreman gives.
const FIRST_PORT: u16 = 5000;

/// A Stack with the processes of a Procfile.
pub fn convert(file: &str, text: &str, name: &str) -> Result<Converted, Vec<Diagnostic>> {
    let mut report = Report::new(file, true);
    let spec = read(file, text, &mut report);
    let yaml = output::stack(name, spec);
    done(report, yaml.map_err(|error| vec![Diagnostic::file(file, error.to_string())])?)
}

fn read(file: &str, text: &str, report: &mut Report) -> StackSpec {
    let source = Arc::new(Source::new(file, text));
    let mut processes = Processes::default();
    let mut next_port = FIRST_PORT;
    for (number, written) in (1..).zip(text.lines()) {
        if written.trim().is_empty() || written.trim_start().starts_with('#') {
            continue;
        }
        let node = node(&source, number, written);
        let Some((name, command)) = split(written) else {
            report.wrong(
                node.place(),
                "this is no line of a Procfile",
                "write `NAME: COMMAND`; a name has letters, digits, `-` and `_`",
            );
            continue;
        };
        let field = Field { path: name.to_owned(), key: name, at: node.place(), node: &node };
        if processes.all.contains_key(name) {
            let help = "give one of them another name";
            report.wrong(node.place(), format!("the process `{name}` is there twice"), help);
            continue;
        }
        if name == "release" {
            report.lost(
                &field,
                "it runs once before a release, and is no process that stays; write it under \
                 `setup` as a step: `release: {run: …}`",
            );
            continue;
        }
        let Some(run) = line(&field, command, report) else { continue };
        let added = processes.add(&field, name, process(run), report);
        // By convention `web` listens on PORT; any other says so itself.
        if name == "web" || command.contains("$PORT") || command.contains("${PORT") {
            processes.give_port(&added, next_port);
            report.note(
                &field,
                format!("its PORT is `ports.{added}`: {next_port} + 10 × the number of the agent"),
            );
            next_port += 1;
        }
    }
    if processes.all.is_empty() && report.is_well() {
        report.problem(
            Diagnostic::file(file, "the file names no process").help("write `NAME: COMMAND` lines"),
        );
    }
    note_rest(report);
    processes.into_spec()
}

fn node(source: &Arc<Source>, line: u32, written: &str) -> Node {
    let indent = written.chars().take_while(|c| c.is_whitespace()).count();
    let width = written.trim().chars().count();
    let [column, width] = [indent + 1, width].map(|it| u32::try_from(it).unwrap_or(1));
    Node {
        kind: NodeKind::String(written.to_owned()),
        at: At { line, column, width },
        source: Arc::clone(source),
    }
}

/// Name and command of a line.
fn split(line: &str) -> Option<(&str, &str)> {
    let (name, command) = line.trim().split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_fine = !name.is_empty() && name.chars().all(is_name) && !command.trim().is_empty();
    is_fine.then_some((name, command.trim()))
}
