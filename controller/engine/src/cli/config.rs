//! A file of kind Controller, as it is named on the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent_harness_model::layout::normal;
use agent_harness_model::spec::controller::{Controller, ControllerProblem, Sources};
use agent_harness_providers::fs;

use super::say;

/// What such a file says, with paths that are whole.
#[derive(Debug, Default)]
pub struct Written {
    /// The folder of specs that `ctl` writes into.
    pub specs: Option<PathBuf>,
    /// What specs come from besides.
    pub sources: Sources,
    /// The port for webhooks.
    pub webhook: Option<u16>,
}

/// Reads it; says what is wrong with it.
pub fn read(file: &Path) -> Result<Written, ExitCode> {
    let text = fs::read_to_string(file).map_err(|error| say::failed(&error))?;
    let wrong = |problem: ControllerProblem| {
        say::problem(&format!("{} {problem}", file.display()));
        ExitCode::from(2)
    };
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    let folder = absolute.parent().unwrap_or(Path::new("/")).to_path_buf();
    let at = |path: &PathBuf| normal(&folder.join(path));
    let controller = Controller::parse(&text).map_err(wrong)?;
    let sources = controller.sources(at).map_err(wrong)?;
    let specs = controller.spec.specs.as_ref().map(at);
    Ok(Written { specs, sources, webhook: controller.spec.webhook.map(|it| it.port) })
}
