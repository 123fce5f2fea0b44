//! What would be found only when it is carried out, and is refused before.

use super::{agent, check, in_force, infra, own, stack, words};

#[test]
fn names_that_git_takes_for_no_branch() {
    let valid = check(vec![
        own(stack("{worktree: {repo: ~/src, branch: 'x/${agent.name}'}}")),
        agent(1, ", worktree: {branch: \"bad branch..x\"}"),
        agent(2, ", worktree: {branch: '${agent.name}.lock'}"),
        agent(3, ""),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: "bad branch..x" is no name for a branch: it contains a space
     --> agent-1.yaml:4:39
      |
    4 | spec: {stack: app, worktree: {branch: "bad branch..x"}}
      |                                       ^^^^^^^^^^^^^^^
      |
      = help: write a name that git takes, such as `agent/${agent.name}`

    error: "${agent.name}.lock" is no name for a branch: its part `x.lock` ends with `.lock`
     --> agent-2.yaml:4:39
      |
    4 | spec: {stack: app, worktree: {branch: '${agent.name}.lock'}}
      |                                       ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a name that git takes, such as `agent/${agent.name}`
    "#);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-3"]);
    // Without an agent, too.
    let valid = check(vec![stack("{worktree: {repo: ~/src, branch: '-${agent.id}'}}")]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: "-${agent.id}" is no name for a branch: it starts with `-`
     --> stack.yaml:4:40
      |
    4 | spec: {worktree: {repo: ~/src, branch: '-${agent.id}'}}
      |                                        ^^^^^^^^^^^^^^
      |
      = help: write a name that git takes, such as `agent/${agent.name}`
    "#);
}

#[test]
fn what_an_agent_takes_away_is_said_of_the_agent() {
    let valid = check(vec![
        own(infra()),
        own(stack(
            "{infra: shared, ports: {api: 8000}, worktree: {repo: ~/src}, bucket: {}, \
             setup: {a: {run: a}, b: {run: b, after: [a]}}, env: {A: '${worktree.path}'}, \
             processes: {api: {run: a, ready: {tcp: {port: api}}}, web: {run: b, after: {api: ready}}}}",
        )),
        agent(1, ", worktree: null"),
        agent(2, ", worktree: null, setup: null"),
        agent(3, ", ports: {api: null}"),
        agent(4, ", processes: {api: {enabled: false}}"),
        agent(5, ", processes: {api: null}"),
        agent(6, ", setup: {a: null}"),
        agent(7, ", infra: null"),
        agent(8, ", processes: {api: {ready: {exec: {command: x}}}}"),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: in agent/agent-1, `setup` needs a `worktree` to work in
     --> agent-1.yaml:4:20
      |
    4 | spec: {stack: app, worktree: null}
      |                    ^^^^^^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:80
      |
    4 | spec: {infra: shared, ports: {api: 8000}, worktree: {repo: ~/src}, bucket: {}, setup: {a: {run: a}, b: {run: b, after: [a]}}, env: {A...
      |                                                                                ^^^^^
    help: leave `worktree: null` out, or change what needs it

    error: in agent/agent-2, `${worktree.path}` is not known
     --> agent-2.yaml:3:18
      |
    3 | metadata: {name: agent-2}
      |                  ^^^^^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:137
      |
    4 | ...setup: {a: {run: a}, b: {run: b, after: [a]}}, env: {A: '${worktree.path}'}, processes: {api: {run: a, ready: {tcp: {port: api}}},...
      |                                                             ^^^^^^^^^^^^^^^^
    help: these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `agent.id`, `agent.name`, `bucket.name`, `harness.bin`, `harness.state`, `home`, `infra.name`, `ports.api`, `s3.accessKey`, `s3.endpoint`, `s3.region`, `s3.secretKey` and `stack.name`; write `$$` for a literal `$`

    error: in agent/agent-3, there is no port named `api`
     --> agent-3.yaml:4:28
      |
    4 | spec: {stack: app, ports: {api: null}}
      |                            ^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:203
      |
    4 | ...orktree.path}'}, processes: {api: {run: a, ready: {tcp: {port: api}}}, web: {run: b, after: {api: ready}}}}
      |                                                                   ^^^
    help: leave `ports.api: null` out, or change what needs it

    error: in agent/agent-4, `web` waits for `api`, which is not enabled
     --> agent-4.yaml:4:38
      |
    4 | spec: {stack: app, processes: {api: {enabled: false}}}
      |                                      ^^^^^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:233
      |
    4 | ...pi: {run: a, ready: {tcp: {port: api}}}, web: {run: b, after: {api: ready}}}}
      |                                                                   ^^^
    help: set `processes.api.enabled: true`, or remove it from `after`

    error: in agent/agent-5, there is no process named `api`
     --> agent-5.yaml:4:32
      |
    4 | spec: {stack: app, processes: {api: null}}
      |                                ^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:233
      |
    4 | ...pi: {run: a, ready: {tcp: {port: api}}}, web: {run: b, after: {api: ready}}}}
      |                                                                   ^^^
    help: leave `processes.api: null` out, or change what needs it

    error: in agent/agent-6, there is no step named `a`
     --> agent-6.yaml:4:28
      |
    4 | spec: {stack: app, setup: {a: null}}
      |                            ^
      |
    note: the Stack says it here
     --> stack.yaml:4:121
      |
    4 | spec: {infra: shared, ports: {api: 8000}, worktree: {repo: ~/src}, bucket: {}, setup: {a: {run: a}, b: {run: b, after: [a]}}, env: {A...
      |                                                                                                                         ^
    help: leave `setup.a: null` out, or change what needs it

    error: in agent/agent-7, a `bucket` needs an `infra` that it lives on
     --> agent-7.yaml:4:20
      |
    4 | spec: {stack: app, infra: null}
      |                    ^^^^^
      |
    note: the Stack says it here
     --> stack.yaml:4:68
      |
    4 | spec: {infra: shared, ports: {api: 8000}, worktree: {repo: ~/src}, bucket: {}, setup: {a: {run: a}, b: {run: b, after: [a]}}, env: {A...
      |                                                                    ^^^^^^
    help: leave `infra: null` out, or change what needs it

    error: `spec.processes.api.ready` has `tcp` and `exec`, but only one of them may be there
     --> agent-8.yaml:4:46
      |
    4 | spec: {stack: app, processes: {api: {ready: {exec: {command: x}}}}}
      |                                              ^^^^
      |
      = help: remove all but one; an agent removes what its Stack says with `null`
    ");
    assert_eq!(in_force(&valid), ["infra/shared", "stack/app"]);
}

#[test]
fn a_file_in_the_place_of_a_folder() {
    let valid = check(vec![stack(
        "{worktree: {repo: ~/src}, files: {a: {content: x}, ./a/b: {content: y}, a-b: {content: z}, \
         c/d: {content: x}, c/d/e/f: {content: y}, \"g\\nh\": {content: z}}}",
    )]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `./a/b` cannot lie in `a`, which is a file here and not a folder
     --> stack.yaml:4:58
      |
    4 | spec: {worktree: {repo: ~/src}, files: {a: {content: x}, ./a/b: {content: y}, a-b: {content: z}, c/d: {content: x}, c/d/e/f: {content...
      |                                                          ^^^^^
      |
      = help: rename one of them, or move it to another folder

    error: `c/d/e/f` cannot lie in `c/d`, which is a file here and not a folder
     --> stack.yaml:4:117
      |
    4 | spec: {worktree: {repo: ~/src}, files: {a: {content: x}, ./a/b: {content: y}, a-b: {content: z}, c/d: {content: x}, c/d/e/f: {content...
      |                                                                                                                     ^^^^^^^
      |
      = help: rename one of them, or move it to another folder

    error: "g\nh" is no path: it contains a control character
     --> stack.yaml:4:140
      |
    4 | ... a-b: {content: z}, c/d: {content: x}, c/d/e/f: {content: y}, "g\nh": {content: z}}}
      |                                                                  ^^^^^^
      |
      = help: write the path in one line of plain text
    "#);
}

#[test]
fn names_that_are_no_variables_and_commands_that_are_none() {
    let valid = check(vec![stack(
        "{env: {A=B: x, \"\": y}, processes: {p: {run: \"'' x\", env: {C=: z}}, q: {run: ['', x]}}}",
    )]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: "A=B" is no name for a variable
     --> stack.yaml:4:14
      |
    4 | spec: {env: {A=B: x, "": y}, processes: {p: {run: "'' x", env: {C=: z}}, q: {run: ['', x]}}}
      |              ^^^
      |
      = help: a variable has letters, digits and `_`, and does not start with a digit

    error: "" is no name for a variable
     --> stack.yaml:4:22
      |
    4 | spec: {env: {A=B: x, "": y}, processes: {p: {run: "'' x", env: {C=: z}}, q: {run: ['', x]}}}
      |                      ^^
      |
      = help: a variable has letters, digits and `_`, and does not start with a digit

    error: the command is empty
     --> stack.yaml:4:51
      |
    4 | spec: {env: {A=B: x, "": y}, processes: {p: {run: "'' x", env: {C=: z}}, q: {run: ['', x]}}}
      |                                                   ^^^^^^
      |
      = help: write a program and its arguments

    error: "C=" is no name for a variable
     --> stack.yaml:4:65
      |
    4 | spec: {env: {A=B: x, "": y}, processes: {p: {run: "'' x", env: {C=: z}}, q: {run: ['', x]}}}
      |                                                                 ^^
      |
      = help: a variable has letters, digits and `_`, and does not start with a digit

    error: the command is empty
     --> stack.yaml:4:83
      |
    4 | spec: {env: {A=B: x, "": y}, processes: {p: {run: "'' x", env: {C=: z}}, q: {run: ['', x]}}}
      |                                                                                   ^
      |
      = help: write a program and its arguments
    "#);
}

#[test]
fn a_relative_path_of_a_worktree_among_the_specs() {
    let valid = check(vec![
        own(stack("{worktree: {repo: ~/src, path: '../trees/${agent.name}'}}")),
        agent(1, ", worktree: {path: 'trees/${agent.name}'}"),
        agent(2, ", worktree: {path: '..'}"),
        agent(3, ""),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: the worktree "trees/${agent.name}" would lie in the folder of its spec file, among the specs that the controller watches
     --> agent-1.yaml:4:37
      |
    4 | spec: {stack: app, worktree: {path: 'trees/${agent.name}'}}
      |                                     ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a folder of its own, such as `${harness.state}/worktrees/${agent.name}`; a relative path starts at the folder of the spec file

    error: the worktree ".." would hold its own spec file
     --> agent-2.yaml:4:37
      |
    4 | spec: {stack: app, worktree: {path: '..'}}
      |                                     ^^^^
      |
      = help: write a folder of its own, such as `${harness.state}/worktrees/${agent.name}`; a relative path starts at the folder of the spec file
    "#);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-3"]);
}

/// While the template is built, the URL holds no password; and a step may be called `env`.
#[test]
fn secret_is_what_holds_a_secret_there() {
    let valid = check(vec![
        own(infra()),
        own(stack(
            "{infra: shared, worktree: {repo: ~/src}, database: {template: {name: t, build: {\
             migrate: {run: 'x ${database.url} ${database.password}'}, \
             key: {run: 'x ${secrets.x}', env: {A: '${secrets.x}'}}}}}, \
             setup: {env: {run: 'x ${database.password}'}}}",
        )),
    ]);
    let lines: Vec<String> = valid.problems.iter().map(super::super::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    stack.yaml:4:156: a secret in a command can be read by everybody on the host; pass it in `env`, which only the process itself can read
    stack.yaml:4:223: a secret in a command can be read by everybody on the host; pass it in `env`, which only the process itself can read
    ");
}

#[test]
fn what_only_resolving_would_find() {
    let valid = check(vec![
        own(infra()),
        own(stack(
            "{infra: shared, database: {}, worktree: {repo: ~/src, branch: '${secrets.x}'}, \
             path: [../bin, ~/bin, /opt/bin, '${home}/bin', '${agent.name}/bin'], \
             files: {./.: {content: x}, a: {content: '${database.url}', mode: '0644'}}, \
             env: {A: '${secrets.x}'}, processes: {\
             p: {run: 'x ${database.password}', env: {B: '${secrets.x}'}}, \
             q: {run: 'x `y ${agent.name}`', cwd: '${worktree.path}/z'}}}",
        )),
    ]);
    let lines: Vec<String> = valid.problems.iter().map(super::super::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    stack.yaml:4:69: a name or path must not contain a secret; use a value that may be seen
    stack.yaml:4:93: "../bin" leaves the worktree; write a path relative to the worktree, without `..` that leads out of it
    stack.yaml:4:101: the `~` of "~/bin" is not replaced here; write `${home}` for the home folder
    stack.yaml:4:163: the file "./." would lie outside of the worktree; write a path relative to the worktree, without `..`
    stack.yaml:4:220: the file holds a secret, and everybody could read it; write mode "0600", or leave it out
    stack.yaml:4:277: a secret in a command can be read by everybody on the host; pass it in `env`, which only the process itself can read
    stack.yaml:4:339: `${agent.name}` cannot stand within backquotes or a here-document; write `$(…)` in place of backquotes, or pass it in `env` as `X: ${agent.name}` and write `$X`
    stack.yaml:4:367: "${worktree.path}/z" leaves the worktree; write a path relative to the worktree, without `..` that leads out of it
    "#);
}
