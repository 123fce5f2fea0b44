//! Checks a document against the schema of its kind: unknown keys, wrong types, missing keys. All
//! of them at once, each at its place and with what would be right.

use serde_json::Value as Json;

use super::diagnostic::{Diagnostic, list, nearest};
use super::node::{Node, NodeKind};
use super::schema::{alternatives, follow, ref_name, words};
use super::{Duration, FileMode, Size};
use crate::id::ObjectKey;

/// Everything in `node` that the schema `root` does not allow. `path` is where in the object the
/// node lies, for the words of the messages.
pub fn check(node: &Node, root: &Json, object: &ObjectKey) -> Vec<Diagnostic> {
    let mut check = Check { root, problems: Vec::new() };
    check.value(node, root, &mut Vec::new());
    check.problems.into_iter().map(|problem| problem.of(object.clone())).collect()
}

/// The same for the spec of a Stack alone, such as one with an agent's overrides in it.
pub(crate) fn check_stack_spec(spec: &Node, object: &ObjectKey) -> Vec<Diagnostic> {
    let root = super::schema::schema(crate::id::ObjectKind::Stack);
    let mut check = Check { root, problems: Vec::new() };
    if let Some(schema) = root.pointer("/$defs/StackSpec") {
        check.value(spec, schema, &mut vec!["spec".to_owned()]);
    }
    check.problems.into_iter().map(|problem| problem.of(object.clone())).collect()
}

struct Check<'a> {
    root: &'a Json,
    problems: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn value(&mut self, node: &Node, schema: &'a Json, path: &mut Vec<String>) {
        let Some(picked) = self.pick(node, schema) else {
            self.wrong_type(node, schema, path);
            return;
        };
        if let Some(problem) = quantity_problem(node, schema) {
            self.problems.push(Diagnostic::at(node.place(), format!("{}: {problem}", name(path))));
        }
        let schema = picked;
        match &node.kind {
            NodeKind::Map(_) => self.map(node, schema, path),
            NodeKind::Seq(items) => {
                if let Some(item_schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        path.push(index.to_string());
                        self.value(item, item_schema, path);
                        path.pop();
                    }
                }
            }
            NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) | NodeKind::String(_) => {}
        }
    }

    fn map(&mut self, node: &Node, schema: &'a Json, path: &mut Vec<String>) {
        let properties = schema.get("properties").and_then(Json::as_object);
        let others = schema.get("additionalProperties");
        let mut meant = Vec::new();
        for entry in node.entries() {
            path.push(entry.key.clone());
            match (properties.and_then(|p| p.get(&entry.key)), others) {
                (Some(schema), _) => self.value(&entry.value, schema, path),
                (None, Some(schema @ Json::Object(_))) => self.value(&entry.value, schema, path),
                (None, Some(Json::Bool(false))) => {
                    path.pop();
                    let keys: Vec<&str> =
                        properties.into_iter().flat_map(|p| p.keys().map(String::as_str)).collect();
                    meant.extend(nearest(&entry.key, keys.iter().copied()));
                    self.problems.push(unknown_key(&entry.key, &entry.place(), path, &keys));
                    continue;
                }
                (None, _) => {}
            }
            path.pop();
        }
        for key in schema.get("required").and_then(Json::as_array).into_iter().flatten() {
            let Some(key) = key.as_str() else { continue };
            // A key that is there with a typing error is not also reported as missing.
            if node.get(key).is_none() && !meant.contains(&key) {
                let what = properties.and_then(|p| p.get(key)).map(|s| self.expected(s));
                self.problems.push(
                    Diagnostic::at(node.place(), format!("{} lacks the key `{key}`", name(path)))
                        .maybe_help(what.map(|what| format!("add `{key}`: {what}"))),
                );
            }
        }
    }

    /// The alternative of the schema that the node's type fits, with its references followed.
    fn pick(&self, node: &Node, schema: &'a Json) -> Option<&'a Json> {
        let schema = follow(self.root, schema);
        let choices = words(schema);
        if !choices.is_empty() {
            return node.as_str().filter(|text| choices.contains(text)).map(|_| schema);
        }
        if schema.get("anyOf").is_some() || schema.get("oneOf").is_some() {
            return alternatives(schema).into_iter().find_map(|one| self.pick(node, one));
        }
        let fits = |kind: &str| match (&node.kind, kind) {
            (NodeKind::Null, "null")
            | (NodeKind::Bool(_), "boolean")
            | (NodeKind::Number(..), "number")
            | (NodeKind::String(_), "string")
            | (NodeKind::Seq(_), "array")
            | (NodeKind::Map(_), "object") => true,
            (NodeKind::Number(number, _), "integer") => in_range(number, schema),
            _ => false,
        };
        let fits = match schema.get("type") {
            None => true,
            Some(Json::String(kind)) => fits(kind),
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).any(fits),
            Some(_) => false,
        };
        fits.then_some(schema)
    }

    fn wrong_type(&mut self, node: &Node, schema: &'a Json, path: &[String]) {
        let expected = self.expected(schema);
        let message = format!("{} must be {expected}, but is {}", name(path), node.describe());
        let mut choices = Vec::new();
        for one in alternatives(follow(self.root, schema)) {
            choices.extend(words(follow(self.root, one)));
        }
        let help = match (&node.kind, node.as_str()) {
            (NodeKind::Null, _) => Some("write it after the `:`, or indented below".to_owned()),
            (_, Some(text)) if !choices.is_empty() => {
                nearest(text, choices).map(|near| format!("did you mean `{near}`?"))
            }
            (NodeKind::Number(_, text), _) if expected.contains("text") => {
                Some(format!("write it in quotes: \"{text}\""))
            }
            (NodeKind::Bool(value), _) if expected.contains("text") => {
                Some(format!("write it in quotes: \"{value}\""))
            }
            (NodeKind::String(text), _)
                if expected.contains("number") && text.parse::<f64>().is_ok() =>
            {
                Some("remove the quotes".to_owned())
            }
            _ => None,
        };
        self.problems.push(Diagnostic::at(node.place(), message).maybe_help(help));
    }

    /// What a schema asks for, in words.
    fn expected(&self, schema: &Json) -> String {
        match ref_name(schema) {
            Some("Duration") => return "a duration such as 60s, 20m or 1d".to_owned(),
            Some("Size") => return "a size such as 256Mi or 1Gi".to_owned(),
            Some("FileMode") => return "a file mode in quotes, such as \"0600\"".to_owned(),
            Some("Value") => return "text or {secret: NAME}".to_owned(),
            Some("Command") => return "a command: text, or a list of words".to_owned(),
            _ => {}
        }
        let schema = follow(self.root, schema);
        let choices = words(schema);
        if !choices.is_empty() {
            return or(choices.iter().map(|word| format!("`{word}`")));
        }
        if schema.get("anyOf").is_some() || schema.get("oneOf").is_some() {
            let all = alternatives(schema);
            return or(all.into_iter().filter(|one| !is_null(one)).map(|one| self.expected(one)));
        }
        let kinds = match schema.get("type") {
            Some(Json::String(kind)) => vec![kind.as_str()],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => return "a value".to_owned(),
        };
        or(kinds.into_iter().filter(|kind| *kind != "null").map(|kind| match kind {
            "string" => "text".to_owned(),
            "boolean" => "`true` or `false`".to_owned(),
            "number" => "a number".to_owned(),
            "integer" => match (bound(schema, "minimum"), bound(schema, "maximum")) {
                (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
                (Some(min), None) => format!("a whole number from {min}"),
                _ => "a whole number".to_owned(),
            },
            "array" => "a list".to_owned(),
            "object" if schema.get("properties").is_some() => "a map".to_owned(),
            "object" => "a map keyed by name".to_owned(),
            other => other.to_owned(),
        }))
    }
}

