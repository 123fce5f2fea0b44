//! The controller is ended with `kill -9` at every step boundary of a creation and of a deletion; the
//! next start ends in the same world as without.

use std::fs;

use super::harness::Site;

/// More boundaries than an agent has steps.
const MOST: usize = 60;

#[test]
#[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
fn killed_at_every_boundary_it_ends_in_the_same_world() {
    let mut site = Site::new();
    let spec = fs::read_to_string(site.specs().join("agent-2.yaml")).unwrap();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let expected = world(&site);
    let neighbour = site.processes(1);
    for side in ["before", "after"] {
        for number in 1..MOST {
            let fault = format!("kill:{side}:{number}");

            site.kill();
            fs::remove_file(site.specs().join("agent-2.yaml")).unwrap();
            site.start_with(&[("HARNESS_FAULT", &fault)]);
            let died_deleting = site.ended_or(|site| site.is_gone("agent-2"));
            if died_deleting {
                site.start();
            }
            site.eventually("agent 2 to be gone", || site.is_gone("agent-2").then_some(()));
            assert!(site.processes(2).is_empty(), "{fault}: processes were left behind");

            site.kill();
            site.write_spec("agent-2.yaml", &spec);
            site.start_with(&[("HARNESS_FAULT", &fault)]);
            let died_creating = site.ended_or(|site| site.is_ready("agent-2"));
            if died_creating {
                site.start();
            }
            site.ready("agent-2");
            assert_eq!(world(&site), expected, "{fault}");
            assert_eq!(site.processes(1), neighbour, "{fault}: agent 1 had no part in it");

            assert!(number > 1 || died_creating, "the controller was built without `faults`");
            if !died_creating && !died_deleting {
                assert!(number > 5, "an agent has more than {number} steps");
                break;
            }
            assert!(number + 1 < MOST, "an agent has more steps than this test tries");
        }
    }
}

/// What there is for agent 2, in words that are the same for each of its lives.
fn world(site: &Site) -> Vec<String> {
    let mut words: Vec<String> =
        site.processes(2).into_iter().map(|(what, ..)| format!("process {what}")).collect();
    let databases = "SELECT datname FROM pg_database WHERE datname LIKE 'agent_2%' ORDER BY 1";
    words.extend(site.sql("postgres", databases).lines().map(|name| format!("database {name}")));
    words.push(format!("notes {}", site.sql("agent_2", "SELECT count(*) FROM note")));
    let trees = site.git(&["worktree", "list"]);
    let trees = trees.lines().filter(|line| line.contains("worktrees/agent-2 "));
    words.push(format!("worktrees {}", trees.count()));
    for file in ["CLAUDE.agent.md", ".env.agent.2"] {
        words.push(format!("{file} {}", site.worktree("agent-2").join(file).is_file()));
    }
    words.push(format!("status {}", site.object("agent-2")["status"]["phase"]));
    words
}
