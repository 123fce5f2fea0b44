//! A spec as the smallest YAML that says it: no defaults, and text that means in our syntax what it said in the file.

use agent_harness_model::spec::{API_VERSION, Infra, InfraSpec, Metadata, Stack, StackSpec};
use agent_harness_model::yaml::{YamlError, to_yaml};
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// An Infra.
pub fn infra(name: &str, spec: InfraSpec) -> Result<String, YamlError> {
    let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    let (api_version, kind) = (API_VERSION.to_owned(), "Infra".to_owned());
    let mut json = json_of(&Infra { api_version, kind, metadata, spec, status: None });
    escape_all(&mut json);
    to_yaml(&json)
}

/// A Stack, whose texts are escaped already: some of them name its ports.
pub fn stack(name: &str, spec: StackSpec) -> Result<String, YamlError> {
    let metadata = Metadata { name: name.to_owned(), ..Metadata::default() };
    let (api_version, kind) = (API_VERSION.to_owned(), "Stack".to_owned());
    let mut json = json_of(&Stack { api_version, kind, metadata, spec, status: None });
    if let Some(spec) = json.get_mut("spec") {
        without_defaults(spec);
    }
    to_yaml(&json)
}

fn json_of<T: Serialize>(object: &T) -> Json {
    // What the types hold can always be JSON: every key is text.
    serde_json::to_value(object).unwrap_or_default()
}

/// Escapes every text, also those that are keys.
fn escape_all(json: &mut Json) {
    match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
        Json::String(text) => *text = escape(text),
        Json::Array(items) => items.iter_mut().for_each(escape_all),
        Json::Object(map) => {
            for (key, mut value) in std::mem::take(map) {
                escape_all(&mut value);
                map.insert(escape(&key), value);
            }
        }
    }
}

/// Takes out what the types write although it is the default.
fn without_defaults(spec: &mut Json) {
    let is = |map: &Map<String, Json>, key: &str, value: &Json| map.get(key) == Some(value);
    let Json::Object(stack) = spec else { return };
    if is(stack, "portStride", &StackSpec::default().port_stride.into()) {
        stack.shift_remove("portStride");
    }
    let Some(Json::Object(processes)) = stack.get_mut("processes") else { return };
    for process in processes.values_mut().filter_map(Json::as_object_mut) {
        if is(process, "restart", &"always".into()) {
            process.shift_remove("restart");
        }
    }
}

/// Text as it stands in a spec: a `$` that would begin `${…}` or `$$` there is written `$$`.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '$' && chars.peek().is_some_and(|next| matches!(next, '$' | '{')) {
            out.push('$');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use agent_harness_model::template::{Scope, render};

    use super::*;

    #[test]
    fn what_is_escaped_comes_out_as_it_was() {
        for (text, written) in [
            ("$HOME and 5$", "$HOME and 5$"),
            ("${HOME}", "$${HOME}"),
            ("a$$b", "a$$$b"),
            ("$${x}", "$$$${x}"),
            ("$", "$"),
        ] {
            assert_eq!(escape(text), written);
            assert_eq!(render(written, &Scope::default()).unwrap().reveal(), text);
        }
    }
}
