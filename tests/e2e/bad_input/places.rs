//! Ports, repositories, commands, disks and folders that are not as they would have to be.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::containers::Servers;
use super::super::harness::Site;
use super::super::host::Disk;
use super::{agent, loose, said, until};

#[test]
fn what_is_in_the_way_is_named_and_stops_nobody_else() {
    let mut site = Site::new();
    let stranger = TcpListener::bind(("127.0.0.1", site.api + 10)).unwrap();
    for (name, worktree) in [
        ("agent-3", "repo: ./nowhere"),
        ("agent-4", "base: no-such-base"),
        ("agent-5", "branch: main"),
        ("agent-6", "repo: /tmp"),
    ] {
        let spec = format!("  worktree: {{{worktree}}}\n");
        site.write_spec(&format!("{name}.yaml"), &agent(name, &spec));
    }
    site.start();
    site.ready("agent-2");
    let told = [
        ("port taken by a foreign process", "agent-1", "taken"),
        ("a repo that is not there", "agent-3", "nowhere"),
        ("a base that does not exist", "agent-4", "no-such-base"),
        ("a branch that is checked out elsewhere", "agent-5", "checked out"),
        ("a repo that is none", "agent-6", "/tmp"),
    ]
    .map(|(what, agent, words)| format!("{what}\n{}\n", until(words, || said(&site, agent))));
    insta::assert_snapshot!("in_the_way", told.join("\n"));
    drop(stranger);
    site.ready("agent-1");
}

/// What cannot be had instead changes nothing of what is there.
#[test]
fn a_running_agent_stays_as_it_is_when_its_new_place_cannot_be() {
    let mut site = Site::new();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let tree = site.worktree("agent-2");
    let world = |site: &Site| {
        let head = site.git(&["-C", tree.to_str().unwrap(), "status", "--branch", "--short"]);
        (
            site.processes(1),
            site.processes(2),
            head,
            site.sql("agent_2", "SELECT count(*) FROM note"),
        )
    };
    let before = world(&site);
    let told = [
        ("another branch, checked out elsewhere", "branch: main", "checked out"),
        ("another base, which does not exist, for another branch", "base: nope, branch: b", "nope"),
        ("another repo, which is none", "repo: /tmp", "/tmp"),
    ]
    .map(|(what, worktree, words)| {
        site.write_spec(
            "agent-2.yaml",
            &agent("agent-2", &format!("  worktree: {{{worktree}}}\n")),
        );
        let told = until(words, || said(&site, "agent-2"));
        assert_eq!(world(&site), before, "{what}");
        format!("{what}\n{told}\n")
    });
    insta::assert_snapshot!("no_new_place", told.join("\n"));
    site.write_spec("agent-2.yaml", &agent("agent-2", ""));
    site.ready("agent-2");
    assert_eq!(world(&site), before);
}

#[test]
fn a_template_step_that_fails_shows_its_last_lines_and_is_never_cloned() {
    let mut site = Site::new();
    let good = "seed: {run: \"${harness.bin}/hello seed\"";
    let bad = "seed: {run: \"echo went wrong here >&2; exit 3\"";
    site.edit("stack.yaml", good, bad);
    site.start();
    let stack = until("went wrong here", || said(&site, "stack/hello"));
    let agent = until("says why", || said(&site, "agent-1"));
    insta::assert_snapshot!("a_template_step", format!("{stack}\n\nagent-1\n{agent}"));
    let count = "SELECT count(*) FROM pg_database WHERE datname = 'agent_1'";
    assert_eq!(site.sql("postgres", count), "0");
    site.edit("stack.yaml", bad, good);
    site.ready("agent-1");
}

/// Leaves no room on the disk of a folder.
pub(super) fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    let error = std::io::copy(&mut std::io::repeat(0), &mut file).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    filler
}

#[test]
fn a_full_disk_stops_what_needs_room_until_there_is_some() {
    if !Disk::is_possible() {
        eprintln!("not run: only root may mount a disk, and sudo asks for a password");
        return;
    }
    let mut site = Site::new();
    // Of the disk's pages, so many are left by and by that a status finds room, and a worktree does not.
    fs::write(site.repo().join("large"), vec![b'x'; 4 << 20]).unwrap();
    site.git(&["add", "large"]);
    site.git(&["commit", "--quiet", "--message", "A large file"]);
    site.state_on_a_disk(700);
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    let filler = fill(&site.state());
    site.write_spec("agent-3.yaml", &agent("agent-3", ""));
    let told = until("No space left", || loose(&site));
    insta::assert_snapshot!("a_full_disk", told);
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    fs::remove_file(filler).unwrap();
    site.ready("agent-3");

    let filler = fill(&site.state());
    let full = fs::metadata(&filler).unwrap().len();
    fs::OpenOptions::new().write(true).open(&filler).unwrap().set_len(full - (1 << 20)).unwrap();
    site.write_spec("agent-4.yaml", &agent("agent-4", ""));
    let told = until("is the disk full?", || said(&site, "agent-4"));
    insta::assert_snapshot!("no_room_for_a_worktree", told);
    fs::remove_file(filler).unwrap();
    site.ready("agent-4");
    assert_eq!(before, [site.processes(1), site.processes(2)]);
}

#[test]
fn what_may_not_be_read_or_written_is_named() {
    let mut site = Site::on(Servers::Embedded);
    // Root may do everything.
    site.become_a_user();
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let before = [site.processes(1), site.processes(2)];
    let closed = site.folder().join("closed");
    fs::create_dir(&closed).unwrap();
    let mode =
        |path: &PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(&closed, 0o555);
    let path = format!("  worktree: {{path: {}/agent-3}}\n", closed.display());
    site.write_spec("agent-3.yaml", &agent("agent-3", &path));
    let folder = until("ermission denied", || said(&site, "agent-3"));
    let file = site.specs().join("agent-1.yaml");
    mode(&file, 0o000);
    let spec = until("ermission denied", || said(&site, "agent-1"));
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    insta::assert_snapshot!("no_permission", format!("a folder\n{folder}\n\na spec\n{spec}"));
    mode(&file, 0o644);
    mode(&closed, 0o777);
    // It is tried again by and by, or as soon as somebody asks for it.
    site.eventually("the folder to be used", || site.is_ready("agent-3").then_some(()));
    site.ready("agent-1");
}
