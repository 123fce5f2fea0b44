//! An agent's overrides: a JSON merge patch whose parts keep their places.

use super::super::node::Node;
use super::super::source::Source;
use super::super::yaml;

fn node(file: &str, text: &str) -> Node {
    let source = std::sync::Arc::new(Source::new(file, text));
    yaml::documents(&source).remove(0).1.unwrap()
}

#[test]
fn the_examples_of_rfc_7386() {
    for (target, patch, result) in [
        ("{a: b}", "{a: c}", "{a: c}"),
        ("{a: b}", "{b: c}", "{a: b, b: c}"),
        ("{a: b}", "{a: null}", "{}"),
        ("{a: b, b: c}", "{a: null}", "{b: c}"),
        ("{a: [b]}", "{a: c}", "{a: c}"),
        ("{a: c}", "{a: [b]}", "{a: [b]}"),
        ("{a: {b: c}}", "{a: {b: d, c: null}}", "{a: {b: d}}"),
        ("{a: [{b: c}]}", "{a: [1]}", "{a: [1]}"),
        ("[a, b]", "[c, d]", "[c, d]"),
        ("{a: b}", "[c]", "[c]"),
        ("{a: foo}", "null", "null"),
        ("{a: foo}", "bar", "bar"),
        ("{e: null}", "{a: 1}", "{e: null, a: 1}"),
        ("[1, 2]", "{a: b, c: null}", "{a: b}"),
        ("{}", "{a: {bb: {ccc: null}}}", "{a: {bb: {}}}"),
    ] {
        let mut merged = node("target", target);
        merged.merge(&node("patch", patch));
        assert_eq!(merged.to_json(), node("result", result).to_json(), "{target} + {patch}");
    }
}

#[test]
fn every_part_knows_the_file_that_it_came_from() {
    let mut merged = node("stack.yaml", "a: {x: 1, y: 2, z: 3}\nb: 4\n");
    merged.merge(&node("agent.yaml", "# overrides\na: {y: 5, w: {v: 6, gone: null}}\n"));
    let place = |path: &[&str]| merged.place_of(path).to_string();
    assert_eq!(place(&["a", "x"]), "stack.yaml:1:5");
    assert_eq!(place(&["a", "y"]), "agent.yaml:2:5");
    assert_eq!(place(&["a", "w", "v"]), "agent.yaml:2:15");
    assert_eq!(place(&["b"]), "stack.yaml:2:1");
    // What is not there is placed at the nearest part above it.
    assert_eq!(place(&["a", "w", "gone"]), "agent.yaml:2:11");
    // What is overridden keeps its place in the order, what is new comes last.
    let keys: Vec<&str> =
        merged.get("a").unwrap().entries().iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["x", "y", "z", "w"]);
}
