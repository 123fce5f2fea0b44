//! Files that cannot be read, or do not hold what they should.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::super::harness::Site;
use super::{agent, loose, said, until};

const BOMB: &str = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                    c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                    e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n";

/// Each of them takes the place of agent 1's file, whose last good version stays in force.
#[test]
fn a_bad_file_keeps_the_last_good_version() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let (before, api) = ([site.processes(1), site.processes(2)], site.api);
    let good = fs::read_to_string(site.specs().join("agent-1.yaml")).unwrap();
    let one = |spec: &str| agent("agent-1", spec);
    let cyclic = "  processes: {api: {run: x, after: {worker: started}}}\n";
    let clash = format!("  ports: {{frontend: {}}}\n", api + 10);
    let texts: &[(&str, String, &str)] = &[
        ("unknown key", one("  worktre: {base: main}\n"), "worktre"),
        ("wrong type", one("  id: three\n"), "three"),
        ("tab", one("\tid: 1\n"), "tab"),
        ("duplicate key", one("  stack: hello\n"), "stack"),
        ("alias bomb", BOMB.into(), "agent-1.yaml"),
        ("several documents, one of them bad", good.clone() + "---\nkind: Agnt\n", "agent-1.yaml"),
        ("empty", String::new(), "agent-1.yaml"),
        ("half-written", good[..good.len() / 2].to_owned(), "agent-1.yaml"),
        ("binary", "\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0".into(), "agent-1.yaml"),
        ("missing Stack", good.replace("stack: hello", "stack: helo"), "helo"),
        ("cyclic after", one(cyclic), "worker"),
        ("undefined ${…}", one("  env: {X: \"${port.api}\"}\n"), "port.api"),
        ("port past 65535", one("  ports: {api: 65530}\n"), "65535"),
        ("port clash between two agents", one(&clash), "agent-2"),
    ];
    let mut story = Vec::new();
    for (what, text, words) in texts {
        site.write_spec("agent-1.yaml", text);
        // What is wrong is in the status of the agent, or with a part of the file that holds no object.
        let told = until(words, || format!("{}\n{}", said(&site, "agent-1"), loose(&site)));
        let told = told.trim_end();
        story.push(format!("{what}\n{told}\n"));
        assert_eq!(before, [site.processes(1), site.processes(2)], "{what}");
        site.write_spec("agent-1.yaml", &good);
        let well = || said(&site, "agent-1") == "Ready" && loose(&site).is_empty();
        site.eventually("all to be well", || well().then_some(()));
    }

    let path = site.specs().join("agent-1.yaml");
    fs::File::create(site.specs().join("agent-1.yaml.new")).unwrap().set_len(100 << 20).unwrap();
    fs::rename(site.specs().join("agent-1.yaml.new"), &path).unwrap();
    story.push(format!("100 MB\n{}\n", until("agent-1.yaml", || said(&site, "agent-1"))));
    let outside = site.folder().join("outside.yaml");
    fs::write(&outside, one("  env: {NEW: \"1\"}\n")).unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    story
        .push(format!("symlink out of the folder\n{}\n", until("link", || said(&site, "agent-1"))));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    fs::remove_file(&path).unwrap();
    site.write_spec("agent-1.yaml", &good);
    site.ready("agent-1");

    // A Stack that is broken holds nobody up either.
    let used = format!("  infra: {}", site.infra);
    site.edit("stack.yaml", &used, &format!("{used}\n  infa: shared"));
    story.push(format!("a broken Stack\n{}\n", until("infa", || said(&site, "stack/hello"))));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    site.edit("stack.yaml", &format!("{used}\n  infa: shared"), &used);
    site.ready("stack/hello");

    // Neither does a template of theirs that names what nobody knows.
    let template = site.repo().join("examples/hello/CLAUDE.agent.md");
    let text = fs::read_to_string(&template).unwrap();
    fs::write(&template, text.replace("${database.host}", "${database.hots}")).unwrap();
    let told = until("database.hots", || said(&site, "agent-1"));
    story.push(format!("undefined ${{…}} in a template file\n{told}\n"));
    let written = fs::read_to_string(site.worktree("agent-1").join("CLAUDE.agent.md")).unwrap();
    assert!(written.contains(" on 127.0.0.1:"), "{written}");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    fs::write(&template, text).unwrap();
    site.eventually("all to be well", || (said(&site, "agent-1") == "Ready").then_some(()));
    insta::assert_snapshot!("in_the_place_of_a_good_file", story.join("\n"));
}

/// Files that are new, and bring no agent.
#[test]
fn a_bad_new_file_is_told_of() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-2");
    let before = site.processes(2);
    let mut story = Vec::new();
    let long = format!("a{}", "b".repeat(40));
    for name in ["../x", "Agent-3", &long] {
        let name = format!("\"{name}\"");
        site.write_spec("new.yaml", &agent(&name, ""));
        story.push(format!("named {name}\n{}\n", until(&name, || loose(&site))));
    }
    site.write_spec("new.yaml", &agent("\"3\"", ""));
    story.push(format!("named 3\n{}\n", until("`3`", || loose(&site))));
    site.write_spec("new.yaml", &agent("agent-1", "  env: {X: y}\n"));
    story.push(format!(
        "two files with one name\n{}\n",
        until("new.yaml", || said(&site, "agent-1"))
    ));
    site.write_spec("new.yaml", &agent("agent-9", "").replace("stack: hello", "stack: nope"));
    story.push(format!("missing Stack\n{}\n", until("nope", || said(&site, "agent-9"))));
    fs::remove_file(site.specs().join("new.yaml")).unwrap();
    site.eventually("nothing to be wrong", || loose(&site).is_empty().then_some(()));
    site.ready("agent-1");
    assert_eq!(before, site.processes(2));
    insta::assert_snapshot!("new_files", story.join("\n"));
}

#[test]
fn an_apply_of_nonsense_changes_nothing() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    let file = site.repo().join("bad.yaml");
    let cyclic = "  processes: {api: {run: x, after: {api: ready}}}\n";
    fs::write(&file, agent("agent-1", cyclic)).unwrap();
    let refused = site.ctl(&["apply", "-f", file.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    let told = super::same(&site, &super::text(&refused.stderr));
    insta::assert_snapshot!("an_apply", told);
    site.ready("agent-2");
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
}
