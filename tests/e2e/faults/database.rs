//! The controller is killed at every step boundary of a reset, and after every step of a save: what was asked for comes
//! about, and nothing is lost on the way. A restore takes the steps of a reset, and here brings back what was reset.

use super::super::harness::{Site, text};
use super::{KILL, MOST};

const NOTES: &str = "SELECT string_agg(body, ',' ORDER BY body) FROM note WHERE body LIKE 'my %'";

#[test]
fn killed_at_every_boundary_a_database_is_replaced_whole_or_not_at_all() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let others = site.processes(1);
    for side in ["before", "after"] {
        for number in 1..MOST {
            let fault = format!("kill:{side}:{number}");
            let name = format!("{side}-{number}");
            site.sql("agent_2", "INSERT INTO note (body) VALUES ('my own')");

            let save = ["db", "save", "2", &name];
            let died_saving = if side == "after" {
                killed(&mut site, &fault, &save)
            } else {
                site.ctl_ok(&[&save[..], &["--wait"]].concat());
                false
            };
            assert_eq!(site.sql("agent_2", NOTES), "my own", "{fault}: saved, and there");

            let died_resetting = killed(&mut site, &fault, &["reset", "2", "database", "--yes"]);
            assert_eq!(site.sql("agent_2", NOTES), "", "{fault}: reset");

            site.ctl_ok(&["db", "restore", "2", &name, "--yes", "--wait"]);
            assert_eq!(site.sql("agent_2", NOTES), "my own", "{fault}: restored");
            assert_eq!(site.processes(1), others, "{fault}: agent 1 had no part in it");

            site.sql("agent_2", "DELETE FROM note WHERE body LIKE 'my %'");
            assert!(number > 1 || died_resetting, "the controller was built without `faults`");
            if !died_saving && !died_resetting {
                assert!(number > 5, "a reset has more than {number} steps");
                break;
            }
            assert!(number + 1 < MOST, "a reset has more steps than this test tries");
        }
    }
    // What was set aside on the way, whole, and nothing beside it.
    let list = site.ctl_ok(&["db", "list", "2", "-o", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let known = list.as_array().unwrap().len();
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'kept\\_%\\_agent\\_2'";
    assert_eq!(site.sql("postgres", databases), known.to_string());
    assert_eq!(site.ctl_ok(&["leaks", "-o", "name"]), "");
}

/// Asks for something of agent 2 under a controller that dies, and lets the next one finish it; whether one died.
fn killed(site: &mut Site, fault: &str, words: &[&str]) -> bool {
    site.kill();
    site.start_with(&[("HARNESS_FAULT", fault)]);
    site.ready("agent-1");
    site.ready("agent-2");
    let asked = site.ctl(words);
    let said = text(&asked.stderr);
    assert!(asked.status.success() || said.contains("the controller"), "{words:?}: {said}");
    let settled = |site: &Site| site.ctl(&["diff"]).status.success() && site.is_ready("agent-2");
    let died = site.ended_or(settled);
    if died {
        assert_eq!(site.ended_by(), Some(KILL), "{fault}");
    } else {
        // It would die of what comes next.
        site.kill();
    }
    site.start();
    site.eventually(&format!("{fault}: {words:?} to be done"), || settled(site).then_some(()));
    died
}
