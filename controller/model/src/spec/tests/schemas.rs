//! The schemas accept what the parser accepts, and refuse what it refuses for its form.

use serde_json::Value as Json;

use super::super::parse::parse;
use super::super::schema::{KINDS, kind_name, schema, schema_of_all};
use super::super::source::Source;
use super::super::yaml;

/// The objects of a file, whether they are right or not.
fn objects(text: &str) -> Vec<Json> {
    let source = std::sync::Arc::new(Source::new("x.yaml", text));
    yaml::documents(&source)
        .into_iter()
        .filter_map(|(_, node)| Some(node.ok()?.to_json()))
        .collect()
}

fn accepted(object: &Json) -> bool {
    let kind = KINDS.into_iter().find(|kind| object["kind"] == kind_name(*kind));
    let one = kind.is_some_and(|kind| jsonschema::is_valid(schema(kind), object));
    assert_eq!(one, jsonschema::is_valid(&schema_of_all(), object), "{object:#}");
    one
}

const SPECS: [(&str, &str); 42] = [
    ("Infra", "{}"),
    (
        "Infra",
        "{postgres: {embedded: {}}, objectStore: {external: {endpoint: a, accessKey: b, secretKey: {secret: c}}}}",
    ),
    ("Infra", "{postgres: {embedded: {settings: {a: 1, b: true, c: x}}}}"),
    (
        "Infra",
        "{postgres: {container: {image: a, ports: {postgres: {host: 1, container: 5432}}, cpus: 1.5}}}",
    ),
    ("Infra", "{postgres: {container: {}}}"),
    ("Infra", "{postgres: {embedded: {port: 0}}}"),
    ("Infra", "{postgres: {embedded: {port: 65536}}}"),
    ("Infra", "{postgres: {embedded: {prot: 1}}}"),
    (
        "Infra",
        "{services: {a: {container: {image: b, healthcheck: {test: [CMD, x], interval: 5s}, shmSize: 1Gi}}}}",
    ),
    ("Infra", "{services: []}"),
    ("Stack", "{}"),
    ("Stack", "{ports: {a: 1}, portStride: 0}"),
    ("Stack", "{ports: {a: x}}"),
    ("Stack", "{infra: null, ports: {}}"),
    ("Stack", "{env: {A: 1, B: 1.5, C: true, D: {secret: x}, E: x}}"),
    ("Stack", "{env: {A: {secret: 1}}}"),
    ("Stack", "{env: {A: {}}}"),
    ("Stack", "{env: {A: null}}"),
    ("Stack", "{setup: {a: {run: b, timeout: 20m, inputs: [x], after: []}}}"),
    ("Stack", "{setup: {a: {run: [b, c]}}}"),
    ("Stack", "{setup: {a: {run: 3}}}"),
    ("Stack", "{setup: {a: {cwd: 3}}}"),
    (
        "Stack",
        "{processes: {a: {run: b, restart: onFailure, memory: 1Gi, after: {c: ready}, enabled: false}}}",
    ),
    ("Stack", "{processes: {a: {run: b, restart: sometimes}}}"),
    ("Stack", "{processes: {a: {run: b, memory: 1Gb}}}"),
    ("Stack", "{processes: {a: {run: b, cpus: 0.5, pids: 1, openFiles: 16, nice: -20}}}"),
    ("Stack", "{processes: {a: {run: b, nice: 20}}}"),
    ("Stack", "{processes: {a: {run: b, pids: 0}}}"),
    ("Stack", "{processes: {a: {run: b, openFiles: 1.5}}}"),
    ("Stack", "{limits: {memory: 1Gi, cpus: 2, pids: 512}}"),
    ("Stack", "{limits: {nice: 5}}"),
    ("Agent", "{stack: a, limits: {memory: null, cpus: 0.5}}"),
    ("Stack", "{processes: {a: {run: b, memory: 1073741824}}}"),
    ("Stack", "{processes: {a: {run: b, stop: {timeout: 5}}}}"),
    ("Stack", "{files: {a: {content: b, mode: \"0600\"}}, verify: {a: {only: full, run: b}}}"),
    ("Agent", "{stack: a}"),
    ("Agent", "{}"),
    (
        "Agent",
        "{stack: a, id: 3, suspend: true, worktree: null, processes: {a: null, b: {memory: 1Gi, cwd: null}}}",
    ),
    ("Agent", "{stack: a, processes: {a: {memori: 1Gi}}}"),
    (
        "Agent",
        "{stack: a, ports: {b: null, c: 5}, env: {D: null, E: {secret: f}}, files: {g: null}}",
    ),
    ("Agent", "{stack: a, id: -1}"),
    ("Agent", "{stack: a, processes: {a: {memory: 1Gb}}}"),
];

#[test]
fn the_schema_accepts_what_the_parser_accepts() {
    let mut right = 0;
    for (kind, spec) in SPECS {
        let text = format!(
            "apiVersion: agent-harness.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: a-1}}\nspec: {spec}\n"
        );
        let parsed = parse("x.yaml", text.as_bytes());
        let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
        for object in objects(&text) {
            assert_eq!(
                accepted(&object),
                problems.is_empty(),
                "{kind} {spec}\n{}",
                problems.join("\n")
            );
        }
        right += usize::from(problems.is_empty());
    }
    assert_eq!(right, 19, "some of each");
}

#[test]
fn the_schema_refuses_other_heads() {
    for text in [
        "{apiVersion: v1, kind: Agent, metadata: {name: a}, spec: {stack: b}}",
        "{apiVersion: agent-harness.dev/v1alpha1, kind: Pod, metadata: {name: a}, spec: {stack: b}}",
        "{apiVersion: agent-harness.dev/v1alpha1, kind: Agent, metadata: {name: A}, spec: {stack: b}}",
        "{apiVersion: agent-harness.dev/v1alpha1, kind: Agent, metadata: {name: a}}",
        "{apiVersion: agent-harness.dev/v1alpha1, kind: Agent, metadata: {name: a}, spec: {stack: b}, x: 1}",
    ] {
        assert!(!parse("x.yaml", text.as_bytes()).problems.is_empty(), "{text}");
        assert!(objects(text).iter().all(|object| !accepted(object)), "{text}");
    }
}

#[test]
fn the_schemas_are_schemas() {
    for kind in KINDS {
        jsonschema::meta::validate(schema(kind)).unwrap();
    }
    jsonschema::meta::validate(&schema_of_all()).unwrap();
}

#[test]
fn every_field_is_described() {
    let mut missing = Vec::new();
    for kind in KINDS {
        let root = schema(kind);
        let definitions = root["$defs"].as_object().into_iter().flatten();
        for (name, definition) in definitions.chain([(&kind_name(kind).to_owned(), root)]) {
            for (key, field) in definition["properties"].as_object().into_iter().flatten() {
                if field["description"].as_str().is_none_or(str::is_empty) {
                    missing.push(format!("{name}.{key}"));
                }
            }
        }
    }
    assert_eq!(missing, [""; 0]);
}
