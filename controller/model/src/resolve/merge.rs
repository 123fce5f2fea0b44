//! The Stack as one agent sees it: its own overrides merged in.

use crate::spec::StackSpec;
use crate::spec::decode::decode;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::node::{Node, NodeKind};
use crate::spec::parse::Document;

/// A Stack's spec with an agent's overrides.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The values.
    pub spec: StackSpec,
    /// The same as a tree, in which each part knows the file that it came from.
    pub node: Node,
}

/// Merges an agent's overrides into its Stack, as a JSON merge patch.
pub fn effective(stack: &Document, agent: &Document) -> Result<Effective, Diagnostic> {
    let missing = |document: &Document| {
        Diagnostic::at(document.place(&["spec"]), "`spec` is missing")
            .help("write what is wanted under `spec:`")
    };
    let mut node = stack.node.get("spec").ok_or_else(|| missing(stack))?.clone();
    let mut patch = agent.node.get("spec").ok_or_else(|| missing(agent))?.clone();
    if let NodeKind::Map(entries) = &mut patch.kind {
        entries.retain(|entry| !matches!(entry.key.as_str(), "stack" | "id" | "suspend"));
    }
    node.merge(&patch);
    let spec = decode::<StackSpec>(&node).map_err(|error| {
        let place = error.place.clone().unwrap_or_else(|| agent.place(&["spec"]));
        Diagnostic::at(place, error.message)
    })?;
    Ok(Effective { spec, node })
}
