//! What an object refers to: other objects, servers, names in `${…}`, and what an override leaves.

use super::{APP, agent, check, in_force, infra, object, own, stack, words};

#[test]
fn a_sound_set_has_no_problem() {
    let valid = check(vec![own(infra()), own(stack(APP)), agent(1, ""), agent(2, "")]);
    assert_eq!(words(&valid), "");
    assert_eq!(in_force(&valid), ["infra/shared", "stack/app", "agent/agent-1", "agent/agent-2"]);
}

#[test]
fn what_is_referred_to_must_be_there() {
    let valid = check(vec![own(stack("{infra: sharde}")), agent(1, "")]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: there is no valid Infra named `sharde`
     --> stack.yaml:4:15
      |
    4 | spec: {infra: sharde}
      |               ^^^^^^
      |
      = help: there is no valid Infra yet: add one, or correct the one that has an error

    error: there is no valid Stack named `app`
     --> agent-1.yaml:4:15
      |
    4 | spec: {stack: app}
      |               ^^^
      |
      = help: there is no valid Stack yet: add one, or correct the one that has an error
    "#);
    assert_eq!(in_force(&valid), [""; 0]);
    let valid = check(vec![
        own(infra()),
        own(stack("{}")),
        ("a.yaml".to_owned(), object("Agent", "agent-9", "{stack: ap}")),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: there is no valid Stack named `ap`
     --> a.yaml:4:15
      |
    4 | spec: {stack: ap}
      |               ^^
      |
      = help: did you mean `app`?
    "#);
    assert_eq!(in_force(&valid), ["infra/shared", "stack/app"]);
}

#[test]
fn names_that_do_not_exist() {
    let stack_text = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: app}\n\
        spec:\n  ports: {api: 8000}\n  env:\n    PORT: ${ports.apo}\n    TEXT: |\n      ok ${AGENT_ID}\n      \
        $${x} ${x}\n    OPEN: a ${ports.api\n  processes: {api: {run: \"serve --db ${database.name}\"}}\n";
    let valid = check(vec![("stack.yaml".to_owned(), stack_text.to_owned()), agent(1, "")]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `${ports.apo}` is not known
     --> stack.yaml:7:11
      |
    7 |     PORT: ${ports.apo}
      |           ^^^^^^^^^^^^
      |
      = help: did you mean `${ports.api}`? these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `agent.id`, `agent.name`, `harness.bin`, `harness.state`, `home`, `ports.api` and `stack.name`

    error: `${x}` is not known
      --> stack.yaml:10:13
       |
    10 |       $${x} ${x}
       |             ^^^^
       |
       = help: these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `agent.id`, `agent.name`, `harness.bin`, `harness.state`, `home`, `ports.api` and `stack.name`; write `$$` for a literal `$`

    error: `${` is never closed by `}`
      --> stack.yaml:11:13
       |
    11 |     OPEN: a ${ports.api
       |             ^^^^^^^^^^^
       |
       = help: close it with `}`, or write `$$` for a literal `$`

    error: `${database.name}` is not known
      --> stack.yaml:12:38
       |
    12 |   processes: {api: {run: "serve --db ${database.name}"}}
       |                                      ^^^^^^^^^^^^^^^^
       |
       = help: these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `agent.id`, `agent.name`, `harness.bin`, `harness.state`, `home`, `ports.api` and `stack.name`; write `$$` for a literal `$`

    error: there is no valid Stack named `app`
     --> agent-1.yaml:4:15
      |
    4 | spec: {stack: app}
      |               ^^^
      |
      = help: there is no valid Stack yet: add one, or correct the one that has an error
    "#);
    let valid = check(vec![
        own(stack(
            "{ports: {api: 8000}, env: {A: \"${ports.api} ${API_PORT} ${secrets.any} ${agent.name}\"}}",
        )),
        agent(1, ", env: {B: \"${ports.web}\"}"),
        agent(2, ", ports: {web: 3000}, env: {B: \"${ports.web}\"}"),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `${ports.web}` is not known
     --> agent-1.yaml:4:30
      |
    4 | spec: {stack: app, env: {B: "${ports.web}"}}
      |                              ^^^^^^^^^^^^
      |
      = help: did you mean `${ports.api}`? these exist: `AGENT_ID`, `AGENT_NAME`, `API_PORT`, `agent.id`, `agent.name`, `harness.bin`, `harness.state`, `home`, `ports.api`, `secrets.any` and `stack.name`
    "#);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-2"]);
}

#[test]
fn what_needs_a_worktree() {
    let valid = check(vec![
        own(infra()),
        own(stack(
            "{infra: shared, files: {a: {content: b}}, setup: {a: {run: b}}, database: {template: {name: t}}}",
        )),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `files` needs a `worktree` to work in
     --> stack.yaml:4:23
      |
    4 | spec: {infra: shared, files: {a: {content: b}}, setup: {a: {run: b}}, database: {template: {name: t}}}
      |                       ^^^^^
      |
      = help: add `worktree: {repo: …}` with the repository of the app

    error: `setup` needs a `worktree` to work in
     --> stack.yaml:4:49
      |
    4 | spec: {infra: shared, files: {a: {content: b}}, setup: {a: {run: b}}, database: {template: {name: t}}}
      |                                                 ^^^^^
      |
      = help: add `worktree: {repo: …}` with the repository of the app

    error: a template is built in a checkout, and this Stack has no `worktree`
     --> stack.yaml:4:82
      |
    4 | spec: {infra: shared, files: {a: {content: b}}, setup: {a: {run: b}}, database: {template: {name: t}}}
      |                                                                                  ^^^^^^^^
      |
      = help: add `worktree: {repo: …}` with the repository of the app
    "#);
}

#[test]
fn an_override_that_breaks_its_stack_is_the_agents_own_fault() {
    let valid = check(vec![
        own(stack("{ports: {api: 8000}, processes: {api: {run: a}}}")),
        agent(1, ", processes: {new: {cwd: x}, api: {after: {gone: ready}}}"),
        agent(2, ", processes: {api: {after: {gone: ready}}}"),
        agent(3, ", processes: {api: null}"),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: `spec.processes.new` lacks the key `run`
     --> agent-1.yaml:4:37
      |
    4 | spec: {stack: app, processes: {new: {cwd: x}, api: {after: {gone: ready}}}}
      |                                     ^
      |
      = help: add `run`: a command: text, or a list of words

    error: there is no process named `gone`
     --> agent-2.yaml:4:46
      |
    4 | spec: {stack: app, processes: {api: {after: {gone: ready}}}}
      |                                              ^^^^
      |
      = help: the only process is `api`
    "#);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-3"]);
}

#[test]
fn a_server_is_not_asked_for_what_it_cannot_be() {
    let embedded = "{version: newest, settings: {Port: 1, 'work mem': 1MB, listen_addresses: '*'}}";
    let spec = format!("{{postgres: {{embedded: {embedded}}}}}");
    let valid = check(vec![("infra.yaml", object("Infra", "shared", &spec))]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: "newest" is no PostgreSQL version
     --> infra.yaml:4:39
      |
    4 | spec: {postgres: {embedded: {version: newest, settings: {Port: 1, 'work mem': 1MB, listen_addresses: '*'}}}}
      |                                       ^^^^^^
      |
      = help: write the major version, 13 or later, in quotes, such as "18"; or leave it out

    error: the setting `Port` cannot be set: it is `postgres.embedded.port` that says where the server listens
     --> infra.yaml:4:58
      |
    4 | spec: {postgres: {embedded: {version: newest, settings: {Port: 1, 'work mem': 1MB, listen_addresses: '*'}}}}
      |                                                          ^^^^
      |
      = help: remove it

    error: "work mem" is no name of a PostgreSQL setting
     --> infra.yaml:4:67
      |
    4 | spec: {postgres: {embedded: {version: newest, settings: {Port: 1, 'work mem': 1MB, listen_addresses: '*'}}}}
      |                                                                   ^^^^^^^^^^
      |
      = help: a setting has letters, digits, `_` and `.`, such as `work_mem` or `pg_stat_statements.track`

    error: the setting `listen_addresses` cannot be set: the server listens on 127.0.0.1 alone
     --> infra.yaml:4:84
      |
    4 | spec: {postgres: {embedded: {version: newest, settings: {Port: 1, 'work mem': 1MB, listen_addresses: '*'}}}}
      |                                                                                    ^^^^^^^^^^^^^^^^
      |
      = help: remove it
    "#);
}

#[test]
fn a_stack_needs_the_servers_that_it_uses() {
    let valid = check(vec![
        ("infra.yaml", object("Infra", "shared", "{postgres: {embedded: {}}}")),
        stack(APP),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: a `bucket` needs `objectStore`, which the Infra `shared` does not have
     --> stack.yaml:4:68
      |
    4 | spec: {infra: shared, ports: {web: 3000, api: 8000}, database: {}, bucket: {}}
      |                                                                    ^^^^^^
      |
      = help: add `objectStore: {embedded: {}}` to the Infra
    "#);
}

#[test]
fn an_agent_is_held_to_what_its_overrides_refer_to() {
    let valid = check(vec![
        own(infra()),
        own(("bare.yaml", object("Infra", "bare", "{objectStore: {embedded: {port: 19100}}}"))),
        own(stack("{infra: shared, bucket: {}, processes: {api: {run: a}}}")),
        agent(1, ", infra: nope"),
        agent(2, ", infra: bare, database: {}"),
        agent(3, ", processes: {api: {run: null}}"),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: there is no valid Infra named `nope`
     --> agent-1.yaml:4:27
      |
    4 | spec: {stack: app, infra: nope}
      |                           ^^^^
      |
      = help: there are `bare` and `shared`

    error: a `database` needs `postgres`, which the Infra `bare` does not have
     --> agent-2.yaml:4:33
      |
    4 | spec: {stack: app, infra: bare, database: {}}
      |                                 ^^^^^^^^
      |
      = help: add `postgres: {embedded: {}}` to the Infra

    error: `spec.processes.api` lacks the key `run`
     --> agent-3.yaml:4:38
      |
    4 | spec: {stack: app, processes: {api: {run: null}}}
      |                                      ^^^
      |
      = help: add `run`: a command: text, or a list of words
    ");
    assert_eq!(in_force(&valid), ["infra/bare", "infra/shared", "stack/app"]);
}

#[test]
fn a_template_is_its_stacks_alone() {
    let template = "database: {template: {name: t, build: {a: {run: a}}}}";
    let valid = check(vec![
        own(infra()),
        own(("more.yaml", object("Infra", "more", "{postgres: {embedded: {port: 15500}}}"))),
        own(stack(&format!("{{infra: shared, worktree: {{repo: ~/src}}, {template}}}"))),
        agent(1, ", database: {template: {name: other}}"),
        agent(2, ", infra: more"),
        agent(3, ", database: {afterClone: {fix: {run: fix}}}"),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: the template belongs to the Stack `app`: an agent cannot change it
     --> agent-1.yaml:4:41
      |
    4 | spec: {stack: app, database: {template: {name: other}}}
      |                                         ^
      |
      = help: leave it out here, or make a Stack of its own for this agent

    error: the template belongs to the Stack `app`: an agent cannot change it
     --> agent-2.yaml:4:27
      |
    4 | spec: {stack: app, infra: more}
      |                           ^^^^
      |
      = help: leave it out here, or make a Stack of its own for this agent
    ");
    assert_eq!(in_force(&valid), ["infra/more", "infra/shared", "stack/app", "agent/agent-3"]);
}

#[test]
fn names_that_there_are_only_later() {
    let valid = check(vec![
        own((
            "infra.yaml",
            object("Infra", "shared", "{postgres: {embedded: {settings: {x: '${agent.id}'}}}}"),
        )),
        own(stack(
            "{worktree: {repo: ~/src, branch: 'x/${worktree.path}', path: '~/${worktree.branch}'}, \
             env: {A: '${worktree.path}'}}",
        )),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: `${agent.id}` is not known
     --> infra.yaml:4:45
      |
    4 | spec: {postgres: {embedded: {settings: {x: '${agent.id}'}}}}
      |                                             ^^^^^^^^^^^
      |
      = help: these exist: `harness.bin`, `harness.state` and `home`; write `$$` for a literal `$`

    error: `${worktree.path}` is not known
     --> stack.yaml:4:43
      |
    4 | spec: {worktree: {repo: ~/src, branch: 'x/${worktree.path}', path: '~/${worktree.branch}'}, env: {A: '${worktree.path}'}}
      |                                           ^^^^^^^^^^^^^^^^
      |
      = help: these exist: `AGENT_ID`, `AGENT_NAME`, `agent.id`, `agent.name`, `harness.bin`, `harness.state`, `home` and `stack.name`; write `$$` for a literal `$`
    ");
}

#[test]
fn a_service_knows_its_own_ports_and_no_others() {
    let valid = check(vec![own((
        "infra.yaml",
        object(
            "Infra",
            "shared",
            "{services: {mail: {ports: {smtp: 1025}, process: {run: 'mail ${ports.smtp}'}}, \
             page: {ports: {web: 80}, process: {run: 'page ${ports.smtp}'}}}}",
        ),
    ))]);
    insta::assert_snapshot!(words(&valid), @"
    error: `${ports.smtp}` is not known
     --> infra.yaml:4:132
      |
    4 | ...s.smtp}'}}, page: {ports: {web: 80}, process: {run: 'page ${ports.smtp}'}}}}
      |                                                              ^^^^^^^^^^^^^
      |
      = help: these exist: `harness.bin`, `harness.state`, `home` and `ports.web`; write `$$` for a literal `$`
    ");
}
