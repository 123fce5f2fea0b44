//! The environment of a service: `environment`, and the files of `env_file` below it.

use std::collections::BTreeMap;

use agent_harness_model::spec::Value;
use agent_harness_model::spec::node::NodeKind;

use super::Input;
use crate::convert::dotenv;
use crate::convert::field::Field;
use crate::convert::report::Report;
use crate::convert::secrets;

/// Reads the environment of a service.
pub fn read(
    service: &Field<'_>,
    input: &Input<'_>,
    report: &mut Report,
) -> BTreeMap<String, Value> {
    let mut env = BTreeMap::new();
    if let Some(files) = service.get("env_file") {
        for file in files.list_or_one(report) {
            for (name, value) in read_file(&file, input, report) {
                put(&mut env, service, &file, name, value, report);
            }
        }
    }
    if let Some(field) = service.get("environment") {
        for pair in field.pairs(&['='], report) {
            let value = pair.value.or_else(|| {
                // A name without a value hands on the caller's own.
                let own = input.variables.get(&pair.name).map(str::to_owned);
                if own.is_none() {
                    let says = "it has no value here and is not set: it is left out";
                    report.note(&pair.field, says);
                }
                own
            });
            if let Some(value) = value {
                put(&mut env, service, &pair.field, pair.name, value, report);
            }
        }
    }
    env
}

/// The variables of one file, which may be left out if it need not be there.
fn read_file(field: &Field<'_>, input: &Input<'_>, report: &mut Report) -> Vec<(String, String)> {
    let is_map = matches!(field.node.kind, NodeKind::Map(_));
    let path = if is_map { field.get("path") } else { Some(field.clone()) };
    let Some(path) = path.and_then(|path| path.text(report)) else { return Vec::new() };
    let option = |key: &str| field.get(key).filter(|_| is_map);
    let needed = option("required").is_none_or(|needed| needed.is_on(report));
    let raw = option("format").is_some_and(|format| format.text(report).as_deref() == Some("raw"));
    let (name, text) = match (input.read)(&path) {
        Ok(read) => read,
        Err(error) if error.is_absent() && !needed => return Vec::new(),
        Err(error) => {
            let message = format!("the file {path:?} cannot be read: {}", reason(&error));
            report.wrong(field.at.clone(), message, "a path starts at the folder of this file");
            return Vec::new();
        }
    };
    if raw {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        return lines
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect();
    }
    match dotenv::parse(&name, &text, input.variables) {
        Ok(variables) => variables,
        Err(problem) => {
            report.problem(*problem);
            Vec::new()
        }
    }
}

/// Why a file could not be read, without its name.
fn reason(error: &crate::files::FileError) -> String {
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

fn put(
    env: &mut BTreeMap<String, Value>,
    service: &Field<'_>,
    field: &Field<'_>,
    name: String,
    value: String,
    report: &mut Report,
) {
    if !secrets::is_variable(&name) {
        report.lost(
            field,
            format!(
                "{name:?} is no name of a variable in a spec, which has letters, digits and `_`; \
                 set it in `command`, or in a file of the image's that you mount"
            ),
        );
        return;
    }
    secrets::note(field, service.key, &name, &value, report);
    env.insert(name, Value::Plain(value));
}
