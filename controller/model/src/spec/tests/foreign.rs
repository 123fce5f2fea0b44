//! Files of others: YAML as they write it, with the place of every part.

use std::sync::Arc;

use crate::spec::node::{Node, NodeKind};
use crate::spec::source::Source;
use crate::spec::yaml::{documents, foreign};

const TEXT: &str = "base: &base\n  a: 1\nuser:\n  <<: *base\n  b: *base\n";

fn lines(node: &Node, path: &str, out: &mut Vec<String>) {
    for entry in node.entries() {
        let path = format!("{path}.{}", entry.key);
        out.push(format!("{path} {}:{}", entry.at.line, entry.at.column));
        lines(&entry.value, &path, out);
    }
}

#[test]
fn merge_keys_are_entries_and_aliases_have_the_place_of_what_they_stand_for() {
    let source = Arc::new(Source::new("compose.yaml", TEXT));
    let mut found = Vec::new();
    lines(foreign(&source)[0].as_ref().unwrap(), "", &mut found);
    insta::assert_snapshot!(found.join("\n"), @"
    .base 1:1
    .base.a 2:3
    .user 3:1
    .user.<< 4:3
    .user.<<.a 2:3
    .user.b 5:3
    .user.b.a 2:3
    ");
    assert!(documents(&source)[0].1.is_err());
}

#[test]
fn hundreds_of_aliases_are_read_and_no_bomb_is() {
    let source = |text: String| Arc::new(Source::new("compose.yaml", &text));
    let many = (0..500).map(|number| format!("k{number}: *base\n")).collect::<Vec<_>>().concat();
    let read = foreign(&source(format!("base: &base {{a: 1}}\n{many}")));
    assert!(
        matches!(&read[0].as_ref().unwrap().kind, NodeKind::Map(entries) if entries.len() == 501)
    );
    let bomb = (1..9).map(|level| {
        let before = vec![format!("*l{}", level - 1); 10].join(", ");
        format!("l{level}: &l{level} [{before}]\n")
    });
    let bomb = bomb.collect::<Vec<_>>().concat();
    let problem = foreign(&source(format!("l0: &l0 x\n{bomb}"))).remove(0).unwrap_err();
    assert_eq!(problem.message, "the document becomes too large or too deep here");
}
