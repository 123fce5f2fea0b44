//! Reading spec files: what is right, what is wrong and in which words, and that nothing panics.

mod bad_input;
mod documents;
mod foreign;
mod merge;
mod mutants;
mod refused;
mod robustness;
mod schemas;
mod types;

use super::parse::{Parsed, parse};

/// The first lines of every agent in these tests.
const HEAD: &str =
    "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: agent-3}\n";

/// A file of which everything after the head is given.
fn agent(rest: &str) -> Parsed {
    parse("specs/agent-3.yaml", format!("{HEAD}{rest}").as_bytes())
}

/// A whole file.
fn file(text: &str) -> Parsed {
    parse("specs/agent-3.yaml", text.as_bytes())
}

/// Every problem as it is drawn.
fn words(parsed: &Parsed) -> String {
    parsed.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}
