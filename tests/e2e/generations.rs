//! What a template is made of changes while agents run: new agents come from the next generation, the others keep
//! what they have, and a build that fails touches nobody.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::harness::Site;
use super::host::http;

/// The generations of the template that are there.
fn generations(site: &Site) -> Vec<String> {
    let templates = "SELECT datname FROM pg_database WHERE datname LIKE 'hello\\_template\\_%'";
    site.sql("postgres", templates).lines().map(str::to_owned).collect()
}

/// What the status says of a resource of an agent.
fn told(site: &Site, agent: &str, resource: &str) -> String {
    let object = site.object(agent);
    let message = &object["status"]["resources"][resource]["message"];
    message.as_str().unwrap_or_default().to_owned()
}

fn notes(site: &Site, agent: u16) -> String {
    http(site.api + agent * 10, "GET", "/api/v1/notes", "").unwrap().1
}

#[test]
fn agents_keep_the_generation_that_they_came_from() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    let first = generations(&site);
    assert_eq!(first.len(), 1);
    let note = r#"{"body":"written before"}"#;
    assert_eq!(http(site.api + 10, "POST", "/api/v1/notes", note).unwrap().0, 201);
    assert_eq!(told(&site, "agent-1", "database/agent_1"), "");

    // A seed more. Inputs are read from the base of the repository.
    let seeds = site.repo().join("examples/hello/app/seeds");
    fs::write(seeds.join("0002_more.sql"), "INSERT INTO note (body) VALUES ('of the second');\n")
        .unwrap();
    site.git(&["add", "--all"]);
    site.git(&["commit", "--quiet", "--message", "More notes"]);
    site.eventually("the next generation", || {
        let object = site.object("stack/hello");
        let is_next = |name: &&String| **name != first[0];
        let next = generations(&site).iter().find(is_next)?.clone();
        let state = &object["status"]["resources"][format!("template/{next}")]["state"];
        (*state == "Ready").then_some(())
    });
    site.write_spec("agent-3.yaml", &spec_of(3));
    site.ready("agent-3");
    assert!(notes(&site, 3).contains("of the second"));
    assert!(generations(&site).contains(&first[0]), "agents came from it");
    for (number, agent) in [(1, "agent-1"), (2, "agent-2")] {
        site.ready(agent);
        assert!(!notes(&site, number).contains("of the second"));
        let database = format!("database/agent_{number}");
        let behind = told(&site, agent, &database);
        assert!(behind.contains("new ones come from"), "who is behind is told: {behind:?}");
        assert!(site.ctl_ok(&["describe", agent]).contains(&behind));
    }
    assert_eq!(told(&site, "agent-3", "database/agent_3"), "");
    assert!(notes(&site, 1).contains("written before"));
    assert_eq!(before, [site.processes(1), site.processes(2)]);

    // A step that fails: nobody who is there has any part in it, and where to put it right is told.
    let before = [before[0].clone(), before[1].clone(), site.processes(3)];
    let spec = fs::read_to_string(site.specs().join("stack.yaml")).unwrap();
    let place = |key: &str| {
        let line = spec.lines().position(|line| line.trim_start().starts_with(key)).unwrap();
        format!("stack.yaml:{}:", line + 1)
    };
    let good = "seed: {run: \"${harness.bin}/hello seed\"";
    site.edit("stack.yaml", good, "seed: {run: \"echo went wrong >&2; exit 3\"");
    site.eventually("the failure to be told", || {
        let described = site.ctl_ok(&["describe", "stack/hello"]);
        (described.contains("went wrong") && described.contains(&place("seed:"))).then_some(())
    });
    for agent in ["agent-1", "agent-2", "agent-3"] {
        assert!(site.is_ready(agent), "{agent} waits for a template that it does not need");
    }
    assert_eq!(before, [site.processes(1), site.processes(2), site.processes(3)]);

    // One that does not even parse: the last good version stays in force, and one that comes gets its own by it.
    site.edit("stack.yaml", "seed: {run: \"echo went wrong >&2; exit 3\"", good);
    site.ready("stack/hello");
    site.edit("stack.yaml", good, "seed: {runs: \"${harness.bin}/hello seed\"");
    site.eventually("the mistake to be told", || {
        let described = site.ctl_ok(&["describe", "stack/hello"]);
        (described.contains("`runs`") && described.contains(&place("seed:"))).then_some(())
    });
    site.write_spec("agent-4.yaml", &spec_of(4));
    site.ready("agent-4");
    assert!(notes(&site, 4).contains("of the second"));
    assert_eq!(before, [site.processes(1), site.processes(2), site.processes(3)]);
}

fn spec_of(number: u16) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: hello}}\n"
    )
}
