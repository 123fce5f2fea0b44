//! The JSON Schemas of the objects, made from the types; and walking through them.

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::meta::API_VERSION;
use super::{Agent, Infra, Stack};
use crate::id::ObjectKind;

/// How the kind is spelled in a spec.
pub fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Infra => "Infra",
        ObjectKind::Stack => "Stack",
        ObjectKind::Agent => "Agent",
    }
}

/// All kinds, in the order in which one is built on the other.
pub const KINDS: [ObjectKind; 3] = [ObjectKind::Infra, ObjectKind::Stack, ObjectKind::Agent];

/// The JSON Schema (draft 2020-12) of one kind of object.
pub fn schema(kind: ObjectKind) -> &'static Json {
    static SCHEMAS: OnceLock<[Json; 3]> = OnceLock::new();
    let all = SCHEMAS.get_or_init(|| KINDS.map(build));
    match kind {
        ObjectKind::Infra => &all[0],
        ObjectKind::Stack => &all[1],
        ObjectKind::Agent => &all[2],
    }
}

/// One schema for all kinds, told apart by `kind`.
pub fn schema_of_all() -> Json {
    let mut defs = Map::new();
    let mut branches = Vec::new();
    for kind in KINDS {
        let mut one = schema(kind).clone();
        let Json::Object(map) = &mut one else { continue };
        map.remove("$schema");
        map.remove("$id");
        if let Some(Json::Object(own)) = map.remove("$defs") {
            // The kinds share their definitions; those that an Agent relaxes have names of their own.
            defs.extend(own);
        }
        branches.push(json!({
            "if": {"properties": {"kind": {"const": kind_name(kind)}}, "required": ["kind"]},
            "then": {"$ref": format!("#/$defs/{}", kind_name(kind))}
        }));
        defs.insert(kind_name(kind).to_owned(), one);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Agent Harness object",
        "description": "An Infra, a Stack or an Agent.",
        "type": "object",
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"enum": KINDS.map(kind_name)}
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "allOf": branches,
        "$defs": defs
    })
}

fn build(kind: ObjectKind) -> Json {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = match kind {
        ObjectKind::Infra => root::<Infra>(generator),
        ObjectKind::Stack => root::<Stack>(generator),
        ObjectKind::Agent => root::<Agent>(generator),
    };
    if let Some(properties) = root.get_mut("properties").and_then(Json::as_object_mut) {
        for (key, value) in [("apiVersion", API_VERSION), ("kind", kind_name(kind))] {
            properties.insert(
                key.to_owned(),
                json!({"const": value, "description": format!("`{value}`.")}),
            );
        }
        properties.insert(
            "status".to_owned(),
            json!({"description": "What the controller last saw. Ignored on input."}),
        );
    }
    if kind == ObjectKind::Agent {
        relax(&mut root);
    }
    root
}

fn root<T: JsonSchema>(generator: SchemaGenerator) -> Json {
    let mut root = generator.into_root_schema_for::<T>().to_value();
    tidy(&mut root);
    root
}

/// Descriptions come with the line breaks of the source: make each a paragraph.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::String(text)) = map.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            map.values_mut().for_each(tidy);
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Makes the definitions that an Agent shares with a Stack those of a merge patch: nothing is
/// required, and `null` removes. They get names of their own.
fn relax(root: &mut Json) {
    let Some(defs) = root.get_mut("$defs").and_then(Json::as_object_mut) else { return };
    let own = ["AgentSpec", "Metadata"];
    let names: Vec<String> =
        defs.keys().filter(|name| !own.contains(&name.as_str())).cloned().collect();
    for name in &names {
        if let Some(mut def) = defs.remove(name) {
            relax_def(&mut def);
            defs.insert(format!("{name}Patch"), def);
        }
    }
    if let Some(Json::Object(spec)) = defs.get_mut("AgentSpec")
        && let Some(Json::Object(properties)) = spec.get_mut("properties")
    {
        for (name, property) in properties.iter_mut() {
            if name != "stack" {
                relax_property(property);
            }
        }
    }
    rename_refs(root, &names);
}

/// Words that stand for one value (a secret, an enum) are replaced whole, so they stay as they are.
fn relax_def(def: &mut Json) {
    let Some(map) = def.as_object_mut() else { return };
    if map.get("type").and_then(Json::as_str) != Some("object") {
        return;
    }
    map.remove("required");
    if let Some(Json::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(relax_property);
    }
}

fn relax_property(schema: &mut Json) {
    let Some(map) = schema.as_object_mut() else { return };
    map.remove("default");
    if let Some(values) = map.get_mut("additionalProperties").filter(|v| v.is_object()) {
        relax_property(values);
    }
    if let Some(kind) = map.get_mut("type") {
        match kind {
            Json::String(one) if one != "null" => *kind = json!([one, "null"]),
            Json::Array(all) if !all.contains(&json!("null")) => all.push(json!("null")),
            _ => {}
        }
    } else if let Some(Json::Array(any)) = map.get_mut("anyOf") {
        if !any.contains(&json!({"type": "null"})) {
            any.push(json!({"type": "null"}));
        }
    } else if let Some(reference) = map.remove("$ref") {
        map.insert("anyOf".to_owned(), json!([{"$ref": reference}, {"type": "null"}]));
    }
}

fn rename_refs(schema: &mut Json, names: &[String]) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::String(reference)) = map.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
                && names.iter().any(|n| n == name)
            {
                reference.push_str("Patch");
            }
            map.values_mut().for_each(|value| rename_refs(value, names));
        }
        Json::Array(items) => items.iter_mut().for_each(|value| rename_refs(value, names)),
        _ => {}
    }
}

/// The name of the definition that a schema refers to, without the suffix of an Agent's.
pub(crate) fn ref_name(schema: &Json) -> Option<&str> {
    let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
    Some(name.strip_suffix("Patch").unwrap_or(name))
}

/// A schema with its reference followed.
pub(crate) fn follow<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    let target = schema.get("$ref").and_then(Json::as_str).and_then(|r| r.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// The alternatives of a schema: those of its `anyOf` or `oneOf`, else itself.
pub(crate) fn alternatives(schema: &Json) -> Vec<&Json> {
    ["anyOf", "oneOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array())
        .map_or_else(|| vec![schema], |all| all.iter().collect())
}

/// The names of an enum's values, whichever way they are written down.
pub(crate) fn words(schema: &Json) -> Vec<&str> {
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return words.iter().filter_map(Json::as_str).collect();
    }
    if let Some(word) = schema.get("const").and_then(Json::as_str) {
        return vec![word];
    }
    match schema.get("oneOf").and_then(Json::as_array) {
        Some(all) => all.iter().flat_map(|one| words(one)).collect(),
        None => Vec::new(),
    }
}
