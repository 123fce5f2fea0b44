//! Where the disk is nearly full, what lies in the trash gives way, and only what was provably pushed.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use super::harness::{Site, succeed};
use super::host::Disk;

#[test]
fn the_trash_gives_way_on_a_disk_that_is_nearly_full_for_what_was_pushed_alone() {
    if !Disk::is_possible() {
        eprintln!("not run: only root may mount a disk, and sudo asks for a password");
        return;
    }
    let mut site = Site::new();
    site.state_on_a_disk(700);
    let remote = site.folder().join("remote.git");
    succeed(site.command("git").args(["init", "--quiet", "--bare"]).arg(&remote));
    site.git(&["remote", "add", "origin", &remote.display().to_string()]);
    let third = fs::read_to_string(site.specs().join("agent-2.yaml")).unwrap();
    site.write_spec("agent-3.yaml", &third.replace("agent-2", "agent-3"));
    site.start_with(&[("HARNESS_RESYNC", "2s")]);
    for agent in ["agent-1", "agent-2", "agent-3"] {
        site.ready(agent);
        let tree = site.worktree(agent);
        fs::write(tree.join("mine"), format!("work of {agent}")).unwrap();
        let git = |words: &[&str]| succeed(site.command("git").current_dir(&tree).args(words));
        git(&["add", "mine"]);
        git(&["commit", "--quiet", "--message", "work"]);
        git(&["push", "--quiet", "origin", "HEAD"]);
    }
    site.sql("agent_2", "INSERT INTO note (body) VALUES ('kept')");
    // Of all that agent 3 did, one word was not pushed.
    fs::write(site.worktree("agent-3").join("mine"), "one word more").unwrap();
    site.ctl_ok(&["delete", "2", "3", "--wait"]);
    let trees = || -> Vec<String> {
        let trash = site.state().join("worktrees/.trash");
        let entries = fs::read_dir(trash).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("agent-")).collect();
        names.sort();
        names
    };
    let both = trees();
    assert_eq!(both.len(), 2, "{both:?}");

    let disk = rustix::fs::statvfs(site.state()).unwrap();
    let free = disk.f_bavail * disk.f_frsize;
    let filler = site.state().join("filler");
    let room = usize::try_from(free - (40 << 20)).unwrap();
    fs::write(&filler, vec![b'x'; room]).unwrap();
    let told = site.eventually("one to give way", || {
        let events = site.ctl_ok(&["events", "agent-2"]);
        events.contains("GaveWay").then_some(events)
    });
    assert!(told.contains("leaves the trash before its time: its disk has"), "{told}");
    site.eventually("its folder to be gone", || (trees() == both[1..]).then_some(()));
    let trash = site.ctl_ok(&["trash"]);
    assert!(trash.contains("database/agent_2") && trash.contains("bucket/agent-2"), "{trash}");
    assert!(!site.ctl_ok(&["events", "agent-3"]).contains("GaveWay"));

    fs::remove_file(&filler).unwrap();
    site.ctl_ok(&["undelete", "2"]);
    site.ctl_ok(&["undelete", "3"]);
    for agent in ["agent-2", "agent-3"] {
        site.ready(agent);
    }
    let mine = |agent: &str| fs::read_to_string(site.worktree(agent).join("mine")).unwrap();
    assert_eq!(mine("agent-2"), "work of agent-2");
    assert_eq!(mine("agent-3"), "one word more");
    let notes = "SELECT count(*) FROM note WHERE body = 'kept'";
    assert_eq!(site.sql("agent_2", notes), "1");
    // It does not give way at once the next time.
    site.ctl_ok(&["delete", "2", "--wait"]);
    assert_eq!(trees().len(), 1, "{:?}", trees());
    assert_eq!(site.ctl_ok(&["leaks", "-o", "name"]), "");
}
