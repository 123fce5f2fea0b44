//! Checks of processes that cannot be what they are meant to be.

use super::{check, object, own, stack, words};

#[test]
fn each_mistake_in_a_check_is_told_with_its_place() {
    let spec = r"{ports: {api: 1}, processes: {
  a: {run: a, ready: {log: {line: 'up('}, failures: 0}, live: {log: {line: up}}},
  b: {run: b, live: {tcp: {port: api}, timeout: 5s, successes: 2}, startup: {http: {port: web, path: up}}},
  c: {run: c, ready: {http: {port: api, json: {a..b: ok, key: {secret: s}}}, attemptTimeout: 0s}}}}";
    insta::assert_snapshot!(words(&check(vec![own(stack(spec))])), @r#"
    error: "up(" is no regular expression: unclosed group
     --> stack.yaml:5:35
      |
    5 |   a: {run: a, ready: {log: {line: 'up('}, failures: 0}, live: {log: {line: up}}},
      |                                   ^^^^^
      |
      = help: put a backslash before `(`, `[`, `*`, `+`, `?` and `.` that are meant as they are

    error: no check at all
     --> stack.yaml:5:53
      |
    5 |   a: {run: a, ready: {log: {line: 'up('}, failures: 0}, live: {log: {line: up}}},
      |                                                     ^
      |
      = help: write 1 or more, or leave it out

    error: a line that was printed once says nothing of whether the process still lives
     --> stack.yaml:5:64
      |
    5 |   a: {run: a, ready: {log: {line: 'up('}, failures: 0}, live: {log: {line: up}}},
      |                                                                ^^^
      |
      = help: use `log` in `ready` or `startup`, and `http`, `tcp` or `exec` in `live`

    error: `live` has no `timeout`: it is looked at as long as the process runs
     --> stack.yaml:6:40
      |
    6 |   b: {run: b, live: {tcp: {port: api}, timeout: 5s, successes: 2}, startup: {http: {port: web, path: up}}},
      |                                        ^^^^^^^
      |
      = help: say with `failures` and `period` when it has failed, or with `attemptTimeout` how long one check may take

    error: one check that passes is enough for `live`
     --> stack.yaml:6:64
      |
    6 |   b: {run: b, live: {tcp: {port: api}, timeout: 5s, successes: 2}, startup: {http: {port: web, path: up}}},
      |                                                                ^
      |
      = help: leave it out; `successes` is for `ready`

    error: there is no port named `web`
     --> stack.yaml:6:91
      |
    6 |   b: {run: b, live: {tcp: {port: api}, timeout: 5s, successes: 2}, startup: {http: {port: web, path: up}}},
      |                                                                                           ^^^
      |
      = help: the only port is `api`

    error: the path "up" does not start with `/`
     --> stack.yaml:6:102
      |
    6 |   b: {run: b, live: {tcp: {port: api}, timeout: 5s, successes: 2}, startup: {http: {port: web, path: up}}},
      |                                                                                                      ^^
      |
      = help: write `/up`

    error: "a..b" names no field
     --> stack.yaml:7:48
      |
    7 |   c: {run: c, ready: {http: {port: api, json: {a..b: ok, key: {secret: s}}}, attemptTimeout: 0s}}}}
      |                                                ^^^^
      |
      = help: write `status`, or `db.connected`

    error: what a server answers is no secret
     --> stack.yaml:7:63
      |
    7 |   c: {run: c, ready: {http: {port: api, json: {a..b: ok, key: {secret: s}}}, attemptTimeout: 0s}}}}
      |                                                               ^
      |
      = help: write the text that is expected

    error: no time at all
     --> stack.yaml:7:94
      |
    7 |   c: {run: c, ready: {http: {port: api, json: {a..b: ok, key: {secret: s}}}, attemptTimeout: 0s}}}}
      |                                                                                              ^^
      |
      = help: write a time such as `30s`, or leave it out
    "#);
}

#[test]
fn every_check_may_be_there() {
    let spec = r"{ports: {api: 1}, processes: {
  a: {run: a, startup: {log: {line: 'listening on \d+'}}, live: {exec: {command: ./lives}, failures: 5},
      ready: {http: {port: api, status: [200, 204], json: {db.up: true}}, delay: 1s, attemptTimeout: 500ms, successes: 2}}}}";
    insta::assert_snapshot!(words(&check(vec![own(stack(spec))])), @"");
}

#[test]
fn the_checks_of_a_service_are_of_its_own_ports() {
    let text =
        "{services: {mail: {ports: {web: 8025}, process: {run: m, live: {tcp: {port: smtp}}}}}}";
    insta::assert_snapshot!(words(&check(vec![("infra.yaml", object("Infra", "shared", text))])), @"
    error: there is no port named `smtp`
     --> infra.yaml:4:83
      |
    4 | spec: {services: {mail: {ports: {web: 8025}, process: {run: m, live: {tcp: {port: smtp}}}}}}
      |                                                                                   ^^^^
      |
      = help: the only port is `web`
    ");
}