/// What is wrong with a scalar that has a unit.
fn quantity_problem(node: &Node, schema: &Json) -> Option<String> {
    let text = node.as_str()?;
    let check = |name: &str| match name {
        "Duration" => text.parse::<Duration>().err(),
        "Size" => text.parse::<Size>().err(),
        "FileMode" => text.parse::<FileMode>().err(),
        _ => None,
    };
    alternatives(schema).into_iter().filter_map(ref_name).find_map(check)
}

fn unknown_key(
    key: &str,
    place: &super::source::Place,
    path: &[String],
    keys: &[&str],
) -> Diagnostic {
    let known = match keys {
        [only] => format!("the only key of {} is `{only}`", name(path)),
        _ => format!("the keys of {} are {}", name(path), list(keys.iter().copied())),
    };
    let help = match nearest(key, keys.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? {known}"),
        None => known,
    };
    Diagnostic::at(place.clone(), format!("unknown key `{key}` in {}", name(path))).help(help)
}

/// `` `spec.processes.api` `` for a path.
pub(crate) fn name(path: &[String]) -> String {
    if path.is_empty() { "the document".to_owned() } else { format!("`{}`", path.join(".")) }
}

fn is_null(schema: &Json) -> bool {
    schema.get("type").and_then(Json::as_str) == Some("null")
}

fn bound(schema: &Json, key: &str) -> Option<i64> {
    schema.get(key)?.as_i64()
}

fn in_range(number: &serde_json::Number, schema: &Json) -> bool {
    let Some(value) = number.as_i64() else {
        return number.as_u64().is_some() && schema.get("maximum").is_none();
    };
    bound(schema, "minimum").is_none_or(|min| value >= min)
        && bound(schema, "maximum").is_none_or(|max| value <= max)
}

fn or(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
