//! Real git commands that hang, or leave something behind.

#![allow(clippy::disallowed_methods, reason = "the test writes as strangers do")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A repository whose files go through a filter.
    fn new(filter: &str) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.git(&["init", "-q", "-b", "main"]);
        world.write("a.txt", "one\n");
        world.git(&["add", "."]);
        world.git(&["commit", "-qm", "one"]);
        world.write("a.txt", "two\n");
        world.git(&["commit", "-qam", "two"]);
        world.write(".git/info/attributes", "a.txt filter=x\n");
        world.git(&["config", "filter.x.clean", filter]);
        world.git(&["config", "filter.x.smudge", filter]);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn git(&self, arguments: &[&str]) {
        let names =
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
        let status = Command::new("git")
            .args(arguments)
            .current_dir(self.folder.path())
            .envs(names.map(|name| (name, "a@example.org")))
            .status()
            .unwrap();
        assert!(status.success(), "{arguments:?}");
    }

    fn run(&self, patience: Patience, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let admin = self.path(".git");
        Git::of_tree(&admin, self.folder.path()).within(patience).run(arguments)
    }
}

fn is_alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn a_git_that_takes_too_long_ends_with_its_helpers_and_leaves_no_lock() {
    let pid = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(&format!("echo $$ > {}; exec sleep 600", pid.path().display()));
    let patience = Patience { each: Duration::from_secs(2), until: None };
    let lock = world.path(".git/index.lock");
    let (seen, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) && !seen.load(Ordering::Relaxed) {
                seen.store(lock.exists(), Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let ended = world.run(patience, &["checkout", "--force", "--detach", "HEAD~1"]);
        done.store(true, Ordering::Relaxed);
        ended.unwrap_err()
    });
    assert!(matches!(error, GitError::TimedOut { seconds: 2, .. }), "{error}");
    assert!(seen.load(Ordering::Relaxed));
    assert!(!lock.exists());
    // It is killed, but nobody says when the kernel is done with it.
    let pid = std::fs::read_to_string(pid.path()).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while is_alive(&pid) {
        assert!(Instant::now() < until, "{pid} lives on");
        std::thread::yield_now();
    }
}

#[test]
fn what_a_helper_leaves_behind_holds_nobody_up() {
    let pid = tempfile::NamedTempFile::new().unwrap();
    // As ssh does to share its connection: it stays, and has git's standard error open.
    let filter =
        format!("setsid sleep 600 >/dev/null </dev/null & echo $! > {}; cat", pid.path().display());
    let world = World::new(&filter);
    world.write("a.txt", "six\n");
    let listing = world.run(Patience::WORK, &["status", "--porcelain"]).unwrap();
    assert_eq!(listing, b" M a.txt\n");
    let error = world.run(Patience::WORK, &["checkout", "no-such-branch"]).unwrap_err();
    assert!(error.to_string().contains("did not match any file"), "{error}");
    let pid = std::fs::read_to_string(pid.path()).unwrap();
    assert!(is_alive(&pid));
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn looks_share_their_patience() {
    let world = World::new("cat");
    let used_up = Patience { each: Duration::from_secs(3), until: Some(Instant::now()) };
    let error = world.run(used_up, &["status"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "there was no time left for `git config --get` in {}; tried again later",
            world.folder.path().display()
        )
    );
    // And one that gets the rest of it says how much that was.
    let world = World::new("sleep 600");
    world.write("a.txt", "six\n");
    let until = Some(Instant::now() + Duration::from_secs(4));
    let error =
        world.run(Patience { each: Duration::from_secs(600), until }, &["status"]).unwrap_err();
    assert!(matches!(error, GitError::TimedOut { seconds: 1..=4, .. }), "{error}");
}

#[test]
fn a_replaced_git_file_leads_nowhere_else() {
    let (ours, theirs) = (World::new("cat"), World::new("cat"));
    let admin = ours.path("admin");
    std::fs::rename(ours.path(".git"), &admin).unwrap();
    ours.write(".git", &format!("gitdir: {}\n", theirs.path(".git").display()));
    let found = Git::of_tree(&admin, ours.folder.path()).run(&["rev-parse", "--absolute-git-dir"]);
    let found = String::from_utf8(found.unwrap()).unwrap();
    assert_eq!(PathBuf::from(found.trim()), admin.canonicalize().unwrap());
}

#[test]
fn ssh_asks_nobody_unless_somebody_said_how_it_is_called() {
    let world = World::new("cat");
    let shown = || {
        let alias = "alias.told=!echo \"$GIT_SSH_COMMAND\"";
        let shown = world.run(Patience::WORK, &["-c", alias, "told"]).unwrap();
        String::from_utf8(shown).unwrap().trim().to_owned()
    };
    if ["GIT_SSH", "GIT_SSH_COMMAND"].iter().all(|name| std::env::var_os(name).is_none()) {
        assert_eq!(shown(), "ssh -oBatchMode=yes");
    }
    world.git(&["config", "core.sshCommand", "ssh -i key"]);
    assert_eq!(shown(), std::env::var("GIT_SSH_COMMAND").unwrap_or_default());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Git::found_from(Path::new("/no/such/folder")).run(&["status"]).unwrap_err();
    assert_eq!(error.to_string(), "cannot run git in /no/such/folder");
}
