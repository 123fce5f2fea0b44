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

#[test]
fn a_template_is_built_anew_by_hand_and_what_nobody_uses_goes() {
    let mut site = Site::new();
    let name = "name: hello_template";
    site.edit("stack.yaml", name, &format!("{name}\n      retain: 1s"));
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let first = generations(&site);
    let said = site.ctl_ok(&["rebuild", "stack/hello", "--wait"]);
    let second = generations(&site).into_iter().find(|name| *name != first[0]).unwrap();
    assert!(said.contains(&second), "{said}");
    let described = site.ctl_ok(&["describe", "stack/hello"]);
    let line = |name: &str| {
        let mut lines = described.lines().skip_while(|line| *line != "Generations");
        lines.find(|line| line.contains(name)).unwrap_or_else(|| panic!("{described}")).to_owned()
    };
    let size = |line: &str| line.split_whitespace().any(|word| word.ends_with("Mi"));
    assert!(line(&second).contains("Ready, current"), "{described}");
    assert!(line(&first[0]).contains("agent-1, agent-2"), "{described}");
    assert!([&first[0], &second].iter().all(|name| size(&line(name))), "{described}");

    // Of the one that is used nothing goes, however old it is; once nobody came from it any more, it does.
    site.ctl_ok(&["reset", "1", "database", "--yes", "--wait"]);
    assert_eq!(generations(&site).len(), 2);
    site.ready("agent-2");
    assert!(told(&site, "agent-2", "database/agent_2").contains("new ones come from"));
    assert_eq!(told(&site, "agent-1", "database/agent_1"), "");
    site.ctl_ok(&["reset", "2", "database", "--yes", "--wait"]);
    site.eventually("the first generation to be gone", || {
        (generations(&site) == [second.clone()]).then_some(())
    });
    let described = site.ctl_ok(&["describe", "stack/hello"]);
    assert!(described.contains("agent-1, agent-2"), "{described}");
    assert!(site.is_ready("agent-1") && site.is_ready("agent-2"));

    // It failed: that is told, and what is there stays in use.
    let good = "seed: {run: \"${harness.bin}/hello seed\"";
    site.edit("stack.yaml", good, "seed: {run: \"echo went wrong >&2; exit 3\"");
    site.eventually("the failure to be told", || {
        let described = site.ctl_ok(&["describe", "stack/hello"]);
        described.contains("Failed, current").then_some(())
    });
    let asked = site.ctl(&["reset", "1", "database", "--yes", "--wait", "--timeout", "5s"]);
    assert_ne!(asked.status.code(), Some(0));
    assert!(!notes(&site, 1).is_empty(), "it waits for a template, and works on");
    site.edit("stack.yaml", "seed: {run: \"echo went wrong >&2; exit 3\"", good);
    site.ready("agent-1");
}

fn spec_of(number: u16) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: agent-{number}}}\nspec: {{stack: hello}}\n"
    )
}

#[test]
fn a_branch_with_newer_migrations_has_them_run() {
    let mut site = Site::new();
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    site.ready("agent-1");
    site.ready("agent-2");
    let [before, others] = [site.processes(1), site.processes(2)];
    let tree = site.worktree("agent-1");
    let migrations = tree.join("examples/hello/app/migrations");
    fs::write(migrations.join("0100_newer.sql"), "CREATE TABLE newer ();\n").unwrap();
    let git = |words: &[&str]| {
        super::harness::succeed(site.command("git").current_dir(&tree).args(words))
    };
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Newer"]);
    // The next resync sees it.
    let newer = "SELECT count(*) FROM pg_class WHERE relname = 'newer'";
    site.eventually("the newer migration to have run", || {
        (site.sql("agent_1", newer) == "1").then_some(())
    });
    site.ready("agent-1");
    let now = site.processes(1);
    assert!(before.iter().all(|old| !now.contains(old)), "{before:?} {now:?}");
    assert_eq!(others, site.processes(2));
    assert_eq!(site.sql("agent_2", newer), "0");

    // A draft is not run.
    fs::write(migrations.join("0101_bad.sql"), "CREATE TABLE newer ();\n").unwrap();
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));

    // One that fails is told, and the agent is not taken for ready.
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message", "Bad"]);
    site.eventually("the failure to be told", || {
        let object = site.object("agent-1");
        let step = &object["status"]["resources"]["setup/afterClone.migrate"];
        (step["state"] == "Failed").then_some(())
    });
    assert!(!site.is_ready("agent-1"));
    assert!(site.is_ready("agent-2"));
    fs::write(migrations.join("0101_bad.sql"), "CREATE TABLE newest ();\n").unwrap();
    git(&["commit", "--quiet", "--all", "--message", "Good"]);
    site.ready("agent-1");
    assert_eq!(others, site.processes(2));
}
