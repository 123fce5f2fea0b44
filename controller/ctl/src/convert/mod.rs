//! What other tools' files say, as specs of ours. Pure: texts in, a text and a list of findings out; which files there
//! are, and what is printed where, is left to `verbs/convert`.
//!
//! Every form of file has a module. What they have in common: `read` makes a tree that knows the place of each part,
//! `field` asks it for what is expected there, `report` collects what was not carried over, `output` writes the spec.

pub mod compose;
mod dotenv;
mod field;
mod interpolate;
mod merge;
mod output;
pub mod pm2;
pub mod procfile;
pub mod read;
pub mod report;
mod secrets;
mod stack;
#[cfg(test)]
mod tests;
pub mod variables;

use agent_harness_model::spec::diagnostic::{Diagnostic, arrange};

use report::{Finding, Report};
pub use stack::object_name_of;

/// What became of a file.
#[derive(Debug)]
pub struct Converted {
    /// The spec, as YAML.
    pub yaml: String,
    /// What was not carried over, and what is to be known, in the order of the file.
    pub findings: Vec<Finding>,
}

/// A file that was read to its end: the spec, unless something in the file is wrong.
fn done(report: Report, yaml: String) -> Result<Converted, Vec<Diagnostic>> {
    let (findings, mut problems) = report.into_parts();
    if problems.is_empty() {
        return Ok(Converted { yaml, findings });
    }
    arrange(&mut problems);
    Err(problems)
}
