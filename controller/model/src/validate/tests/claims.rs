//! What only one object can have: names, numbers, ports, databases, buckets, worktrees.

use std::collections::BTreeMap;

use super::{
    APP, agent, check, check_after, documents, good, in_force, infra, object, own, stack, words,
};
use crate::id::ObjectKey;
use crate::spec::parse::Document;
use crate::validate::{LastGood, validate};

#[test]
fn a_name_in_two_files_stays_with_the_file_that_had_it() {
    let first = own(agent(1, ""));
    let copy = ("copy.yaml".to_owned(), first.1.clone());
    let base = || vec![own(infra()), own(stack(APP))];
    let had: LastGood = documents(&[("copy.yaml", &copy.1)])
        .into_iter()
        .map(|document| (document.key.clone(), document))
        .collect();
    let mut files = base();
    files.extend([first.clone(), copy.clone()]);
    let valid = check_after(&files, &had);
    insta::assert_snapshot!(words(&valid), @r#"
    error: agent/agent-1 is defined in two files; the one in copy.yaml stays in force
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
      |
    note: it is defined here
     --> copy.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: remove one of them, or give it another name
    "#);
    assert_eq!(&*valid.documents[&ObjectKey::agent("agent-1")].file, "copy.yaml");
    let mut files = base();
    files.extend([copy, first]);
    let valid = check(files);
    assert_eq!(&*valid.documents[&ObjectKey::agent("agent-1")].file, "agent-1.yaml");
}

#[test]
fn ports_that_two_claim() {
    // Agent 1 has 8010; agent 11 with another base and stride comes to the same.
    let valid = check(vec![
        own(infra()),
        own(stack(APP)),
        agent(1, ""),
        agent(11, ", ports: {api: 7900}"),
        agent(12, ", ports: {api: 18880}"),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: the port 8010 is wanted by `api` of agent/agent-11, but `api` of agent/agent-1 has it
     --> agent-11.yaml:4:33
      |
    4 | spec: {stack: app, ports: {api: 7900}}
      |                                 ^^^^
      |
    note: `api` of agent/agent-1 is here
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: 8010 is 7900 + 11 × 10: choose another `id`, base or `portStride`

    error: the port 19000 is wanted by `api` of agent/agent-12, but `objectStore` of infra/shared has it
     --> agent-12.yaml:4:33
      |
    4 | spec: {stack: app, ports: {api: 18880}}
      |                                 ^^^^^
      |
    note: `objectStore` of infra/shared is here
     --> infra.yaml:4:48
      |
    4 | spec: {postgres: {embedded: {}}, objectStore: {embedded: {}}}
      |                                                ^^^^^^^^
    help: 19000 is 18880 + 12 × 10: choose another `id`, base or `portStride`
    ");
    assert_eq!(in_force(&valid), ["infra/shared", "stack/app", "agent/agent-1"]);
}

#[test]
fn a_base_of_the_agent_s_own_is_told_from_the_stack_s() {
    let stack = stack("{ports: {web: 3000, api: 8000}}");
    let valid = check(vec![own(stack), agent(1, ", ports: {web: 8010}")]);
    insta::assert_snapshot!(words(&valid), @"
    error: the base 8010 of `web` is the port of `api` of agent/agent-1
     --> agent-1.yaml:4:33
      |
    4 | spec: {stack: app, ports: {web: 8010}}
      |                                 ^^^^
      |
    note: `api` has the base 8000, plus 1 × 10
     --> stack.yaml:4:32
      |
    4 | spec: {ports: {web: 3000, api: 8000}}
      |                                ^^^^
    help: choose another base for `web`
    ");
}

#[test]
fn ports_past_the_last_one_and_on_another_base() {
    let valid =
        check(vec![own(stack("{ports: {web: 3000, api: 8000}}")), agent(5754, ""), agent(500, "")]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: the port 8000 of `web` of agent/agent-500 is the base of `api` in the same Stack
     --> agent-500.yaml:3:18
      |
    3 | metadata: {name: agent-500}
      |                  ^^^^^^^^^
      |
    note: `api` is here
     --> stack.yaml:4:32
      |
    4 | spec: {ports: {web: 3000, api: 8000}}
      |                                ^^^^
    help: choose another `id`, or move the bases further apart

    error: the port of `api` of agent/agent-5754 would be 65540 (8000 + 5754 × 10), past 65535
     --> agent-5754.yaml:3:18
      |
    3 | metadata: {name: agent-5754}
      |                  ^^^^^^^^^^
      |
    note: the base of `api` is here
     --> stack.yaml:4:32
      |
    4 | spec: {ports: {web: 3000, api: 8000}}
      |                                ^^^^
    help: the highest `id` for this base is 5753: use a lower one, or lower the base or `portStride`
    "#);
}

#[test]
fn two_shared_services_on_one_port() {
    let spec = "{postgres: {embedded: {port: 5000}}, objectStore: {embedded: {port: 5000}}}";
    let valid = check(vec![("infra.yaml", object("Infra", "shared", spec))]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: the port 5000 is wanted by `objectStore` of infra/shared, but `postgres` of infra/shared has it
     --> infra.yaml:4:75
      |
    4 | spec: {postgres: {embedded: {port: 5000}}, objectStore: {embedded: {port: 5000}}}
      |                                                                           ^^^^
      |
    note: `postgres` of infra/shared is here
     --> infra.yaml:4:36
      |
    4 | spec: {postgres: {embedded: {port: 5000}}, objectStore: {embedded: {port: 5000}}}
      |                                    ^^^^
    help: give one of them another port
    "#);
}

#[test]
fn an_agent_without_a_number() {
    let valid = check(vec![
        own(stack("{}")),
        ("a.yaml".to_owned(), object("Agent", "alice", "{stack: app}")),
        ("b.yaml".to_owned(), object("Agent", "bob", "{stack: app, id: 3}")),
        own(agent(3, "")),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: the agent `alice` has no number
     --> a.yaml:3:18
      |
    3 | metadata: {name: alice}
      |                  ^^^^^
      |
      = help: end its name with one, such as `agent-3`, or add `id: 3` under `spec`

    error: agent/agent-3 has the number 3 of the Stack `app` already
     --> b.yaml:4:24
      |
    4 | spec: {stack: app, id: 3}
      |                        ^
      |
    note: agent/agent-3 is here
     --> agent-3.yaml:3:18
      |
    3 | metadata: {name: agent-3}
      |                  ^^^^^^^
    help: give this agent another `id`: its ports follow from it
    "#);
}

#[test]
fn a_database_bucket_or_worktree_that_two_claim() {
    let valid = check(vec![
        own(infra()),
        own(stack(
            "{infra: shared, database: {name: main}, bucket: {name: files}, worktree: {repo: ~/src, path: ~/w}}",
        )),
        agent(1, ""),
        agent(2, ", worktree: {branch: agent/agent-1}"),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: agent/agent-1 has the database `main` of the Infra `shared` already
     --> agent-2.yaml:3:18
      |
    3 | metadata: {name: agent-2}
      |                  ^^^^^^^
      |
    note: agent/agent-1 is here
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: give this agent's database another name, such as `agent_${agent.id}`

    error: agent/agent-1 has the bucket `files` of the Infra `shared` already
     --> agent-2.yaml:3:18
      |
    3 | metadata: {name: agent-2}
      |                  ^^^^^^^
      |
    note: agent/agent-1 is here
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: give this agent's bucket another name, such as `agent-${agent.id}`

    error: agent/agent-1 has the worktree `~/w` already
     --> agent-2.yaml:3:18
      |
    3 | metadata: {name: agent-2}
      |                  ^^^^^^^
      |
    note: agent/agent-1 is here
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: give this agent another path, such as `~/worktrees/${agent.name}`

    error: agent/agent-1 has the branch `agent/agent-1` of ~/src already
     --> agent-2.yaml:4:39
      |
    4 | spec: {stack: app, worktree: {branch: agent/agent-1}}
      |                                       ^^^^^^^^^^^^^
      |
    note: agent/agent-1 is here
     --> agent-1.yaml:3:18
      |
    3 | metadata: {name: agent-1}
      |                  ^^^^^^^
    help: git checks a branch out in one worktree only: give this agent another branch
    "#);
    assert_eq!(valid.documents.len(), 3);
}

#[test]
fn who_did_not_change_keeps_what_another_one_claims() {
    let before = [own(stack("{}")), own(agent(1, "")), own(agent(2, ""))];
    let last_good = good(&before);
    // The same agent 2, elsewhere in its file; agent 1, which comes first by name, takes its number.
    let (file, text) = own(agent(2, ""));
    let after =
        [own(stack("{}")), own(agent(1, ", id: 2")), (file, format!("# moved\n\n---\n{text}"))];
    let documents: Vec<Document> = good(&after).into_values().collect();
    let valid = validate(documents, &last_good);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-2"]);
}

#[test]
fn a_thousand_agents_are_checked_in_one_go() {
    let mut files = vec![
        own(infra()),
        own(stack(APP.replace("3000", "20000").replace("8000", "40000").as_str())),
    ];
    files.extend((1..1000).map(|n| own(agent(n, ", env: {A: \"${ports.api}\"}"))));
    let documents: Vec<Document> = good(&files).into_values().collect();
    let valid = validate(documents, &BTreeMap::new());
    assert_eq!(words(&valid), "");
    assert_eq!(valid.documents.len(), 1001);
}

#[test]
fn a_worktree_within_another_one() {
    let valid = check(vec![
        own(stack("{worktree: {repo: ~/src, path: '${home}/w/${agent.name}'}}")),
        agent(1, ", worktree: {path: '${home}/w/agent-2/x'}"),
        agent(2, ""),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: the worktree `${home}/w/agent-2/x` lies in that of agent/agent-2
     --> agent-1.yaml:4:37
      |
    4 | spec: {stack: app, worktree: {path: '${home}/w/agent-2/x'}}
      |                                     ^^^^^^^^^^^^^^^^^^^^^
      |
    note: the other one is here
     --> agent-2.yaml:3:18
      |
    3 | metadata: {name: agent-2}
      |                  ^^^^^^^
    help: give each agent a folder beside the others
    ");
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-2"]);
}

#[test]
fn two_stacks_with_one_template() {
    let spec = "{infra: shared, worktree: {repo: ~/src}, database: {template: {name: t}}}";
    let valid = check(vec![
        own(infra()),
        own(stack(spec)),
        ("other.yaml".to_owned(), super::object("Stack", "other", spec)),
    ]);
    insta::assert_snapshot!(words(&valid), @"
    error: stack/app has a template `t` already
     --> other.yaml:4:76
      |
    4 | spec: {infra: shared, worktree: {repo: ~/src}, database: {template: {name: t}}}
      |                                                                            ^
      |
    note: it is here
     --> stack.yaml:4:76
      |
    4 | spec: {infra: shared, worktree: {repo: ~/src}, database: {template: {name: t}}}
      |                                                                            ^
    help: give this Stack's template another name
    ");
}

#[test]
fn names_that_no_server_takes() {
    let valid = check(vec![
        own(infra()),
        own(stack("{infra: shared, database: {}, bucket: {}}")),
        agent(1, ", bucket: {name: 'Agent_${agent.id}'}"),
        agent(2, &format!(", database: {{name: {}}}", "x".repeat(64))),
        agent(3, ""),
    ]);
    insta::assert_snapshot!(words(&valid), @r#"
    error: "Agent_1" is not a bucket name: only a-z, 0-9, `-` and `.` are allowed
     --> agent-1.yaml:4:35
      |
    4 | spec: {stack: app, bucket: {name: 'Agent_${agent.id}'}}
      |                                   ^^^^^^^^^^^^^^^^^^^
      |
      = help: a bucket has 3 to 63 of a-z, 0-9, `-` and `.`, such as `agent-${agent.id}`

    error: the database's name "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" has 64 bytes
     --> agent-2.yaml:4:37
      |
    4 | spec: {stack: app, database: {name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}}
      |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: a name has 1 to 63 bytes, such as `agent_${agent.id}`
    "#);
    assert_eq!(in_force(&valid), ["infra/shared", "stack/app", "agent/agent-3"]);
}
