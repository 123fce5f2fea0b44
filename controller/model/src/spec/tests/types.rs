//! What right input comes to.

use super::super::diagnostic::nearest;
use super::super::parse::Body;
use super::super::{AgentSpec, Command, Duration, FileMode, Size, Value, name_problem};
use super::{HEAD, agent, file};

#[test]
fn an_agent_keeps_its_overrides_as_a_patch() {
    let parsed = agent(
        "spec: {stack: app, worktree: {branch: fix/foo}, processes: {scheduler: null, api: {memory: 2Gi}}}\n",
    );
    assert_eq!(parsed.problems, []);
    let document = &parsed.documents[0];
    assert_eq!(document.key.to_string(), "agent/agent-3");
    assert_eq!(document.name_place().to_string(), "specs/agent-3.yaml:3:18");
    assert_eq!(document.place(&["spec", "worktree", "branch"]).column, 31);
    let Body::Agent(spec) = &document.body else { panic!("an agent") };
    let AgentSpec { stack, id, suspend, overrides } = spec.as_ref();
    assert_eq!((stack.as_str(), *id, *suspend), ("app", None, None));
    let expected = serde_json::json!({
        "worktree": {"branch": "fix/foo"},
        "processes": {"scheduler": null, "api": {"memory": "2Gi"}}
    });
    assert_eq!(serde_json::Value::Object(overrides.clone()), expected);
}

#[test]
fn values_keep_the_text_that_was_written() {
    let text = format!(
        "{}spec:\n  env: {{A: 1.10, B: 0755, C: 12:30, D: yes, E: true, F: {{secret: key}}, G: 1_000, H: \"3\"}}\n  \
         setup: {{b: {{run: x}}, a: {{run: [y, z z], timeout: 1h30m}}}}\n",
        HEAD.replace("Agent", "Stack")
    );
    let parsed = file(&text);
    assert_eq!(parsed.problems, []);
    let Body::Stack(spec) = &parsed.documents[0].body else { panic!("a stack") };
    let env: Vec<Value> = spec.env.values().cloned().collect();
    let mut expected: Vec<Value> =
        ["1.10", "0755", "12:30", "yes", "true"].map(Value::plain).to_vec();
    expected.push(Value::Secret("key".to_owned()));
    expected.extend(["1_000", "3"].map(Value::plain));
    assert_eq!(env, expected);
    // Steps keep the order in which they were written.
    assert_eq!(spec.setup.keys().collect::<Vec<_>>(), ["b", "a"]);
    let step = spec.setup.get("a").unwrap();
    assert_eq!(step.run, Command::Words(vec!["y".to_owned(), "z z".to_owned()]));
    assert_eq!(step.timeout, Some(Duration::from_secs(5400)));
}

#[test]
fn anchors_and_aliases_work() {
    let parsed = agent(
        "spec:\n  stack: app\n  processes:\n    a: &base {run: a, cwd: &text x}\n    b: {run: b, cwd: *text}\n    c: *base\n",
    );
    assert_eq!(parsed.problems, []);
    let node = &parsed.documents[0].node;
    assert_eq!(node.find(&["spec", "processes", "b", "cwd"]).unwrap().as_str(), Some("x"));
    assert_eq!(node.find(&["spec", "processes", "c", "run"]).unwrap().as_str(), Some("a"));
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_are_fine() {
    let text = format!("\u{feff}{}spec: {{stack: app}}\r\n", HEAD.replace('\n', "\r\n"));
    let parsed = file(&text);
    assert_eq!(parsed.problems, []);
    assert_eq!(parsed.documents[0].node.place_of(&["spec"]).line, 4);
}

#[test]
fn comments_and_layout_do_not_change_the_hash() {
    let one = agent("spec: {stack: app, id: 7}\n").documents.remove(0);
    let two = agent("# a comment\nspec:\n  stack: 'app'\n\n  id: 7\n").documents.remove(0);
    let other = agent("spec: {stack: app, id: 8}\n").documents.remove(0);
    assert_eq!(one.hash(), two.hash());
    assert_ne!(one.hash(), other.hash());
}

#[test]
fn what_ctl_prints_can_be_applied_again() {
    let parsed = file(&format!(
        "{}spec: {{stack: app}}\nstatus: {{phase: Ready, anything: [1]}}\n",
        HEAD.replace(
            "{name: agent-3}",
            "{name: agent-3, uid: u, generation: 4, creationTimestamp: 2026-01-01T00:00:00Z}"
        )
    ));
    assert_eq!(parsed.problems, []);
}

#[test]
fn quantities_are_read_and_written_the_same() {
    for text in ["0s", "500ms", "60s", "20m", "1h30m", "1d", "2 days", "1day", "2d3h4m5s6ms"] {
        let duration: Duration = text.parse().unwrap();
        assert_eq!(duration.to_string().parse::<Duration>().unwrap(), duration, "{text}");
    }
    assert_eq!("60s".parse::<Duration>().unwrap().to_string(), "1m");
    for text in ["", "60", "-1s", "1 month", "1y", "s"] {
        assert!(text.parse::<Duration>().is_err(), "{text}");
    }
    let sizes = [("256Mi", 268_435_456), ("1Gi", 1 << 30), ("500M", 500_000_000), ("12", 12)];
    for (text, bytes) in sizes {
        assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)), "{text}");
    }
    for text in ["", "Mi", "1Gb", "1.5Gi", "-1", "99999999999Ti"] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
    assert_eq!("0600".parse(), Ok(FileMode(0o600)));
    for text in ["", "888", "rw", "4755", "00644"] {
        assert!(text.parse::<FileMode>().is_err(), "{text}");
    }
}

#[test]
fn names_are_those_of_dns_labels() {
    for name in ["a", "agent-3", "0", &"x".repeat(40)] {
        assert_eq!(name_problem(name), None, "{name}");
    }
    for name in ["", "-a", "a-", "A", "a_b", "a.b", "../a", "ä", "a\n", &"x".repeat(41)] {
        assert!(name_problem(name).is_some(), "{name}");
    }
}

#[test]
fn the_nearest_name_is_near() {
    let known = ["worktree", "processes", "ports", "path"];
    assert_eq!(nearest("worktre", known), Some("worktree"));
    assert_eq!(nearest("zzz", known), None);
}

#[test]
fn the_order_of_steps_and_the_digits_of_a_number_count() {
    let hash = |spec: &str| {
        file(&format!("{}spec: {spec}\n", HEAD.replace("Agent", "Stack"))).documents[0].hash()
    };
    let steps = "{setup: {a: {run: a}, b: {run: b}}}";
    assert_eq!(hash(steps), hash("{setup: {a: {run: a}, b: {run: b}}} # the same"));
    assert_ne!(hash(steps), hash("{setup: {b: {run: b}, a: {run: a}}}"));
    assert_ne!(hash("{env: {V: 1.1}}"), hash("{env: {V: 1.10}}"));
}
