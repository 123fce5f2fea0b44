//! Checking and explaining specs: the verbs that need no controller.

use agent_harness_model::spec::parse::parse;

use super::{looking, without_help};
use crate::testing::{Ctl, agent, infra, stack};

const STACK: &str = "apiVersion: agent-harness.dev/v1alpha1
kind: Infra
metadata: {name: shared}
spec:
  postgres: {embedded: {port: 15432}}
---
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: hello}
spec:
  infra: shared
  ports: {api: 8000}
  worktree: {repo: ., base: HEAD}
  processes:
    api: {run: ./api}
";
const AGENT: &str = "apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: agent-3}
spec: {stack: hello}
";

#[test]
fn what_is_valid_is_said_to_be() {
    let ctl = Ctl::new().file("specs/stack.yaml", STACK).file("specs/agent-3.yaml", AGENT);
    insta::assert_snapshot!(ctl.alone(&["validate", "STATE/specs"]), @"
    --- stderr
    3 objects are valid
    --- Done
    ");
}

#[test]
fn what_is_printed_is_taken_again() {
    let mut leaving = agent("agent-3", agent_harness_model::status::Phase::Ready, "");
    leaving.metadata.deletion_timestamp = Some(leaving.metadata.creation_timestamp);
    leaving.metadata.labels = [("team".to_owned(), "billing".to_owned())].into();
    let world = vec![infra(), stack(), leaving];
    for form in ["yaml", "json"] {
        for object in &world {
            let key = object.key().unwrap();
            let name = key.to_string();
            let printed = Ctl::new().with(&["get", &name, "-o", form], looking(world.clone()));
            let printed = printed.strip_suffix("--- Done").unwrap();
            let parsed = parse("printed", printed.as_bytes());
            assert_eq!(parsed.problems, [], "{printed}");
            assert_eq!(parsed.documents[0].key, key);
        }
    }
    let printed = Ctl::new().with(&["get", "-o", "yaml"], looking(world));
    let printed = printed.strip_suffix("--- Done").unwrap().to_owned();
    let shown = Ctl::new().file("all.yaml", &printed).alone(&["validate", "STATE/all.yaml"]);
    insta::assert_snapshot!(shown, @"
    --- stderr
    3 objects are valid
    --- Done
    ");
}

#[test]
fn what_is_wrong_is_shown_in_its_place() {
    let ctl = Ctl::new().file("agent-3.yaml", &AGENT.replace("stack:", "stcak:"));
    insta::assert_snapshot!(without_help(&ctl.alone(&["validate", "STATE/agent-3.yaml"])), @"
    --- stderr
    error: unknown key `stcak` in `spec`
     --> STATE/agent-3.yaml:4:8
      |
    4 | spec: {stcak: hello}
      |        ^^^^^
      |

    error: 1 problem in the specs
    --- Failed
    ");
    let ctl = Ctl::new().file("agent-3.yaml", AGENT);
    insta::assert_snapshot!(without_help(&ctl.alone(&["validate", "STATE/agent-3.yaml"])), @"
    --- stderr
    error: there is no valid Stack named `hello`
     --> STATE/agent-3.yaml:4:15
      |
    4 | spec: {stack: hello}
      |               ^^^^^
      |

    error: 1 problem in the specs
     hint: the files are checked together: name that of stack/hello too, or the folder of them all
    --- Failed
    ");
}

/// A folder is read as the controller reads it: it must not show here what it would not show there.
#[test]
fn a_folder_is_read_as_the_controller_reads_it() {
    let others = tempfile::tempdir().unwrap();
    let secret = others.path().join("secret.yaml");
    crate::files::write(&secret, "password: hunter2\n").unwrap();
    for verb in [&["validate"][..], &["apply", "-f"], &["diff", "-f"]] {
        let ctl = Ctl::new()
            .file("specs/stack.yaml", STACK)
            .file("specs/.hidden.yaml", "x")
            .file("specs/agent.txt", &AGENT.replace("hello", "none"));
        let folder = ctl.state().join("specs");
        let link = |to: &std::path::Path, name: &str| {
            std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
        };
        link(&secret, "away.yaml");
        link("nowhere.yaml".as_ref(), "dangling.yaml");
        link("agent.txt".as_ref(), "inside.yml");
        std::fs::create_dir(folder.join("folder.yaml")).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(folder.join("fifo.yaml")).status();
        assert!(fifo.unwrap().success());
        let words: Vec<_> = verb.iter().copied().chain(["STATE/specs"]).collect();
        let shown = ctl.alone(&words);
        assert!(!shown.contains("hunter2"), "{shown}");
        if verb != ["validate"] {
            let others = "4 problems in the specs";
            assert!(shown.contains(others), "{shown}");
            continue;
        }
        insta::assert_snapshot!(shown, @"
        --- stderr
        error: the file is a symlink out of the watched folder
        --> STATE/specs/away.yaml
         = help: copy the file into the folder

        error: the file is a broken symlink: No such file or directory (os error 2)
        --> STATE/specs/dangling.yaml
         = help: correct the symlink, or remove it

        error: this is not a regular file
        --> STATE/specs/fifo.yaml
         = help: put a regular file there

        error: the file is a symlink, and these are not followed
        --> STATE/specs/inside.yml
         = help: put the file itself there, or remove the symlink where what it points to is in this folder anyway

        error: 4 problems in the specs
        --- Failed
        ");
    }
}

#[test]
fn a_folder_that_is_a_symlink_is_read() {
    let ctl = Ctl::new().file("real/stack.yaml", STACK);
    std::os::unix::fs::symlink("real", ctl.state().join("specs")).unwrap();
    assert!(ctl.alone(&["validate", "STATE/specs"]).contains("2 objects are valid"));
}

#[test]
fn a_template_that_is_not_there_is_named() {
    let files = "worktree: {repo: .}\n  files: {.env: {from: env.template}, a: {from: sub/a}, b: {from: ../nofile}, c: {from: '${agent.name}.c'}}\n";
    let stack = STACK.replace("worktree: {repo: ., base: HEAD}\n", files);
    let ctl = Ctl::new()
        .file("specs/stack.yaml", &stack)
        .file("specs/env.template", "A=1")
        .file("specs/sub/a/x", "");
    insta::assert_snapshot!(ctl.alone(&["validate", "STATE/specs"]), @"
    --- stderr
    error: STATE/specs/sub/a is not a regular file, and so not a template
      --> STATE/specs/stack.yaml:14:43
       |
    14 |   files: {.env: {from: env.template}, a: {from: sub/a}, b: {from: ../nofile}, c: {from: '${agent.name}.c'}}
       |                                           ^^^^
       |
       = help: a relative path starts at the folder of the spec file

    error: there is no file STATE/specs/../nofile
      --> STATE/specs/stack.yaml:14:61
       |
    14 |   files: {.env: {from: env.template}, a: {from: sub/a}, b: {from: ../nofile}, c: {from: '${agent.name}.c'}}
       |                                                             ^^^^
       |
       = help: a relative path starts at the folder of the spec file

    error: 2 problems in the specs
    --- Failed
    ");
}

#[test]
fn a_path_goes_through_names_of_the_users_own() {
    let explain = |path: &str| Ctl::new().alone(&["explain", path]);
    let ready = explain("stack.spec.processes.ready");
    assert!(ready.starts_with("stack.spec.processes.ready  Probe\n"), "{ready}");
    assert_eq!(
        explain("stack.spec.processes.api.ready").lines().skip(1).collect::<Vec<_>>(),
        ready.lines().skip(1).collect::<Vec<_>>()
    );
    insta::assert_snapshot!(explain("agent.spec.worktre"), @"
    --- stderr
    error: agent.spec has no field `worktre`
     hint: did you mean `agent.spec.worktree`?
    --- Failed
    ");
    insta::assert_snapshot!(explain("agent.spec.worktree.branch.x"), @"
    --- stderr
    error: agent.spec.worktree.branch has no field `x`
     hint: agent.spec.worktree.branch is string
    --- Failed
    ");
    insta::assert_snapshot!(explain("pod"), @"
    --- stderr
    error: `pod` is no kind
     hint: a path begins with infra, stack or agent: ctl explain agent.spec.worktree
    --- Failed
    ");
    let kinds = Ctl::new().alone(&["explain"]);
    let titles: Vec<_> = kinds.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(titles, ["infra  object", "stack  object", "agent  object", "--- Done"]);
}

#[test]
fn what_is_said_at_the_field_and_at_its_type_is_said_once() {
    let shown = Ctl::new().alone(&["explain", "agent.spec"]);
    assert_eq!(shown.matches("Which stack the agent gets").count(), 1, "{shown}");
    let fields = shown.split_once("\nFields\n").unwrap().1;
    assert!(fields.starts_with("  stack  string, required\n"), "{fields}");
}

#[test]
fn every_field_of_every_kind_can_be_explained() {
    let mut open: Vec<String> = ["infra", "stack", "agent"].map(str::to_owned).into();
    let mut count = 0;
    while let Some(path) = open.pop() {
        let text = Ctl::new().alone(&["explain", &path]);
        assert!(text.ends_with("--- Done"), "{text}");
        let untyped = text.lines().find(|line| line.ends_with("  any") && !line.contains("status"));
        assert_eq!(untyped, None, "{path} has a field without a type");
        count += 1;
        let fields = text.lines().skip_while(|line| !line.starts_with("Fields"));
        for field in fields.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = field.split_whitespace().next().unwrap();
            open.push(format!("{path}.{name}"));
        }
        assert!(count < 2000, "{path} goes on without end");
    }
    assert!(count > 200, "only {count} fields were found");
}

#[test]
fn a_schema_is_the_one_of_the_model() {
    let text = Ctl::new().alone(&["schema", "agent"]);
    let schema: serde_json::Value =
        serde_json::from_str(text.trim_end_matches("--- Done")).unwrap();
    assert_eq!(
        &schema,
        agent_harness_model::spec::schema::schema(agent_harness_model::id::ObjectKind::Agent)
    );
}

#[test]
fn completion_scripts_know_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Ctl::new().alone(&["completion", shell]);
        assert!(script.contains("undelete"), "{shell}");
    }
}
