//! Text with a NUL character: no program, variable, path or server takes it, so no spec may hold it.

use super::diagnostic::Diagnostic;
use super::node::{Node, NodeKind};
use super::shape::name;
use crate::id::ObjectKey;

/// Every key and value with one, but for the content of files, which may hold anything.
pub fn check(node: &Node, object: &ObjectKey) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    walk(node, &mut Vec::new(), &mut found);
    found.into_iter().map(|problem| problem.of(object.clone())).collect()
}

fn walk(node: &Node, path: &mut Vec<String>, found: &mut Vec<Diagnostic>) {
    match &node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
        NodeKind::String(text) => {
            let content = matches!(path.as_slice(), [spec, files, _, content]
                if spec == "spec" && files == "files" && content == "content");
            if text.contains('\0') && !content {
                found.push(refusal(node.place(), &name(path)));
            }
        }
        NodeKind::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                walk(item, path, found);
                path.pop();
            }
        }
        NodeKind::Map(entries) => {
            for entry in entries {
                if entry.key.contains('\0') {
                    found.push(refusal(entry.place(), &format!("a key of {}", name(path))));
                }
                path.push(entry.key.clone());
                walk(&entry.value, path, found);
                path.pop();
            }
        }
    }
}

fn refusal(place: super::source::Place, what: &str) -> Diagnostic {
    Diagnostic::at(place, format!("{what} contains a NUL character"))
        .help("remove the `\\0`: no argument, variable or path can hold it")
}
