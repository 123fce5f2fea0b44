//! What stays in force when a new version is wrong, or cannot be read.

use std::collections::BTreeSet;

use super::{APP, agent, good, in_force, infra, own, stack};
use crate::id::ObjectKey;
use crate::spec::parse::Document;
use crate::validate::settle;

#[test]
fn a_wrong_version_leaves_the_last_good_one_in_force() {
    let before = [own(infra()), own(stack(APP)), own(agent(1, "")), own(agent(2, ""))];
    let last_good = good(&before);
    // The Stack now refers to nothing, and agent 1 takes agent 2's number.
    let after =
        [own(infra()), own(stack("{infra: gone}")), own(agent(1, ", id: 2")), own(agent(2, ""))];
    let documents: Vec<Document> = good(&after).into_values().collect();
    let valid = settle(&documents, &BTreeSet::new(), &last_good);
    assert_eq!(valid.documents, last_good);
    assert_eq!(valid.held, BTreeSet::from([ObjectKey::stack("app"), ObjectKey::agent("agent-1")]));
    let lines: Vec<String> =
        valid.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    stack.yaml:4:15: there is no valid Infra named `gone`; there is `shared`
    agent-1.yaml:4:24: agent/agent-2 has the number 2 of the Stack `app` already; give this agent another `id`: its ports follow from it
    ");
}

#[test]
fn a_file_that_cannot_be_read_leaves_its_objects_in_force() {
    let before = [own(stack("{}")), own(agent(1, "")), own(agent(2, ""))];
    let last_good = good(&before);
    let documents: Vec<Document> = good(&before[..1]).into_values().collect();
    let broken = BTreeSet::from([ObjectKey::agent("agent-1"), ObjectKey::agent("agent-7")]);
    let valid = settle(&documents, &broken, &last_good);
    assert_eq!(in_force(&valid), ["stack/app", "agent/agent-1"]);
    assert_eq!(valid.held, BTreeSet::from([ObjectKey::agent("agent-1")]));
}

/// The lines of what `settle` says of an edit, after it was checked that everything stays as it was.
fn refused(before: &[(String, String)], after: &[(String, String)]) -> (Vec<String>, String) {
    let last_good = good(before);
    let documents: Vec<Document> = good(after).into_values().collect();
    let valid = settle(&documents, &BTreeSet::new(), &last_good);
    assert!(valid.documents == last_good, "{:?} are in force", in_force(&valid));
    let lines: Vec<String> =
        valid.problems.iter().map(crate::spec::diagnostic::Diagnostic::line).collect();
    (valid.held.iter().map(ToString::to_string).collect(), lines.join("\n"))
}

const RUNS: &str = "{infra: shared, ports: {web: 3000, api: 8000}, database: {}, bucket: {}, \
                    processes: {api: {run: app}}}";

#[test]
fn a_stack_that_leaves_an_agent_no_place_is_refused_as_a_whole() {
    let before = [
        own(infra()),
        own(stack(RUNS)),
        own(agent(1, ", processes: {api: {env: {EXTRA: one}}}")),
        own(agent(2, "")),
    ];
    // A process that an agent overrides is gone.
    let mut after = before.clone();
    after[1] = own(stack("{infra: shared, ports: {api: 8000}}"));
    let (held, lines) = refused(&before, &after);
    assert_eq!(held, ["stack/app"]);
    insta::assert_snapshot!(lines, @"stack.yaml:3:18: this version of stack/app does not fit agent/agent-1, so the one before it stays in force; `spec.processes.api` lacks the key `run`; add `run`: a command: text, or a list of words");

    // All ports are past the last one.
    after[1] = own(stack(&RUNS.replace("8000", "65530")));
    let (held, lines) = refused(&before, &after);
    assert_eq!(held, ["stack/app"]);
    insta::assert_snapshot!(lines, @"stack.yaml:4:47: this version of stack/app does not fit agent/agent-1, so the one before it stays in force; the port of `api` of agent/agent-1 would be 65540 (65530 + 1 × 10), past 65535; the highest `id` for this base is 0: use a lower one, or lower the base or `portStride`");

    // All agents get one database.
    after[1] = own(stack(&RUNS.replace("database: {}", "database: {name: main}")));
    let (held, lines) = refused(&before, &after);
    assert_eq!(held, ["stack/app"]);
    insta::assert_snapshot!(lines, @"stack.yaml:3:18: this version of stack/app does not fit agent/agent-2, so the one before it stays in force; agent/agent-1 has the database `main` of the Infra `shared` already; give this agent's database another name, such as `agent_${agent.id}`");
}

#[test]
fn a_server_cannot_be_taken_away_from_those_who_use_it() {
    let before = [own(infra()), own(stack(RUNS)), own(agent(1, ""))];
    let mut after = before.clone();
    after[0] =
        ("infra.yaml".into(), super::object("Infra", "shared", "{objectStore: {embedded: {}}}"));
    let (held, lines) = refused(&before, &after);
    assert_eq!(held, ["infra/shared"]);
    insta::assert_snapshot!(lines, @"infra.yaml:3:18: this version of infra/shared does not fit stack/app, so the one before it stays in force; a `database` needs `postgres`, which the Infra `shared` does not have; add `postgres: {embedded: {}}` to the Infra");

    // Nor may it move onto a port that an agent has.
    let moved = "{postgres: {embedded: {port: 8010}}, objectStore: {embedded: {}}}";
    after[0] = ("infra.yaml".into(), super::object("Infra", "shared", moved));
    let (held, lines) = refused(&before, &after);
    assert_eq!(held, ["infra/shared"]);
    insta::assert_snapshot!(lines, @"infra.yaml:4:36: the port 8010 is wanted by `postgres` of infra/shared, but `api` of agent/agent-1 has it; give one of them another port");
}
