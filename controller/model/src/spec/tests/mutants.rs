//! Specs with one thing changed: whatever it is, there are problems, or the set is valid and can be resolved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::super::diagnostic::Diagnostic;
use super::super::parse::Document;
use crate::id::{ObjectKey, Uid};
use crate::resolve::{Facts, Need, resolve};
use crate::secret::Secret;
use crate::validate::{settle, validate};

/// The specs of the example, and an agent that overrides most of them.
const FILES: [&str; 4] = [
    include_str!("../../../../../examples/hello/specs/infra.yaml"),
    include_str!("../../../../../examples/hello/specs/stack.yaml"),
    include_str!("../../../../../examples/hello/specs/agent-1.yaml"),
    "apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-2, labels: {a: b}}
spec:
  stack: hello
  id: 7
  suspend: false
  ports: {extra: 4000}
  worktree: {branch: fix/foo}
  bucket: {expireAfter: 1d, cors: {origins: ['http://localhost:${ports.frontend}'], methods: [GET]}}
  env: {PLAIN: x, SECRET: {secret: app}, WITH: 'a-${secrets.app}'}
  files: {notes/a.txt: {content: 'A=${ports.api}', mode: '0644'}}
  setup:
    install: {run: [npm, ci], inputs: [package.json], creates: node_modules, timeout: 20m, env: {A: b}}
    last: {run: 'echo \"${worktree.path}\" > x', after: [install]}
  processes:
    api: {memory: 1Gi, stop: {signal: SIGINT, timeout: 2s}, restart: onFailure}
    extra: {run: a, ready: {tcp: {port: extra}, period: 1s}, after: {api: ready}, enabled: true}
    probed: {run: b, ready: {exec: {command: [x, '${agent.name}']}}}
  verify: {all: {parallel: {a: x, b: y}, only: full}}
",
];

/// All changes take minutes. A prime meets every kind of change at some place.
const STEP: usize = 53;

/// What a value is replaced by.
fn others() -> Vec<Json> {
    let mut all = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(65535),
        json!(70000),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({"": ""}),
        json!({"a": {"b": null}}),
        json!([""]),
    ];
    let texts = [
        "",
        " ",
        "x",
        "~",
        "/",
        "..",
        ".",
        "../x",
        "a/../..",
        "-x",
        "x\0",
        "x\ny",
        "${",
        "${}",
        "${nope}",
        "$$",
        "${agent.id}",
        "${worktree.path}",
        "${secrets.x}",
        "${database.url}",
        "*",
        "[",
        "'",
        "\\",
        "0",
        "1d",
        "0s",
        "ä",
        "@{",
        "a:b",
        "//",
        "99999999999999999999d",
        "18446744073709551615Gi",
        "0777",
        "x y",
        "'' x",
        "`${agent.name}`",
        "\u{202e}",
    ];
    all.extend(texts.map(Json::from));
    all.push(json!("x".repeat(300)));
    all
}

/// Every place in a value, as the keys and numbers that lead there.
fn places(value: &Json, path: &str, all: &mut Vec<String>) {
    all.push(path.to_owned());
    let deeper = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Json::Object(map) => map.iter().for_each(|(key, value)| places(value, &deeper(key), all)),
        Json::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, it)| places(it, &deeper(&index.to_string()), all));
        }
        _ => {}
    }
}

/// The value with what is at a place replaced, or removed, or with its key replaced.
fn changed(value: &Json, place: &str, new: Option<&Json>) -> Option<Json> {
    let mut value = value.clone();
    match new {
        Some(new) => *value.pointer_mut(place)? = new.clone(),
        None => {
            let (parent, key) = place.rsplit_once('/')?;
            let key = key.replace("~1", "/").replace("~0", "~");
            match value.pointer_mut(parent)? {
                Json::Object(map) => drop(map.remove(&key)?),
                Json::Array(list) => drop(list.remove(key.parse().ok()?)),
                _ => return None,
            }
        }
    }
    Some(value)
}

fn renamed(value: &Json, place: &str, new: &str) -> Option<Json> {
    let mut value = value.clone();
    let (parent, key) = place.rsplit_once('/')?;
    let key = key.replace("~1", "/").replace("~0", "~");
    let map = value.pointer_mut(parent)?.as_object_mut()?;
    let old = map.remove(&key)?;
    map.insert(new.to_owned(), old);
    Some(value)
}

