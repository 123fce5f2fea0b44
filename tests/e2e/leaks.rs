//! What carries our mark and is of no object that the ledger knows is found, told, and removed when somebody says so;
//! and what lay in the trash and was taken from there is told.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::harness::{Site, succeed, text};

#[test]
fn what_a_lost_ledger_leaves_is_found_and_removed_by_name_alone() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    assert_eq!(site.ctl_ok(&["leaks", "-o", "name"]), "", "all is of an object that is known");
    let uid = site.object("agent-2")["metadata"]["uid"].as_str().unwrap().to_owned();
    let short = &uid[uid.len() - 8..];
    let others = site.processes(1);
    let orphans = site.processes(2);
    site.sql("postgres", "CREATE DATABASE agent_9");
    site.admin().create("agent-9");

    // The ledger is put back from before agent 2 was there, and so are the specs.
    site.kill();
    fs::remove_file(site.state().join(format!("ledger/agent-agent-2-{short}.json"))).unwrap();
    site.remove_spec("agent-2.yaml");
    // And the server has crashed in the middle of a clone.
    let data = site.sql("postgres", "SHOW data_directory");
    let folder = format!("{data}/base/4000000001");
    fs::create_dir(&folder).unwrap();
    fs::write(format!("{folder}/1259"), "pages").unwrap();
    let run = site.state().join("run/agent-0.00000000~api");
    fs::create_dir(&run).unwrap();
    for left in [folder.as_ref(), run.as_os_str()] {
        succeed(Command::new("touch").args(["-d", "1 hour ago"]).arg(left));
    }
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    site.ready("agent-1");

    // The resync tells of it, and nothing is removed by itself.
    let told = site.eventually("the leaks to be told", || {
        let told = text(&site.ctl(&["get"]).stderr);
        told.contains("are of no object that is known: see `ctl leaks`").then_some(told)
    });
    assert!(told.contains("things carry our mark"), "{told}");
    let names = || -> BTreeSet<String> {
        site.ctl_ok(&["leaks", "-o", "name"]).lines().map(str::to_owned).collect()
    };
    let state = site.state().display().to_string();
    let tree = site.worktree("agent-2").display().to_string();
    let mut wanted: BTreeSet<String> = [
        "bucket/shared/agent-2".to_owned(),
        "database/shared/agent_2".to_owned(),
        format!("worktree/{tree}"),
        format!("directory/shared/{folder}"),
        format!("file/{state}/secrets/agent-agent-2-{short}-database"),
        format!("file/{state}/secrets/agent-agent-2-{short}-object-store"),
        format!("file/{state}/setup/agent-agent-2-{short}"),
        "process/agent-0.00000000~api".to_owned(),
    ]
    .into();
    let of_processes = |name: &String| name.starts_with("process/agent-2.");
    assert_eq!(names().iter().filter(|name| of_processes(name)).count(), 3, "{:?}", names());
    wanted.extend(names().into_iter().filter(of_processes));
    assert_eq!(names(), wanted);
    let doctor = site.ctl_ok(&["doctor"]);
    assert!(doctor.contains("11 things carry our mark"), "{doctor}");
    let table = site.ctl_ok(&["leaks"]);
    assert!(table.contains(short) && table.contains("in which no database is"), "{table}");

    // Not without a word, nothing that is no leak, and nothing that it cannot do itself.
    let silent = site.ctl(&["leaks", "remove", "database/shared/agent_2"]);
    assert_eq!(silent.status.code(), Some(2));
    assert!(text(&silent.stderr).contains("this destroys database/shared/agent_2"));
    for foreign in ["database/shared/agent_1", "database/shared/agent_9", "bucket/shared/agent-9"] {
        let refused = site.ctl(&["leaks", "remove", foreign, "--yes"]);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused.stderr).contains(&format!("{foreign} is no leak")));
    }
    let by_hand = site.ctl(&["leaks", "remove", &format!("directory/shared/{folder}"), "--yes"]);
    assert_eq!(by_hand.status.code(), Some(1));
    assert!(text(&by_hand.stderr).contains(&format!("rm -r '{folder}'")));
    assert_eq!(names(), wanted);

    // With one they go, whole.
    let removed = site.ctl_ok(&["leaks", "remove", "--all", "--yes"]);
    assert_eq!(removed.lines().count(), wanted.len() - 1, "{removed}");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(site.ctl_ok(&["leaks", "-o", "name"]), "");
    let left = "SELECT count(*) FROM pg_database WHERE datname = 'agent_2' \
        UNION ALL SELECT count(*) FROM pg_roles WHERE rolname = 'agent_2'";
    assert_eq!(site.sql("postgres", left).replace('\n', " "), "0 0");
    assert!(!site.worktree("agent-2").exists());
    assert!(!site.git(&["worktree", "list"]).contains("agent-2"));
    assert_eq!(site.git(&["branch", "--list", "agent/agent-2"]).trim(), "agent/agent-2");
    assert!(site.processes(2).is_empty(), "{orphans:?} ran on");
    assert!(!run.exists());
    assert_eq!(site.processes(1), others, "agent 1 had no part in it");
    let count = "SELECT count(*) FROM pg_database WHERE datname IN ('agent_1', 'agent_9')";
    assert_eq!(site.sql("postgres", count), "2");
    assert!(site.admin().buckets().contains(&"agent-9".to_owned()));
    site.eventually("nothing more to be told", || {
        let told = text(&site.ctl(&["get"]).stderr);
        (!told.contains("no object that is known")).then_some(())
    });
}

#[test]
fn what_somebody_takes_out_of_the_trash_is_told() {
    let mut site = Site::new();
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    site.ready("agent-2");
    let uid = site.object("agent-2")["metadata"]["uid"].as_str().unwrap().to_owned();
    let short = &uid[uid.len() - 8..];
    site.ctl_ok(&["delete", "2", "--wait"]);
    site.sql("postgres", &format!("DROP DATABASE trash_{short}_agent_2"));
    let told = site.eventually("the loss to be told", || {
        let events = site.ctl_ok(&["events", "agent-2"]);
        events.contains("Lost").then_some(events)
    });
    let lost = format!("database/agent_2 of {short} was in the trash and is gone");
    assert!(told.contains(&lost), "{told}");
    assert!(!site.ctl_ok(&["trash"]).contains("database/agent_2"));
}
