//! Merge keys of YAML 1.1: `<<: *defaults` gives a map the keys of another that it does not have itself.

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::{Entry, Node, NodeKind};

/// The key that merges.
const MERGE: &str = "<<";

/// Carries out every merge in a tree.
pub fn merge_keys(node: &mut Node) -> Result<(), Box<Diagnostic>> {
    match &mut node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) | NodeKind::String(_) => Ok(()),
        NodeKind::Seq(items) => items.iter_mut().try_for_each(merge_keys),
        NodeKind::Map(entries) => {
            entries.iter_mut().try_for_each(|entry| merge_keys(&mut entry.value))?;
            let Some(index) = entries.iter().position(|entry| entry.key == MERGE) else {
                return Ok(());
            };
            let merged = entries.remove(index).value;
            for other in sources(merged)? {
                // A key that is there already says more than what is merged, and an earlier map more than a later one.
                if !entries.iter().any(|entry| entry.key == other.key) {
                    entries.push(other);
                }
            }
            Ok(())
        }
    }
}

/// The entries of the map, or of the maps of a list, behind a merge key.
fn sources(merged: Node) -> Result<Vec<Entry>, Box<Diagnostic>> {
    let refused = |node: &Node| {
        let message = format!("`<<` merges maps, but this is {}", node.describe());
        Box::new(Diagnostic::at(node.place(), message).help("write `<<: *NAME` of a map"))
    };
    match merged.kind {
        NodeKind::Map(entries) => Ok(entries),
        NodeKind::Seq(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.kind {
                    NodeKind::Map(entries) => all.extend(entries),
                    _ => return Err(refused(&item)),
                }
            }
            Ok(all)
        }
        _ => Err(refused(&merged)),
    }
}
