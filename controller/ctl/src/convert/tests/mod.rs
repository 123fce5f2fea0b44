//! Conversions by their exact output. Every spec that comes out is read and checked as the controller would.

mod compose;
mod files;
mod losses;
mod pm2;
mod procfile;
mod project;
mod wrong;

use std::collections::BTreeMap;

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::parse::parse;
use agent_harness_model::validate::{LastGood, validate};

use super::report::{Finding, Weight};
use super::variables::Variables;
use super::{Converted, compose as from_compose};
use crate::files::FileError;

/// What comes out: the spec below `spec:`, then what was found, line by line.
fn shown(outcome: Result<Converted, Vec<Diagnostic>>) -> String {
    match outcome {
        Ok(converted) => {
            is_valid(&converted.yaml);
            let (_, spec) = converted.yaml.split_once("\nspec:").unwrap();
            format!("{}---\n{}", spec.trim_start_matches('\n'), told(&converted.findings))
        }
        Err(problems) => problems.iter().map(|problem| problem.line() + "\n").collect(),
    }
}

fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let label = match finding.weight {
            Weight::Lost => "lost",
            Weight::Note => "note",
        };
        let place = finding.place.as_ref().map(|it| format!("{}:{}", it.line, it.column));
        format!("{} {label}: {}{}\n", place.unwrap_or_default(), finding.of(), finding.text)
    };
    findings.iter().map(line).collect()
}

/// The model takes it; but for what this version says of all containers.
fn is_valid(yaml: &str) {
    let parsed = parse("converted", yaml.as_bytes());
    assert_eq!(parsed.problems, [], "{yaml}");
    let mut problems = validate(parsed.documents, &LastGood::new()).problems;
    problems.retain(|problem| !problem.message.starts_with("this version runs no "));
    assert_eq!(problems, [], "{yaml}");
}

/// A compose file, with the variable SET and these files beside it.
fn compose_with(text: &str, files: &[(&str, &str)]) -> String {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let set = [("SET", "value"), ("EMPTY", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let variables = Variables::of_process(set);
    let read = |path: &str| match files.get(path) {
        Some(text) => Ok((path.to_owned(), (*text).to_owned())),
        None => {
            let source = std::io::ErrorKind::NotFound.into();
            Err(FileError::Io { path: path.into(), source })
        }
    };
    let (file, name, variables) = ("compose.yaml", None, &variables);
    shown(from_compose::convert(&from_compose::Input { file, text, name, variables, read: &read }))
}

fn compose(text: &str) -> String {
    compose_with(text, &[])
}

/// One service `app`, whose first key is in line 5, with a volume `data`. What is said of every service is left out.
fn service(keys: &str) -> String {
    let begin = "volumes: {data: , more: }\nservices:\n  app:\n    restart: always\n    image: app";
    let lines = std::iter::once(begin.to_owned());
    let lines = lines.chain(keys.lines().map(|line| format!("    {line}")));
    let text = lines.collect::<Vec<_>>().join("\n");
    let all = compose(&text);
    let rest = |line: &&str| !line.contains("note volumes: the volumes are made anew");
    let mut lines: Vec<&str> = all.lines().filter(rest).collect();
    let begins = ["services:", "  app:", "    container:", "      image: app"];
    for begin in begins {
        let found = lines.iter().position(|line| line.trim() == begin.trim());
        found.map(|index| lines.remove(index));
    }
    let outdented = lines.iter().map(|line| line.strip_prefix("      ").unwrap_or(line));
    outdented.collect::<Vec<_>>().join("\n") + "\n"
}
