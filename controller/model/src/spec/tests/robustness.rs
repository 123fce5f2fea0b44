//! Whatever stands in a file, reading it ends in documents or problems, never in a panic, and every
//! place that is named exists.

use proptest::prelude::*;

use super::super::parse::{Parsed, parse};
use super::HEAD;
use crate::validate::validate;

/// A file with every kind and most of the syntax.
const FULL: &str = r#"# all kinds
apiVersion: agent-harness.dev/v1alpha1
kind: Infra
metadata: {name: shared}
spec:
  postgres: {embedded: {port: 15432, settings: {shared_preload_libraries: pg_stat_statements}}}
  objectStore: {embedded: {port: 19000}, buckets: {default: {expireAfter: 1d}}}
---
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: app, labels: {a: "b"}}
spec:
  infra: shared
  ports: {frontend: 3000, api: 8000}
  worktree: {repo: ~/src/app, base: origin/main}
  database:
    name: agent_${agent.id}
    template: {name: app_template, inputs: [migrations/**], build: {migrate: {run: app migrate}}}
  bucket: {name: "agent-${agent.id}"}
  env: &env
    PORT: "${ports.api}"
    KEY: {secret: app}
    TEXT: |
      several
      lines with ümläuts
  files: {.env: {content: "A=${ports.api}\n", mode: "0600"}}
  setup: {install: {run: app install, timeout: 20m, env: *env}}
  processes:
    api: {run: app api, ready: {http: {port: api, path: /}, timeout: 60s}, memory: 1Gi}
    web: {run: [app, web], after: {api: ready}}
  verify: {all: {parallel: {a: app a, b: app b}, only: full}}
---
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec: {stack: app, worktree: {branch: fix/foo}, processes: {web: null}}
"#;

/// Reads, renders every message, and checks every place against the text.
pub(super) fn read(file: &str, bytes: &[u8]) -> Parsed {
    let parsed = parse(file, bytes);
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count().max(1) + 1;
    for problem in &parsed.problems {
        assert!(!problem.render(false).is_empty());
        assert!(!problem.line().contains('\n'), "{}", problem.line());
        if let Some(place) = &problem.place {
            assert!(place.line as usize <= lines, "{problem}");
            assert!(place.column >= 1 && place.width >= 1, "{problem}");
        }
    }
    parsed
}

#[test]
fn a_full_file_is_right() {
    let parsed = read("x.yaml", FULL.as_bytes());
    let problems: Vec<String> = parsed.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, [""; 0]);
    let valid = validate(parsed.documents, &std::collections::BTreeMap::new());
    let problems: Vec<String> = valid.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, [""; 0]);
    assert_eq!(valid.documents.len(), 3);
}

#[test]
fn a_file_cut_off_at_any_byte_is_an_error_or_less() {
    let whole = read("x.yaml", FULL.as_bytes()).documents;
    for end in 0..FULL.len() {
        let parsed = read("x.yaml", &FULL.as_bytes()[..end]);
        assert!(parsed.documents.len() <= whole.len());
        assert!(!parsed.problems.is_empty() || !parsed.documents.is_empty(), "cut at {end}");
        validate(parsed.documents, &std::collections::BTreeMap::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read("x.yaml", &bytes);
    }

    #[test]
    fn random_text_of_yaml_characters(text in "[-a-z0-9:{}\\[\\],&*!|>'\"%@`#?\\\\ \n\t~.$<]{0,120}") {
        read("x.yaml", text.as_bytes());
        read("x.yaml", format!("{HEAD}spec:\n  stack: app\n  {text}").as_bytes());
    }

    #[test]
    fn a_few_bytes_changed(changes in proptest::collection::vec((0..FULL.len(), any::<u8>()), 1..4)) {
        let mut bytes = FULL.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        let parsed = read("x.yaml", &bytes);
        validate(parsed.documents, &std::collections::BTreeMap::new());
    }

    #[test]
    fn a_line_left_out_or_doubled(line in 0..FULL.lines().count(), twice in any::<bool>()) {
        let mut lines: Vec<&str> = FULL.lines().collect();
        if twice {
            lines.insert(line, lines[line]);
        } else {
            lines.remove(line);
        }
        let parsed = read("x.yaml", lines.join("\n").as_bytes());
        validate(parsed.documents, &std::collections::BTreeMap::new());
    }
}
