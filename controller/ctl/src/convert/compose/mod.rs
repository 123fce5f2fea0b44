//! `docker-compose.yml` to an Infra. Read as compose reads it: merge keys, variables, `extends`; then service by
//! service, and last which of them are the PostgreSQL server and the object store of the agents.

mod env;
mod extends;
mod health;
mod keys;
mod limits;
mod ports;
mod project;
mod roles;
mod service;
mod units;
mod volumes;

use agent_harness_model::spec::InfraSpec;
use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::{Node, NodeKind};

use super::field::Field;
use super::merge::merge_keys;
use super::report::Report;
use super::stack::object_name_of;
use super::variables::Variables;
use super::{Converted, done, interpolate, output, read};
use crate::files::FileError;
use project::Project;
pub use units::size;

/// The name of an Infra whose file names none: the one that the examples have.
const NAME: &str = "shared";

/// Reads a file by its path relative to the compose file: its name for messages, and its text.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<(String, String), FileError> + 'a;

/// A compose file, and what it may need.
pub struct Input<'a> {
    /// Its name, as messages show it.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// The name of the Infra, if the user gave one.
    pub name: Option<&'a str>,
    /// The variables that it may name.
    pub variables: &'a Variables,
    /// Reads a file that it names.
    pub read: &'a ReadFile<'a>,
}

/// The Infra that a compose file says.
pub fn convert(input: &Input<'_>) -> Result<Converted, Vec<Diagnostic>> {
    let mut node = read::yaml(input.file, input.text)?;
    merge_keys(&mut node).map_err(|problem| vec![*problem])?;
    let mut report = Report::new(input.file, true);
    fill_in(&mut node, input.variables, &mut report);
    extends::resolve(&mut node, &mut report);
    let root = Field::root(&node);
    let spec = spec(&root, input, &mut report);
    let name = match (input.name, root.get("name")) {
        (Some(name), _) => name.to_owned(),
        (None, Some(field)) => {
            field.text(&mut report).map_or_else(|| NAME.to_owned(), |name| object_name_of(&name))
        }
        (None, None) => NAME.to_owned(),
    };
    let yaml = output::infra(&name, spec);
    done(report, yaml.map_err(|error| vec![Diagnostic::file(input.file, error.to_string())])?)
}

/// Variables are replaced in values of the parts that compose knows; `x-` parts are read through anchors alone.
fn fill_in(node: &mut Node, variables: &Variables, report: &mut Report) {
    let NodeKind::Map(entries) = &mut node.kind else { return };
    for entry in entries.iter_mut().filter(|entry| !entry.key.starts_with("x-")) {
        interpolate::tree(&mut entry.value, &entry.key, variables, report);
    }
}

fn spec(root: &Field<'_>, input: &Input<'_>, report: &mut Report) -> InfraSpec {
    let project = Project::read(root, report);
    let Some(services) = root.get("services") else {
        if root.node.entries().is_empty() {
            root.map(report);
        }
        report.wrong(root.at.clone(), "the file has no `services`", "is this a compose file?");
        return InfraSpec::default();
    };
    let services = services.map(report);
    let services = services
        .iter()
        .filter(|field| !field.key.starts_with("x-"))
        .filter_map(|field| service::read(field, &project, input, report))
        .collect();
    roles::assign(services, report)
}
