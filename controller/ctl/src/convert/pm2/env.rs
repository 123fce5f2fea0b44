//! The environment of an app: its port, and paths that a program made absolute.

use std::collections::BTreeMap;
use std::path::Path;

use agent_harness_model::spec::Value;
use agent_harness_model::spec::node::NodeKind;

use crate::convert::field::Field;
use crate::convert::output::escape;
use crate::convert::report::Report;
use crate::convert::secrets;
use crate::convert::stack::Processes;

/// What an environment says.
#[derive(Debug, Default)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, Value>,
    /// The port in them.
    pub port: Option<u16>,
}

/// Reads the environment of the app `name`.
pub fn read(
    field: &Field<'_>,
    name: &str,
    folder: &Path,
    processes: &mut Processes,
    report: &mut Report,
) -> Environment {
    let mut environment = Environment::default();
    for entry in field.map(report) {
        let value = match entry.node.kind {
            NodeKind::Seq(_) | NodeKind::Map(_) => Some(entry.node.to_json().to_string()),
            _ => entry.text(report),
        };
        let Some(value) = value else { continue };
        if !secrets::is_variable(entry.key) {
            let says = "this is no name of a variable in a spec, which has letters, digits and `_`";
            report.lost(&entry, says);
            continue;
        }
        if entry.key == "PATH" {
            path(&entry, &value, folder, processes, report);
            continue;
        }
        if entry.key == "PORT" {
            environment.port = value.parse().ok();
        }
        if value.contains(&*folder.to_string_lossy()) {
            let says = "it names the folder of this file; `${worktree.path}` is that of an agent";
            report.note(&entry, says);
        }
        secrets::note(&entry, name, entry.key, &value, report);
        environment.variables.insert(entry.key.to_owned(), Value::Plain(escape(&value)));
    }
    environment
}

/// Folders of the app go before the PATH that every process has anyway.
fn path(
    entry: &Field<'_>,
    value: &str,
    folder: &Path,
    processes: &mut Processes,
    report: &mut Report,
) {
    for part in value.split(':') {
        let below = Path::new(part).strip_prefix(folder).ok();
        let Some(below) = below.filter(|below| !below.as_os_str().is_empty()) else { continue };
        let below = escape(&below.display().to_string());
        if !processes.path.contains(&below) {
            processes.path.push(below);
        }
    }
    report.note(
        entry,
        "folders of this file's own are in `path`, which all processes have; the rest of PATH is \
         the controller's",
    );
}
