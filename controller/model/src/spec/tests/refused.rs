//! What YAML allows and a spec does not.

use super::{agent, file, words};

#[test]
fn a_nul_character_is_refused_where_it_stands() {
    let parsed = agent(
        "spec:\n  stack: app\n  env: {A: \"\\0\"}\n  path: [\"b\\0\"]\n  files:\n    c: {content: \"\\0\"}\n    \
         \"d\\0\": {content: x}\n  processes:\n    e: {run: [\"f\\0\"], env: {\"g\\0\": h}}\n",
    );
    insta::assert_snapshot!(words(&parsed), @r#"
    error: `spec.env.A` contains a NUL character
     --> specs/agent-3.yaml:6:12
      |
    6 |   env: {A: "\0"}
      |            ^^^^
      |
      = help: remove the `\0`: no argument, variable or path can hold it

    error: `spec.path.0` contains a NUL character
     --> specs/agent-3.yaml:7:10
      |
    7 |   path: ["b\0"]
      |          ^^^^^
      |
      = help: remove the `\0`: no argument, variable or path can hold it

    error: a key of `spec.files` contains a NUL character
      --> specs/agent-3.yaml:10:5
       |
    10 |     "d\0": {content: x}
       |     ^^^^^
       |
       = help: remove the `\0`: no argument, variable or path can hold it

    error: `spec.processes.e.run.0` contains a NUL character
      --> specs/agent-3.yaml:12:15
       |
    12 |     e: {run: ["f\0"], env: {"g\0": h}}
       |               ^^^^^
       |
       = help: remove the `\0`: no argument, variable or path can hold it

    error: a key of `spec.processes.e.env` contains a NUL character
      --> specs/agent-3.yaml:12:29
       |
    12 |     e: {run: ["f\0"], env: {"g\0": h}}
       |                             ^^^^^
       |
       = help: remove the `\0`: no argument, variable or path can hold it
    "#);
}

#[test]
fn control_characters_reach_no_terminal() {
    let parsed = agent("spec:\n  stack: app\n  \"a\\n\\e[31mb\": c\n");
    let mut problem = parsed.problems[0].clone();
    let place = problem.place.clone().unwrap();
    problem = problem.related("as in \u{1b}[31mb", place);
    assert!(!problem.related[0].label.contains(char::is_control), "{problem:?}");
    let problem = problem.line();
    assert!(!problem.contains(char::is_control), "{problem}");
    insta::assert_snapshot!(problem.split(';').next().unwrap_or_default(), @r"specs/agent-3.yaml:6:3: unknown key `a\n\u{1b}[31mb` in `spec`");
}

#[test]
fn tags_and_merge_keys_are_refused() {
    let documents = [
        "spec:\n  stack: !!python/object my-app\n",
        "spec: {stack: !mine app}\n",
        "spec: {stack: !include app.yaml}\n",
        "spec:\n  stack: app\n  <<: {id: 3}\n",
        "spec:\n  stack: !!str app\n  id: !!int 3\n",
    ];
    let all: Vec<String> = documents.iter().map(|text| words(&agent(text))).collect();
    insta::assert_snapshot!(all.join("\n\n"), @"
    error: the tag `!!python/object` means nothing here
     --> specs/agent-3.yaml:5:26
      |
    5 |   stack: !!python/object my-app
      |                          ^^^^^^
      |
      = help: remove it: a spec holds text, numbers, `true`, `false`, lists and maps alone

    error: the tag `!mine` means nothing here
     --> specs/agent-3.yaml:4:21
      |
    4 | spec: {stack: !mine app}
      |                     ^^^
      |
      = help: remove it: a spec holds text, numbers, `true`, `false`, lists and maps alone

    error: the tag `!include` means nothing here
     --> specs/agent-3.yaml:4:24
      |
    4 | spec: {stack: !include app.yaml}
      |                        ^^^^^^^^
      |
      = help: remove it: a spec holds text, numbers, `true`, `false`, lists and maps alone

    error: the key `<<` merges no maps here
     --> specs/agent-3.yaml:6:3
      |
    6 |   <<: {id: 3}
      |   ^^
      |
      = help: merge keys are not part of YAML 1.2: write the keys out
    ");
}

#[test]
fn problems_of_a_file_are_in_the_order_of_its_lines() {
    let parsed = file(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\nspec:\n  setup: {a: {}}\n  \
         prots: {}\n  infra: 3\n",
    );
    let lines: Vec<u32> = parsed.problems.iter().map(|p| p.place.as_ref().unwrap().line).collect();
    assert_eq!(lines, [5, 6, 7]);
}
