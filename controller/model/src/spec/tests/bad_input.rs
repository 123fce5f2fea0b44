//! Each kind of bad input, with the exact words of its message.

use super::super::parse::{MAX_FILE, parse, too_large};
use super::{HEAD, agent, file, words};

#[test]
fn unknown_keys_name_the_nearest_right_one() {
    let parsed = agent("spec:\n  stack: app\n  worktre: {branch: fix/foo}\n");
    insta::assert_snapshot!(words(&parsed), @"
    error: unknown key `worktre` in `spec`
     --> specs/agent-3.yaml:6:3
      |
    6 |   worktre: {branch: fix/foo}
      |   ^^^^^^^
      |
      = help: did you mean `worktree`? the keys of `spec` are `infra`, `ports`, `portStride`, `worktree`, `database`, `bucket`, `env`, `path`, `files`, `setup`, `processes`, `limits`, `requests`, `deletion`, `drift`, `tools`, `verify`, `problemMatchers`, `stack`, `id` and `suspend`
    ");
    let parsed = agent("spec: {stak: app, worktree: {branc: x}, zzz: 1}\n");
    insta::assert_snapshot!(words(&parsed), @"
    error: unknown key `stak` in `spec`
     --> specs/agent-3.yaml:4:8
      |
    4 | spec: {stak: app, worktree: {branc: x}, zzz: 1}
      |        ^^^^
      |
      = help: did you mean `stack`? the keys of `spec` are `infra`, `ports`, `portStride`, `worktree`, `database`, `bucket`, `env`, `path`, `files`, `setup`, `processes`, `limits`, `requests`, `deletion`, `drift`, `tools`, `verify`, `problemMatchers`, `stack`, `id` and `suspend`

    error: unknown key `branc` in `spec.worktree`
     --> specs/agent-3.yaml:4:30
      |
    4 | spec: {stak: app, worktree: {branc: x}, zzz: 1}
      |                              ^^^^^
      |
      = help: did you mean `branch`? the keys of `spec.worktree` are `repo`, `base`, `branch` and `path`

    error: unknown key `zzz` in `spec`
     --> specs/agent-3.yaml:4:41
      |
    4 | spec: {stak: app, worktree: {branc: x}, zzz: 1}
      |                                         ^^^
      |
      = help: the keys of `spec` are `infra`, `ports`, `portStride`, `worktree`, `database`, `bucket`, `env`, `path`, `files`, `setup`, `processes`, `limits`, `requests`, `deletion`, `drift`, `tools`, `verify`, `problemMatchers`, `stack`, `id` and `suspend`
    ");
}

#[test]
fn wrong_types_say_what_is_expected_and_what_is_there() {
    let parsed = agent(
        "spec:\n  stack: app\n  ports: {api: abc, web: 70000}\n  id: -4\n  portStride: \"10\"\n  \
         processes: [api]\n  suspend: yes\n  env: {A: [1], B: {secrt: x}}\n  infra: 3\n",
    );
    insta::assert_snapshot!(words(&parsed), @r#"
    error: `spec.ports.api` must be a whole number from 0 to 65535, but is the text "abc"
     --> specs/agent-3.yaml:6:16
      |
    6 |   ports: {api: abc, web: 70000}
      |                ^^^

    error: `spec.ports.web` must be a whole number from 0 to 65535, but is the number 70000
     --> specs/agent-3.yaml:6:26
      |
    6 |   ports: {api: abc, web: 70000}
      |                          ^^^^^

    error: `spec.id` must be a whole number from 0 to 4294967295, but is the number -4
     --> specs/agent-3.yaml:7:7
      |
    7 |   id: -4
      |       ^^

    error: `spec.portStride` must be a whole number from 1 to 65535, but is the text "10"
     --> specs/agent-3.yaml:8:15
      |
    8 |   portStride: "10"
      |               ^^^^
      |
      = help: remove the quotes

    error: `spec.processes` must be a map keyed by name, but is a list of 1
     --> specs/agent-3.yaml:9:14
      |
    9 |   processes: [api]
      |              ^

    error: `spec.suspend` must be `true` or `false`, but is the text "yes"
      --> specs/agent-3.yaml:10:12
       |
    10 |   suspend: yes
       |            ^^^

    error: `spec.env.A` must be text or {secret: NAME}, but is a list of 1
      --> specs/agent-3.yaml:11:12
       |
    11 |   env: {A: [1], B: {secrt: x}}
       |            ^

    error: unknown key `secrt` in `spec.env.B`
      --> specs/agent-3.yaml:11:21
       |
    11 |   env: {A: [1], B: {secrt: x}}
       |                     ^^^^^
       |
       = help: did you mean `secret`? the only key of `spec.env.B` is `secret`

    error: `spec.infra` must be text, but is the number 3
      --> specs/agent-3.yaml:12:10
       |
    12 |   infra: 3
       |          ^
       |
       = help: write it in quotes: "3"
    "#);
}

#[test]
fn wrong_quantities_and_words_of_a_list() {
    let parsed = agent("spec: {stack: app, processes: {api: {memory: 1Gb}}}\n");
    insta::assert_snapshot!(words(&parsed), @r#"
    error: `spec.processes.api.memory`: `1Gb` is not a size: write a whole number and a unit, such as 256Mi, 1Gi or 500M
     --> specs/agent-3.yaml:4:46
      |
    4 | spec: {stack: app, processes: {api: {memory: 1Gb}}}
      |                                              ^^^
    "#);
    let parsed = file(&HEAD.replace("Agent", "Stack")).problems;
    insta::assert_snapshot!(parsed[0], @r#"
    error: the document lacks the key `spec`
     --> specs/agent-3.yaml:1:1
      |
    1 | apiVersion: agent-harness.dev/v1alpha1
      | ^
      |
      = help: add `spec`: a map
    "#);
    let stack =
        |spec: &str| words(&file(&format!("{}spec: {spec}\n", HEAD.replace("Agent", "Stack"))));
    insta::assert_snapshot!(stack("{processes: {api: {run: a, ready: {timeout: 60}}}}"), @r#"
    error: `spec.processes.api.ready.timeout` must be a duration such as 60s, 20m or 1d, but is the number 60
     --> specs/agent-3.yaml:4:51
      |
    4 | spec: {processes: {api: {run: a, ready: {timeout: 60}}}}
      |                                                   ^^
    "#);
    insta::assert_snapshot!(stack("{processes: {api: {run: a, ready: {timeout: 60 parsecs}}}}"), @r#"
    error: `spec.processes.api.ready.timeout`: `60 parsecs` is not a duration: write a number and a unit, such as 500ms, 60s, 20m, 1h30m or 1d
     --> specs/agent-3.yaml:4:51
      |
    4 | spec: {processes: {api: {run: a, ready: {timeout: 60 parsecs}}}}
      |                                                   ^^^^^^^^^^
    "#);
    insta::assert_snapshot!(stack("{processes: {api: {run: a, restart: allways}}}"), @r#"
    error: `spec.processes.api.restart` must be `always`, `onFailure` or `never`, but is the text "allways"
     --> specs/agent-3.yaml:4:43
      |
    4 | spec: {processes: {api: {run: a, restart: allways}}}
      |                                           ^^^^^^^
      |
      = help: did you mean `always`?
    "#);
    insta::assert_snapshot!(stack("{files: {a: {content: b, mode: \"0999\"}}}"), @r#"
    error: `spec.files.a.mode`: `0999` is not a file mode: write octal digits, such as "0644" or "0600"
     --> specs/agent-3.yaml:4:38
      |
    4 | spec: {files: {a: {content: b, mode: "0999"}}}
      |                                      ^^^^^^
    "#);
    insta::assert_snapshot!(stack("{processes: {api: {cwd: x}}}"), @r#"
    error: `spec.processes.api` lacks the key `run`
     --> specs/agent-3.yaml:4:25
      |
    4 | spec: {processes: {api: {cwd: x}}}
      |                         ^
      |
      = help: add `run`: a command: text, or a list of words
    "#);
}

#[test]
fn tabs() {
    insta::assert_snapshot!(words(&agent("spec:\n\tstack: app\n")), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:5:1
      |
    5 |     stack: app
      | ^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
    insta::assert_snapshot!(words(&agent("spec:\n  stack: app\n\tid: 1\n")), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:6:1
      |
    6 |     id: 1
      | ^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
    // Blank lines, comments and what is indented well lie between the value that the library names and the tab.
    let far = "spec:\n  stack: app\n\n\t\n\n\tid: 1\n";
    insta::assert_snapshot!(words(&agent(far)), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:9:1
      |
    9 |     id: 1
      | ^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
    let far = "spec:\n  stack: app\n\n  # a comment\n\t# a tab is fine here\n\t\n\tid: 1\n";
    insta::assert_snapshot!(words(&agent(far)), @"
    error: a tab in the indentation
      --> specs/agent-3.yaml:10:1
       |
    10 |     id: 1
       | ^^^^
       |
       = help: indent with spaces: YAML does not allow tabs there
    ");
    let far = far.replace("\n\tid", "\n  \tid");
    insta::assert_snapshot!(words(&agent(&far)), @"
    error: a tab in the indentation
      --> specs/agent-3.yaml:10:3
       |
    10 |       id: 1
       |   ^^^^
       |
       = help: indent with spaces: YAML does not allow tabs there
    ");
    insta::assert_snapshot!(words(&agent("spec:\n  env:\n    A: |\n\t\ttext\n")), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:7:1
      |
    7 |         text
      | ^^^^^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
    let several = "spec:\n  env:\n    A: a long\n      text\n  \t \tthat goes on\n";
    insta::assert_snapshot!(words(&agent(several)), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:8:3
      |
    8 |            that goes on
      |   ^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
    // The first line that is indented at all, of the whole file.
    let head = HEAD.replace("metadata: {name: agent-3}", "metadata:\n\tname: agent-3");
    insta::assert_snapshot!(words(&file(&head)), @"
    error: a tab in the indentation
     --> specs/agent-3.yaml:4:1
      |
    4 |     name: agent-3
      | ^^^^
      |
      = help: indent with spaces: YAML does not allow tabs there
    ");
}

/// Tabs that YAML allows.
#[test]
fn tabs_between_words_and_in_empty_lines() {
    let parsed = agent("spec:\n\t\n  stack:\tapp\t# a comment\n\t# another one\n  env: {A:\tb}\n");
    assert_eq!(words(&parsed), "");
}

#[test]
fn duplicate_keys() {
    insta::assert_snapshot!(words(&agent("spec:\n  stack: a\n  stack: b\n")), @r#"
    error: the key `stack` is there twice in this map
     --> specs/agent-3.yaml:6:3
      |
    6 |   stack: b
      |   ^^^^^
      |
      = help: keep one of them: each would overwrite the other
    "#);
    insta::assert_snapshot!(words(&agent("spec: {stack: a, env: {A: 1, A: 2}}\n")), @r#"
    error: the key `A` is there twice in this map
     --> specs/agent-3.yaml:4:30
      |
    4 | spec: {stack: a, env: {A: 1, A: 2}}
      |                              ^
      |
      = help: keep one of them: each would overwrite the other
    "#);
}

#[test]
fn alias_bomb() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e")] {
        let uses = vec![format!("*{before}"); 9].join(", ");
        bomb = format!("{bomb}{name}: &{name} [{uses}]\n");
    }
    insta::assert_snapshot!(words(&file(&bomb)), @r#"
    error: the document becomes too large or too deep here
     --> specs/agent-3.yaml:5:12
      |
    5 | e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
      |            ^^
      |
      = help: a spec holds at most 50,000 values, 32 levels deep and with 200 aliases: write values out in place of `*aliases`
    "#);
    insta::assert_snapshot!(words(&file(&"[".repeat(30_000))).lines().next().unwrap(), @"error: the document is nested too deeply here");
}

#[test]
fn several_documents_are_read_each_by_itself() {
    let text = format!(
        "{HEAD}spec: {{stack: a}}\n---\n# the second one\n{}spec:\n\tstack: b\n...\n---\n{}spec: {{stack: c}}\n---\n{HEAD}spec: {{stack: d}}\n",
        HEAD.replace("-3", "-4"),
        HEAD.replace("-3", "-5"),
    );
    let parsed = file(&text);
    let names: Vec<&str> = parsed.documents.iter().map(|d| d.key.name.as_str()).collect();
    assert_eq!(names, ["agent-3", "agent-5"]);
    insta::assert_snapshot!(words(&parsed), @"
    error: a tab in the indentation
      --> specs/agent-3.yaml:11:1
       |
    11 |     stack: b
       | ^^^^
       |
       = help: indent with spaces: YAML does not allow tabs there

    error: agent/agent-3 is defined twice in this file
      --> specs/agent-3.yaml:21:18
       |
    21 | metadata: {name: agent-3}
       |                  ^^^^^^^
       |
    note: the first one is here and stays in force
      --> specs/agent-3.yaml:3:18
       |
     3 | metadata: {name: agent-3}
       |                  ^^^^^^^
    help: remove one of them, or give it another name
    ");
}

#[test]
fn empty_files() {
    insta::assert_snapshot!(words(&file("")), @r#"
    error: the file holds no document
    --> specs/agent-3.yaml
     = help: write an Infra, a Stack or an Agent into it, or remove it
    "#);
    assert_eq!(words(&file("# nothing yet\n---\n")), words(&file("")));
}

#[test]
fn half_written_files() {
    insta::assert_snapshot!(words(&agent("spec:\n  stack: app\n  worktree: {branch: fix/")), @r#"
    error: unclosed bracket '{'
     --> specs/agent-3.yaml:6:13
      |
    6 |   worktree: {branch: fix/
      |             ^
      |
      = help: close it; if the file is being written, it is not complete yet
    "#);
    insta::assert_snapshot!(words(&agent("spec:\n  stack: \"ap")), @r#"
    error: unclosed quote
     --> specs/agent-3.yaml:5:10
      |
    5 |   stack: "ap
      |          ^
      |
      = help: close it; if the file is being written, it is not complete yet
    "#);
    insta::assert_snapshot!(words(&agent("spec:")), @r#"
    error: `spec` must be a map, but is nothing
     --> specs/agent-3.yaml:4:5
      |
    4 | spec:
      |     ^
      |
      = help: write it after the `:`, or indented below
    "#);
    insta::assert_snapshot!(words(&file(&HEAD[..HEAD.len() - 18])), @r#"
    error: a key without a `:` after it
     --> specs/agent-3.yaml:3:1
      |
    3 | metadata
      | ^
      |
      = help: write `key: value`; if the file is being written, it is not complete yet
    "#);
}

#[test]
fn large_files() {
    let parsed = parse("specs/big.yaml", &vec![b'#'; usize::try_from(MAX_FILE).unwrap() + 1]);
    assert_eq!(parsed.problems, [too_large("specs/big.yaml", MAX_FILE + 1)]);
    // Readers stop one byte past the limit: how much there is they do not know.
    assert!(parsed.problems[0].message.contains("too large: more than 1 MiB"));
    insta::assert_snapshot!(too_large("specs/big.yaml", 100 << 20), @r#"
    error: the file is too large: 100.0 MiB, and a spec file has 1 MiB at most
    --> specs/big.yaml
     = help: move data out of the spec, or move the file out of this folder
    "#);
}

#[test]
fn binary_files() {
    let elf = parse("specs/tool.yaml", b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe");
    insta::assert_snapshot!(words(&elf), @r#"
    error: the file is not UTF-8 text: byte 10 (line 1) is 0xff
    --> specs/tool.yaml
     = help: a spec file is YAML; save it as UTF-8
    "#);
    let nul = parse("specs/tool.yaml", b"kind: \0");
    insta::assert_snapshot!(words(&nul), @r#"
    error: the file is not text: byte 6 is the control character 0x00
    --> specs/tool.yaml
     = help: a spec file is YAML; save it as UTF-8
    "#);
}

#[test]
fn names() {
    let named = |name: &str| words(&file(&HEAD.replace("agent-3", name)));
    insta::assert_snapshot!(named("../../etc/passwd"), @r#"
    error: "../../etc/passwd" is not a name: a name may not be a path: `/` and `..` are not allowed
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: ../../etc/passwd}
      |                  ^^^^^^^^^^^^^^^^
      |
      = help: a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("Agent-3"), @r#"
    error: "Agent-3" is not a name: a name is written in lower case: `A` is not allowed
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: Agent-3}
      |                  ^^^^^^^
      |
      = help: a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("an-agent-whose-name-is-much-too-long-to-be-of-use"), @r#"
    error: "an-agent-whose-name-is-much-too-long-to-be-of-use" is not a name: a name has at most 40 characters, this has 49
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: an-agent-whose-name-is-much-too-long-to-be-of-use}
      |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("-a"), @r#"
    error: "-a" is not a name: a name starts and ends with a letter or a digit
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: -a}
      |                  ^^
      |
      = help: a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("a b"), @r#"
    error: "a b" is not a name: only a-z, 0-9 and `-` are allowed, not ' '
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: a b}
      |                  ^^^
      |
      = help: a name has 1 to 40 of a-z, 0-9 and `-`, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("3"), @r#"
    error: `metadata.name` must be text, but is the number 3
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: 3}
      |                  ^
      |
      = help: write a name, such as `agent-3`
    "#);
    insta::assert_snapshot!(named("\"3\""), @r#"
    error: `3` is short for `agent-3` and cannot be another agent's name
     --> specs/agent-3.yaml:3:18
      |
    3 | metadata: {name: "3"}
      |                  ^^^
      |
      = help: write `name: agent-3`
    "#);
    insta::assert_snapshot!(words(&file(&HEAD.replace("name: agent-3", ""))), @r#"
    error: `metadata.name` is missing
     --> specs/agent-3.yaml:3:1
      |
    3 | metadata: {}
      | ^^^^^^^^
      |
      = help: add `name: agent-1`
    "#);
}

#[test]
fn versions_and_kinds() {
    insta::assert_snapshot!(words(&file("apiVersion: apps/v1\nkind: Deployment\n")), @r#"
    error: `apps/v1` is not an API of the harness
     --> specs/agent-3.yaml:1:13
      |
    1 | apiVersion: apps/v1
      |             ^^^^^^^
      |
      = help: write `apiVersion: agent-harness.dev/v1alpha1`
    "#);
    insta::assert_snapshot!(words(&file("apiVersion: agent-harness.dev/v2\nkind: Agent\n")), @r#"
    error: this release does not know the version `agent-harness.dev/v2`
     --> specs/agent-3.yaml:1:13
      |
    1 | apiVersion: agent-harness.dev/v2
      |             ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write `apiVersion: agent-harness.dev/v1alpha1`
    "#);
    insta::assert_snapshot!(words(&file(&HEAD.replace("kind: Agent", "kind: Agnet"))), @r#"
    error: unknown kind `Agnet`
     --> specs/agent-3.yaml:2:7
      |
    2 | kind: Agnet
      |       ^^^^^
      |
      = help: did you mean `Agent`? the kinds are `Infra`, `Stack` and `Agent`
    "#);
    insta::assert_snapshot!(words(&file("hello\n")), @r#"
    error: a document is a map with apiVersion, kind, metadata and spec, but this is the text "hello"
     --> specs/agent-3.yaml:1:1
      |
    1 | hello
      | ^^^^^
      |
      = help: begin with `apiVersion: agent-harness.dev/v1alpha1`
    "#);
}

#[test]
fn templates_in_braces_need_quotes() {
    insta::assert_snapshot!(words(&agent("spec: {stack: app, env: {A: ${ports.api}}}\n")), @r#"
    error: while parsing a flow mapping, did not find expected ',' or '}'
     --> specs/agent-3.yaml:4:30
      |
    4 | spec: {stack: app, env: {A: ${ports.api}}}
      |                              ^
      |
      = help: put text that holds `${…}` in quotes here: inside `{ }` its braces are YAML's
    "#);
}

#[test]
fn odd_yaml() {
    insta::assert_snapshot!(words(&agent("spec:\n  stack app\n  id: 3\n")), @r#"
    error: mapping values are not allowed in this context
     --> specs/agent-3.yaml:6:5
      |
    6 |   id: 3
      |     ^
      |
      = help: is the indentation uneven, or a `:` missing on the line before? Text that holds `: ` needs quotes
    "#);
    insta::assert_snapshot!(words(&agent("spec: {stack: app, env: {~: x}}\n")), @r#"
    error: a key must be text, but this is nothing
     --> specs/agent-3.yaml:4:26
      |
    4 | spec: {stack: app, env: {~: x}}
      |                          ^
      |
      = help: write a name before the `:`
    "#);
    insta::assert_snapshot!(words(&agent("spec: {stack: app, env: {x: .nan}}\n")), @r#"
    error: a number must be finite
     --> specs/agent-3.yaml:4:29
      |
    4 | spec: {stack: app, env: {x: .nan}}
      |                             ^^^^
      |
      = help: write it in quotes if text is meant
    "#);
    insta::assert_snapshot!(words(&agent("spec: {stack: app, env: *nowhere}\n")), @"
    error: alias references unknown anchor
     --> specs/agent-3.yaml:4:25
      |
    4 | spec: {stack: app, env: *nowhere}
      |                         ^
      |
      = help: text that begins with `*` needs quotes
    ");
}
