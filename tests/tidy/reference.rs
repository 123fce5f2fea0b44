//! `schemas/` and `docs/reference.md` are made from the types: this writes them, and fails while they
//! are behind.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use agent_harness_model::spec::schema::{KINDS, kind_name, schema, schema_of_all};
use serde_json::Value;

use super::generated;

const HEAD: &str = "\
# Reference: every key of a spec

Made from the types in `controller/model/src/spec/`, as are `schemas/` and `ctl explain`; do not edit it by hand.
Every value is text unless its type says otherwise. `${…}` in text is replaced.
";

#[test]
fn the_schemas_are_in_step_with_the_types() {
    let pretty = |schema: &Value| serde_json::to_string_pretty(schema).unwrap() + "\n";
    for kind in KINDS {
        let file = format!("schemas/{}.json", kind_name(kind).to_lowercase());
        generated(&file, &pretty(schema(kind)));
    }
    generated("schemas/object.json", &pretty(&schema_of_all()));
}

#[test]
fn the_reference_is_in_step_with_the_types() {
    let mut text = HEAD.to_owned();
    let mut done = BTreeSet::new();
    for kind in KINDS {
        let root = schema(kind);
        let _ = write!(text, "\n# {}\n\n{}\n", kind_name(kind), description(root));
        // What an Agent may override is the Stack's, where it is described.
        let mut open = match kind_name(kind) {
            "Agent" => vec!["AgentSpec".to_owned()],
            name => vec![format!("{name}Spec")],
        };
        if done.is_empty() {
            open.insert(0, "Metadata".to_owned());
        }
        while !open.is_empty() {
            let name = open.remove(0);
            if done.insert(name.clone()) {
                let own_only = (name == "AgentSpec").then_some(["stack", "id", "suspend"]);
                section(
                    &mut text,
                    root,
                    &name,
                    own_only.as_ref().map(<[_; 3]>::as_slice),
                    &mut open,
                );
            }
        }
    }
    generated("docs/reference.md", &text);
}

/// The table of one definition; definitions that it refers to are added to `open`.
fn section(
    text: &mut String,
    root: &Value,
    name: &str,
    only: Option<&[&str]>,
    open: &mut Vec<String>,
) {
    let definition = &root["$defs"][name];
    let Some(properties) = definition["properties"].as_object() else {
        let _ = write!(text, "\n## {name}\n\n{}\n", description(definition));
        return;
    };
    let required: Vec<&str> =
        definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let _ = write!(
        text,
        "\n## {name}\n\n{}\n\n| Key | Type | What it is |\n|---|---|---|\n",
        description(definition)
    );
    for (key, property) in properties {
        if only.is_some_and(|only| !only.contains(&key.as_str())) {
            continue;
        }
        let what = if property.get("description").is_some() {
            description(property)
        } else {
            description(follow(root, property))
        };
        let needed = if required.contains(&key.as_str()) { " **Required.**" } else { "" };
        let kind = type_of(root, property, open);
        let _ = writeln!(text, "| `{key}` | {} | {}{needed} |", cell(&kind), cell(&what));
    }
}

/// A type in words, with links to the definitions that have a table.
fn type_of(root: &Value, schema: &Value, open: &mut Vec<String>) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        let definition = &root["$defs"][name];
        let words = words(definition);
        if !words.is_empty() {
            return words.join(", ");
        }
        open.push(name.to_owned());
        return format!("[{name}](#{})", name.to_lowercase());
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(all) = schema[key].as_array() {
            let parts: Vec<String> = all
                .iter()
                .filter(|one| one["type"] != "null")
                .map(|one| type_of(root, one, open))
                .collect();
            return parts.join(" or ");
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    match types.iter().find(|one| **one != "null") {
        Some(&"string") => "text".to_owned(),
        Some(&"integer") => "whole number".to_owned(),
        Some(&"number") => "number".to_owned(),
        Some(&"boolean") => "`true` or `false`".to_owned(),
        Some(&"array") => format!("list of {}", type_of(root, &schema["items"], open)),
        Some(&"object") => {
            format!("map of {}", type_of(root, &schema["additionalProperties"], open))
        }
        _ => "anything".to_owned(),
    }
}

/// The values of an enum, in backticks.
fn words(schema: &Value) -> Vec<String> {
    let listed = schema["enum"].as_array().cloned().unwrap_or_default();
    let single = schema.get("const").cloned();
    let nested = schema["oneOf"].as_array().cloned().unwrap_or_default();
    listed
        .iter()
        .chain(single.iter())
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .chain(nested.iter().flat_map(words))
        .collect()
}

fn follow<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &root["$defs"][name])
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
