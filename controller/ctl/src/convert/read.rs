//! Bytes of a foreign file to one tree of nodes, with the diagnostics that specs get.

use std::sync::Arc;

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::Node;
use agent_harness_model::spec::parse;
use agent_harness_model::spec::source::Source;
use agent_harness_model::spec::yaml;

/// The text of a file.
pub fn text<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Vec<Diagnostic>> {
    parse::text(file, bytes).map_err(|mut problem| {
        if bytes.len() as u64 <= parse::MAX_FILE {
            problem = problem.help("save it as UTF-8");
        } else {
            problem = problem.help("is this the right file?");
        }
        vec![problem]
    })
}

/// The one YAML document of a file.
pub fn yaml(file: &str, text: &str) -> Result<Node, Vec<Diagnostic>> {
    let source = Arc::new(Source::new(file, text));
    let mut documents = yaml::foreign(&source).into_iter();
    let Some(first) = documents.next() else {
        return Err(vec![
            Diagnostic::file(file, "the file is empty").help("is this the right file?"),
        ]);
    };
    let first = first.map_err(|problem| vec![problem])?;
    match documents.next() {
        None => Ok(first),
        Some(Err(problem)) => Err(vec![problem]),
        Some(Ok(second)) => Err(vec![
            Diagnostic::at(second.place(), "a second document begins here")
                .help("write it into a file of its own"),
        ]),
    }
}

/// The value of a JSON file.
pub fn json(file: &str, text: &str) -> Result<Node, Vec<Diagnostic>> {
    // JSON may be indented with tabs, YAML may not; within its strings there are none.
    yaml(file, &text.replace('\t', " "))
}