/// What resolving says about a file in the place of the good one, if the set was valid with it.
fn complaint(index: usize, text: &str, good: &[Document]) -> Option<String> {
    let parsed = super::robustness::read(&file(index), text.as_bytes());
    if !parsed.problems.is_empty() {
        return None;
    }
    let others = good.iter().enumerate().filter(|(other, _)| *other != index);
    let documents: Vec<Document> =
        others.map(|(_, document)| document.clone()).chain(parsed.documents).collect();
    let valid = validate(documents.clone(), &BTreeMap::new());
    let last_good = good.iter().map(|document| (document.key.clone(), document.clone())).collect();
    let settled = settle(&documents, &BTreeSet::new(), &last_good);
    for problem in valid.problems.iter().chain(&settled.problems) {
        assert!(!problem.render(false).is_empty());
        assert!(!problem.line().contains(char::is_control), "{}", problem.line());
    }
    if !valid.problems.is_empty() {
        return None;
    }
    resolved(&valid.documents).problems.first().map(Diagnostic::line)
}

fn file(index: usize) -> String {
    format!("/specs/{index}.yaml")
}

fn resolved(documents: &BTreeMap<ObjectKey, Document>) -> crate::resolve::Resolution {
    let uids = documents.keys().map(|key| (key.clone(), Uid::new(key.slug()))).collect();
    let mut facts = Facts {
        state: "/state".into(),
        home: "/home/me".into(),
        bin: "/bin".into(),
        ..Facts::default()
    };
    loop {
        let resolution = resolve(documents, &uids, &facts);
        let before = (facts.secrets.len(), facts.answers.len());
        for need in &resolution.needs {
            match need {
                Need::Secret(name) => drop(facts.secrets.insert(name.clone(), Secret::new("s"))),
                other => drop(facts.answers.insert(other.clone(), Ok("0123456789".into()))),
            }
        }
        if before == (facts.secrets.len(), facts.answers.len()) {
            return resolution;
        }
    }
}

/// Every mutant of a document, with what was changed.
fn mutants(value: &Json) -> Vec<(String, String)> {
    let (mut all, mut found) = (Vec::new(), Vec::new());
    places(value, "", &mut all);
    let mut add = |what: String, mutant: Option<Json>| {
        found.extend(mutant.map(|mutant| (what, mutant.to_string())));
    };
    for place in all {
        add(format!("{place} removed"), changed(value, &place, None));
        for other in others() {
            add(format!("{place} = {other}"), changed(value, &place, Some(&other)));
            if let Some(name) = other.as_str() {
                add(format!("{place} named {other}"), renamed(value, &place, name));
            }
        }
    }
    found
}

fn good() -> Vec<Document> {
    let read = |(index, text): (usize, &&str)| {
        super::robustness::read(&file(index), text.as_bytes()).documents.remove(0)
    };
    FILES.iter().enumerate().map(read).collect()
}

/// What is valid and cannot be resolved, among every `STEP`th change of the files.
fn wrong_accepts() -> String {
    let good = good();
    let mut found = Vec::new();
    for (index, text) in FILES.iter().enumerate() {
        let mut all = mutants(&good[index].node.to_json());
        let ends = (0..text.len()).filter(|end| text.is_char_boundary(*end));
        all.extend(ends.map(|end| (format!("cut at {end}"), text[..end].to_owned())));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for (number, line) in lines.iter().enumerate() {
            let with = |middle: &str, rest: usize| {
                [&lines[..number].concat(), middle, &lines[number + rest..].concat()].concat()
            };
            all.push((format!("without line {number}"), with("", 1)));
            all.push((format!("without lines {number}"), with("", 3.min(lines.len() - number))));
            all.push((format!("line {number} twice"), with(line, 0)));
            all.push((format!("line {number} deeper"), with(&format!("  {line}"), 1)));
        }
        for (what, text) in all.iter().step_by(STEP) {
            if let Some(why) = complaint(index, text, &good) {
                found.push(format!("{index}: {what}: {why}"));
            }
        }
    }
    found.join("\n")
}

#[test]
fn what_is_changed_is_told_of_or_can_be_resolved() {
    insta::assert_snapshot!(wrong_accepts(), @"");
}
