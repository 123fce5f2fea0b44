//! The controller is killed at every step boundary of what comes back out of the trash, and of what goes for good.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::super::harness::{Site, text};
use super::{KILL, MOST, databases, secrets, trees};

const NOTE: &str = "SELECT string_agg(body, ',') FROM note WHERE body = 'kept'";

#[test]
fn killed_at_every_boundary_what_is_called_back_comes_whole_and_what_is_purged_goes_whole() {
    let mut site = Site::new();
    let spec = fs::read_to_string(site.specs().join("agent-2.yaml")).unwrap();
    site.start();
    site.ready("agent-1");
    let others = site.processes(1);
    for side in ["before", "after"] {
        for number in 1..MOST {
            let fault = format!("kill:{side}:{number}");
            let uid = in_the_trash(&site);

            site.kill();
            site.start_with(&[("HARNESS_FAULT", &fault)]);
            ask(&site, &["undelete", "2"]);
            let died_coming = site.ended_or(|site| site.is_ready("agent-2"));
            if died_coming {
                assert_eq!(site.ended_by(), Some(KILL), "{fault}");
                site.start();
            }
            site.ready("agent-2");
            assert_eq!(uid_of(&site), uid, "{fault}");
            assert_eq!(site.sql("agent_2", NOTE), "kept", "{fault}");
            let tree = site.worktree("agent-2");
            assert_eq!(fs::read_to_string(tree.join("mine")).unwrap(), "my own words", "{fault}");
            assert_eq!(site.admin().objects("agent-2")["mine"], "my own bytes", "{fault}");
            assert_eq!(site.ctl(&["diff"]).status.code(), Some(0), "{fault}");

            site.kill();
            site.start_with(&[("HARNESS_FAULT", &fault)]);
            ask(&site, &["delete", "2", "--purge", "--yes"]);
            let died_going = site.ended_or(|site| left(site, &uid).is_empty());
            if died_going {
                assert_eq!(site.ended_by(), Some(KILL), "{fault}");
            } else {
                // It would die of what is made anew.
                site.kill();
            }
            site.start();
            site.eventually(&format!("{fault}: nothing of it to be left"), || {
                left(&site, &uid).is_empty().then_some(())
            });
            assert!(site.git(&["branch", "--list", "agent/agent-2"]).contains("agent/agent-2"));
            assert_eq!(site.processes(1), others, "{fault}: agent 1 had no part in it");

            site.write_spec("agent-2.yaml", &spec);
            site.ready("agent-2");
            assert_eq!(site.sql("agent_2", NOTE), "", "{fault}: it begins anew");
            assert_eq!(site.ctl_ok(&["leaks", "-o", "name"]), "", "{fault}");
            assert!(number > 1 || died_coming, "the controller was built without `faults`");
            if !died_coming && !died_going {
                assert!(number > 5, "an agent has more than {number} steps");
                break;
            }
            assert!(number + 1 < MOST, "an agent has more steps than this test tries");
        }
    }
}

/// Asks for something, once the controller listens. What it takes on is written down before the first step, so
/// that its answer may be lost with it, but never the wish.
fn ask(site: &Site, words: &[&str]) {
    site.ready("agent-1");
    let output = site.ctl(words);
    let said = text(&output.stderr);
    assert!(output.status.success() || said.contains("the controller"), "{words:?}: {said}");
}

/// An agent that wrote into all that it has, deleted; its uid.
fn in_the_trash(site: &Site) -> String {
    site.ready("agent-2");
    let uid = uid_of(site);
    site.sql("agent_2", "INSERT INTO note (body) VALUES ('kept')");
    fs::write(site.worktree("agent-2").join("mine"), "my own words").unwrap();
    site.admin().put("agent-2", "mine", "my own bytes");
    site.ctl_ok(&["delete", "2", "--wait"]);
    uid
}

fn uid_of(site: &Site) -> String {
    site.object("agent-2")["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// All that there is of one life of agent 2, wherever it is.
fn left(site: &Site, uid: &str) -> Vec<String> {
    let short = &uid[uid.len() - 8..];
    let mut left: Vec<String> =
        site.processes(2).into_iter().map(|(what, ..)| format!("process {what}")).collect();
    for name in ["agent\\_2".to_owned(), format!("trash\\_{short}")] {
        left.extend(databases(site, &name));
    }
    let of_it = |name: &String| *name == "agent-2" || name.contains(short);
    left.extend(site.admin().buckets().into_iter().filter(of_it));
    left.extend(trees(site, "worktrees/agent-2\n"));
    left.extend(trees(site, &format!("worktrees/.trash/agent-2-{short}-")));
    let trash = fs::read_dir(site.state().join("worktrees/.trash")).into_iter().flatten().flatten();
    left.extend(
        trash
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(short)),
    );
    left.extend(secrets(site, 2, uid).into_keys());
    let records = fs::read_dir(site.state().join("ledger")).unwrap().flatten();
    left.extend(
        records
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains(short)),
    );
    left
}
