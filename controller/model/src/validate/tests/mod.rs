//! The cases of objects that do not fit each other, with the exact words of each message.

mod claims;
mod containers;
mod lightdash;
mod limits;
mod probes;
mod references;
mod stalls;
mod versions;
mod within;

use std::collections::BTreeMap;

use super::{LastGood, Valid, validate};
use crate::spec::parse::{Document, parse};

/// Several files, as `name: text`, each with the head of its kind.
fn documents(files: &[(&str, &str)]) -> Vec<Document> {
    let mut all = Vec::new();
    for (file, text) in files {
        let parsed = parse(file, text.as_bytes());
        let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        all.extend(parsed.documents);
    }
    all
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\n\
         spec: {spec}\n"
    )
}

fn infra() -> (&'static str, String) {
    (
        "infra.yaml",
        object("Infra", "shared", "{postgres: {embedded: {}}, objectStore: {embedded: {}}}"),
    )
}

fn stack(spec: &str) -> (&'static str, String) {
    ("stack.yaml", object("Stack", "app", spec))
}

fn agent(n: u32, more: &str) -> (String, String) {
    let spec = format!("{{stack: app{more}}}");
    (format!("agent-{n}.yaml"), object("Agent", &format!("agent-{n}"), &spec))
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
fn check(files: Vec<(impl AsRef<str>, String)>) -> Valid {
    check_after(&files, &BTreeMap::new())
}

fn check_after(files: &[(impl AsRef<str>, String)], last_good: &LastGood) -> Valid {
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_ref(), text.as_str())).collect();
    validate(documents(&files), last_good)
}

fn words(valid: &Valid) -> String {
    valid.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

fn in_force(valid: &Valid) -> Vec<String> {
    valid.documents.keys().map(ToString::to_string).collect()
}

fn own((name, text): (impl AsRef<str>, String)) -> (String, String) {
    (name.as_ref().to_owned(), text)
}

const APP: &str = "{infra: shared, ports: {web: 3000, api: 8000}, database: {}, bucket: {}}";

fn good(files: &[(String, String)]) -> LastGood {
    let files: Vec<(&str, &str)> = files.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
    documents(&files).into_iter().map(|document| (document.key.clone(), document)).collect()
}
