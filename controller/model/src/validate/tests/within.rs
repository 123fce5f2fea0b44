//! What is wrong within one object.

use super::{check, infra, object, own, stack, words};

#[test]
fn processes_that_wait_for_each_other() {
    let valid = check(vec![own(stack(
        "{processes: {api: {run: a, after: {web: ready}}, web: {run: b, after: {worker: started}}, \
         worker: {run: c, after: {api: ready}}, lone: {run: d, after: {lone: ready}}}}",
    ))]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: these processes wait for each other: api → web → worker → api
     --> stack.yaml:4:34
      |
    4 | spec: {processes: {api: {run: a, after: {web: ready}}, web: {run: b, after: {worker: started}}, worker: {run: c, after: {api: ready}}...
      |                                  ^^^^^
      |
      = help: remove one of these `after`
    "#);
}

#[test]
fn steps_that_wait_for_each_other() {
    let valid = check(vec![own(stack(
        "{worktree: {repo: x}, setup: {one: {run: a, after: [two]}, two: {run: b}, three: {run: c, after: [on]}}}",
    ))]);
    insta::assert_snapshot!(words(&valid), @"
    error: these steps wait for each other: one → two → one; `two` follows `one`, as a step without `after` waits for the one written before it
     --> stack.yaml:4:51
      |
    4 | spec: {worktree: {repo: x}, setup: {one: {run: a, after: [two]}, two: {run: b}, three: {run: c, after: [on]}}}
      |                                                   ^^^^^
      |
      = help: change the `after` of `one`, or the order; `after: []` waits for no step

    error: there is no step named `on`
     --> stack.yaml:4:105
      |
    4 | spec: {worktree: {repo: x}, setup: {one: {run: a, after: [two]}, two: {run: b}, three: {run: c, after: [on]}}}
      |                                                                                                         ^^
      |
      = help: did you mean `one`? there are `one`, `two` and `three`
    ");
}

#[test]
fn steps_that_follow_the_one_they_wait_for() {
    let valid = check(vec![own(stack(
        "{worktree: {repo: x}, setup: {h: {run: w}, i: {run: x, after: [k]}, j: {run: y}, k: {run: z}}}",
    ))]);
    insta::assert_snapshot!(words(&valid), @"
    error: these steps wait for each other: i → k → j → i; `k` follows `j` and `j` follows `i`, as a step without `after` waits for the one written before it
     --> stack.yaml:4:62
      |
    4 | spec: {worktree: {repo: x}, setup: {h: {run: w}, i: {run: x, after: [k]}, j: {run: y}, k: {run: z}}}
      |                                                              ^^^^^
      |
      = help: change the `after` of `i`, or the order; `after: []` waits for no step
    ");
}

#[test]
fn names_that_lead_nowhere_within_a_stack() {
    let valid = check(vec![own(stack(
        "{ports: {api: 8000}, processes: {api: {run: a, ready: {http: {port: apo, path: health}}, \
         stop: {signal: SIGTREM}, after: {wrk: ready, off: ready}}, off: {enabled: false, run: b}, \
         bad: {run: 'echo \"x', cwd: ../up, ready: {timeout: 5s}}}}",
    ))]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: there is no port named `apo`
     --> stack.yaml:4:75
      |
    4 | spec: {ports: {api: 8000}, processes: {api: {run: a, ready: {http: {port: apo, path: health}}, stop: {signal: SIGTREM}, after: {wrk: ...
      |                                                                           ^^^
      |
      = help: did you mean `api`? the only port is `api`

    error: the path "health" does not start with `/`
     --> stack.yaml:4:86
      |
    4 | spec: {ports: {api: 8000}, processes: {api: {run: a, ready: {http: {port: apo, path: health}}, stop: {signal: SIGTREM}, after: {wrk: ...
      |                                                                                      ^^^^^^
      |
      = help: write `/health`

    error: there is no signal named `SIGTREM`
     --> stack.yaml:4:111
      |
    4 | spec: {ports: {api: 8000}, processes: {api: {run: a, ready: {http: {port: apo, path: health}}, stop: {signal: SIGTREM}, after: {wrk: ...
      |                                                                                                               ^^^^^^^
      |
      = help: did you mean `SIGTERM`? there are `SIGTERM`, `SIGINT`, `SIGQUIT`, `SIGHUP`, `SIGUSR1`, `SIGUSR2` and `SIGKILL`

    error: there is no process named `wrk`
     --> stack.yaml:4:129
      |
    4 | ...: {port: apo, path: health}}, stop: {signal: SIGTREM}, after: {wrk: ready, off: ready}}, off: {enabled: false, run: b}, bad: {run:...
      |                                                                   ^^^
      |
      = help: there are `api`, `bad` and `off`

    error: `api` waits for `off`, which is not enabled
     --> stack.yaml:4:141
      |
    4 | ..., path: health}}, stop: {signal: SIGTREM}, after: {wrk: ready, off: ready}}, off: {enabled: false, run: b}, bad: {run: 'echo "x', ...
      |                                                                   ^^^
      |
      = help: set `processes.off.enabled: true`, or remove it from `after`

    error: the command cannot be read: the quote " is never closed
     --> stack.yaml:4:197
      |
    4 | ...dy, off: ready}}, off: {enabled: false, run: b}, bad: {run: 'echo "x', cwd: ../up, ready: {timeout: 5s}}}}
      |                                                                ^^^^^^^^^
      |
      = help: write it as you would in a shell, or as a list of words

    error: "../up" leaves the worktree
     --> stack.yaml:4:213
      |
    4 | ...}}, off: {enabled: false, run: b}, bad: {run: 'echo "x', cwd: ../up, ready: {timeout: 5s}}}}
      |                                                                  ^^^^^
      |
      = help: write a path relative to the worktree, without `..` that leads out of it

    error: `spec.processes.bad.ready` needs exactly one of `http`, `tcp`, `exec` and `log`
     --> stack.yaml:4:220
      |
    4 | ...: {enabled: false, run: b}, bad: {run: 'echo "x', cwd: ../up, ready: {timeout: 5s}}}}
      |                                                                  ^^^^^
      |
      = help: add one of them
    "#);
}

#[test]
fn exactly_one_of_several() {
    let valid = check(vec![
        (
            "infra.yaml",
            object(
                "Infra",
                "shared",
                "{postgres: {}, objectStore: {embedded: {}, external: {endpoint: localhost, accessKey: a, secretKey: {secret: s3}}}}",
            ),
        ),
        (
            "stack.yaml",
            object(
                "Stack",
                "app",
                "{worktree: {repo: x}, files: {a: {}, b: {from: x, content: y}, ../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, bucket: {expireAfter: 36h}}",
            ),
        ),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `spec.postgres` needs exactly one of `embedded`, `container` and `external`
     --> infra.yaml:4:8
      |
    4 | spec: {postgres: {}, objectStore: {embedded: {}, external: {endpoint: localhost, accessKey: a, secretKey: {secret: s3}}}}
      |        ^^^^^^^^
      |
      = help: add one of them

    error: `spec.objectStore` has `embedded` and `external`, but only one of them may be there
     --> infra.yaml:4:50
      |
    4 | spec: {postgres: {}, objectStore: {embedded: {}, external: {endpoint: localhost, accessKey: a, secretKey: {secret: s3}}}}
      |                                                  ^^^^^^^^
      |
      = help: remove all but one

    error: "localhost" is not a URL
     --> infra.yaml:4:71
      |
    4 | spec: {postgres: {}, objectStore: {embedded: {}, external: {endpoint: localhost, accessKey: a, secretKey: {secret: s3}}}}
      |                                                                       ^^^^^^^^^
      |
      = help: write it with its scheme, such as `http://localhost:9000`

    error: `spec.files.a` needs exactly one of `from` and `content`
     --> stack.yaml:4:37
      |
    4 | spec: {worktree: {repo: x}, files: {a: {}, b: {from: x, content: y}, ../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, ...
      |                                     ^
      |
      = help: add one of them

    error: `spec.files.b` has `from` and `content`, but only one of them may be there
     --> stack.yaml:4:57
      |
    4 | spec: {worktree: {repo: x}, files: {a: {}, b: {from: x, content: y}, ../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, ...
      |                                                         ^^^^^^^
      |
      = help: remove all but one

    error: the file "../c" would lie outside of the worktree
     --> stack.yaml:4:70
      |
    4 | spec: {worktree: {repo: x}, files: {a: {}, b: {from: x, content: y}, ../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, ...
      |                                                                      ^^^^
      |
      = help: write a path relative to the worktree, without `..`

    error: `spec.verify.all` has `run` and `parallel`, but only one of them may be there
     --> stack.yaml:4:114
      |
    4 | spec: {worktree: {repo: x}, files: {a: {}, b: {from: x, content: y}, ../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, ...
      |                                                                                                                  ^^^^^^^^
      |
      = help: remove all but one

    error: a `bucket` needs an `infra` that it lives on
     --> stack.yaml:4:134
      |
    4 | .../c: {content: z}}, verify: {all: {run: a, parallel: {b: c}}}, bucket: {expireAfter: 36h}}
      |                                                                  ^^^^^^
      |
      = help: add `infra: NAME` with the name of an Infra

    error: `1d12h` is not a number of whole days
     --> stack.yaml:4:156
      |
    4 | ...rify: {all: {run: a, parallel: {b: c}}}, bucket: {expireAfter: 36h}}
      |                                                                   ^^^
      |
      = help: object stores expire by the day: write `1d` or more
    "#);
}

#[test]
fn what_is_the_same_for_all_agents() {
    let valid = check(vec![
        own(super::infra()),
        own(stack(
            "{infra: shared, worktree: {repo: \"~/${agent.name}\", base: \"b/${agent.id}\"}, \
             database: {template: {name: \"t${agent.id}\", inputs: [\"${agent.name}/**\"]}}, \
             setup: {a: {run: b, creates: \"${agent.name}\"}}}",
        )),
    ]);
    insta::assert_snapshot!(
        valid.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect::<Vec<_>>().join("\n"),
        @"
    stack.yaml:4:40: `${agent.name}` is not replaced here; this is the same for all agents: write it out
    stack.yaml:4:65: `${agent.id}` is not replaced here; this is the same for all agents: write it out
    stack.yaml:4:111: `${agent.id}` is not replaced here; this is the same for all agents: write it out
    stack.yaml:4:136: `${agent.name}` is not replaced here; this is the same for all agents: write it out
    stack.yaml:4:188: `${agent.name}` is not replaced here; this is the same for all agents: write it out
    "
    );
}

#[test]
fn a_choice_with_nothing_after_it() {
    let text = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {name: shared}\n\
        spec:\n  postgres:\n    embedded:\n";
    let valid = check(vec![("infra.yaml".to_owned(), text.to_owned())]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `spec.postgres` needs exactly one of `embedded`, `container` and `external`
     --> infra.yaml:5:3
      |
    5 |   postgres:
      |   ^^^^^^^^
      |
      = help: nothing is written after `embedded:`
    "#);
}

#[test]
fn files_that_are_the_same_and_files_of_git() {
    let valid = check(vec![stack(
        "{worktree: {repo: ~/src}, files: {.env: {content: a}, ./.env: {content: b}, \
         ./.git/config: {content: c}, open: {content: d, mode: \"0666\"}}}",
    )]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `.env` and `./.env` are the same file
     --> stack.yaml:4:41
      |
    4 | spec: {worktree: {repo: ~/src}, files: {.env: {content: a}, ./.env: {content: b}, ./.git/config: {content: c}, open: {content: d, mod...
      |                                         ^^^^
      |
      = help: remove one of them

    error: files inside `.git` are git's own
     --> stack.yaml:4:83
      |
    4 | spec: {worktree: {repo: ~/src}, files: {.env: {content: a}, ./.env: {content: b}, ./.git/config: {content: c}, open: {content: d, mod...
      |                                                                                   ^^^^^^^^^^^^^
      |
      = help: choose another path

    error: everybody on this host could write to the file
     --> stack.yaml:4:137
      |
    4 | ...nt: b}, ./.git/config: {content: c}, open: {content: d, mode: "0666"}}}
      |                                                                  ^^^^^^
      |
      = help: write a mode such as "0644" or "0600"
    "#);
}

#[test]
fn steps_of_a_template_take_no_conditions() {
    let valid = check(vec![
        infra(),
        stack(
            "{infra: shared, worktree: {repo: ~/src}, database: {template: {name: t, build: {\
             a: {run: a, creates: x}, b: {run: b, inputs: [x], after: [a]}}}}}",
        ),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: a step that builds the template takes no `creates`
     --> stack.yaml:4:99
      |
    4 | spec: {infra: shared, worktree: {repo: ~/src}, database: {template: {name: t, build: {a: {run: a, creates: x}, b: {run: b, inputs: [x...
      |                                                                                                   ^^^^^^^
      |
      = help: all of them run, in the order written, whenever `template.inputs` or a step changed

    error: a step that builds the template takes no `inputs`
     --> stack.yaml:4:124
      |
    4 | spec: {infra: shared, worktree: {repo: ~/src}, database: {template: {name: t, build: {a: {run: a, creates: x}, b: {run: b, inputs: [x...
      |                                                                                                                            ^^^^^^
      |
      = help: all of them run, in the order written, whenever `template.inputs` or a step changed

    error: a step that builds the template takes no `after`
     --> stack.yaml:4:137
      |
    4 | ... t, build: {a: {run: a, creates: x}, b: {run: b, inputs: [x], after: [a]}}}}}
      |                                                                  ^^^^^
      |
      = help: all of them run, in the order written, whenever `template.inputs` or a step changed
    ");
}

#[test]
fn times_that_are_none_and_ends_that_never_come() {
    let valid = check(vec![stack(
        "{worktree: {repo: ~/src}, ports: {a: 8000}, setup: {x: {run: x, timeout: 0s}}, processes: {\
         a: {run: a, ready: {tcp: {port: a}, period: 0s}}, b: {run: b, after: {a: succeeded}}}}",
    )]);
    insta::assert_snapshot!(words(&valid), @"
    error: no time at all
     --> stack.yaml:4:80
      |
    4 | spec: {worktree: {repo: ~/src}, ports: {a: 8000}, setup: {x: {run: x, timeout: 0s}}, processes: {a: {run: a, ready: {tcp: {port: a}, ...
      |                                                                                ^^
      |
      = help: write a time such as `30s`, or leave it out

    error: no time at all
     --> stack.yaml:4:142
      |
    4 | ...: 0s}}, processes: {a: {run: a, ready: {tcp: {port: a}, period: 0s}}, b: {run: b, after: {a: succeeded}}}}
      |                                                                    ^^
      |
      = help: write a time such as `30s`, or leave it out

    error: `a` is started again whenever it ends, so it never has succeeded
     --> stack.yaml:4:171
      |
    4 | ...eady: {tcp: {port: a}, period: 0s}}, b: {run: b, after: {a: succeeded}}}}
      |                                                                ^^^^^^^^^
      |
      = help: write `processes.a.restart: onFailure`, or wait for it to be `ready`
    ");
}

#[test]
fn names_within_a_stack_have_one_rule() {
    let valid = check(vec![stack(
        "{ports: {my port: 8000, Ä: 1}, processes: {my app: {run: a}, a/b: {run: a}, _x: {run: b}, my_App-1: {run: c}}}",
    )]);
    let lines: Vec<String> = valid.problems.iter().map(super::super::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    stack.yaml:4:16: "my port" is no name for a port: only a-z, A-Z, 0-9, `-` and `_` are allowed, not ' '; a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`
    stack.yaml:4:31: "Ä" is no name for a port: only a-z, A-Z, 0-9, `-` and `_` are allowed, not 'Ä'; a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`
    stack.yaml:4:50: "my app" is no name for a process: only a-z, A-Z, 0-9, `-` and `_` are allowed, not ' '; a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`
    stack.yaml:4:68: "a/b" is no name for a process: a name may not be a path: `/` and `..` are not allowed; a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`
    stack.yaml:4:83: "_x" is no name for a process: a name starts and ends with a letter or a digit; a name has 1 to 40 of a-z, A-Z, 0-9, `-` and `_`
    "#);
}

#[test]
fn an_embedded_store_shares_no_key() {
    let valid = check(vec![(
        "infra.yaml",
        object("Infra", "shared", "{objectStore: {embedded: {}, keys: shared}}"),
    )]);
    insta::assert_snapshot!(words(&valid), @r"
    error: an embedded store gives each agent a key of its own
     --> infra.yaml:4:42
      |
    4 | spec: {objectStore: {embedded: {}, keys: shared}}
      |                                          ^^^^^^
      |
      = help: leave `keys` out, or write `own`
    ");
}
