//! Git commands that hang, are killed, or are told more than is good by what lies in a tree.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::kinds::worktree::{Action, Checkout, Observed};
use agent_harness_model::world::{Class, Seen};

use super::fixture::{Agent, Fixture, git, write};

/// A tree that follows a commit, behind by one.
async fn behind(world: &Fixture) -> Agent {
    let mut agent = world.agent("build");
    let commit = |revision: &str| git(&world.repo, &["rev-parse", revision]);
    agent.want.checkout = Checkout::Detached { commit: commit("main~1") };
    world.up(&agent).await;
    agent.want.checkout = Checkout::Detached { commit: commit("main") };
    agent
}

fn locks(agent: &Agent) -> [PathBuf; 2] {
    let admin = Fixture::admin(agent);
    [admin.join("index.lock"), admin.join("HEAD.lock")]
}

fn leave(locks: &[PathBuf]) {
    for lock in locks {
        std::fs::write(lock, "half").unwrap();
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn start(command: &mut Command) -> Killed {
    Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

/// Waits until the process is what it is to become: its program's name says so.
fn become_git(child: &Killed) {
    let comm = format!("/proc/{}/comm", child.0.id());
    while std::fs::read_to_string(&comm).unwrap().trim() != "git" {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn what_a_killed_git_left_does_not_hold_up_a_tree_in_which_nobody_works() {
    let world = Fixture::new();
    let agent = behind(&world).await;
    leave(&locks(&agent));
    world.up(&agent).await;
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "two\n");

    let deleted = world.agent("agent-1");
    world.up(&deleted).await;
    leave(&locks(&deleted));
    std::fs::remove_dir_all(deleted.path()).unwrap();
    world.up(&deleted).await;
    assert_eq!(git(deleted.path(), &["status", "--porcelain"]), "");
    assert_eq!(git(deleted.path(), &["branch", "--show-current"]), "agent/agent-1");
}

#[tokio::test]
async fn a_lock_whose_owner_may_be_alive_is_never_removed() {
    let world = Fixture::new();
    let agent = behind(&world).await;
    let locks = locks(&agent);
    leave(&locks);
    let switch = || Action::Switch(Arc::new(agent.want.clone()));
    let refused = async |by: &Killed| {
        let (named, until) =
            (format!("because pid {} (", by.0.id()), Instant::now() + Duration::from_secs(20));
        loop {
            let error = world.apply(&agent, switch()).await.unwrap_err();
            assert_eq!(error.class, Class::Transient, "{error}");
            assert!(locks.iter().all(|lock| lock.exists()));
            if error.message.contains(&named) {
                break;
            }
            // Whatever another test starts just now has all that is open here, for a moment.
            assert!(Instant::now() < until, "{error}");
        }
    };
    // Whoever works there; a git that is told to, from elsewhere; whoever has the file open.
    refused(&start(Command::new("sleep").arg("600").current_dir(agent.path()))).await;
    let told = |arguments: &[&std::ffi::OsStr], environment: &[(&str, &Path)]| {
        // It waits for its standard input, which nobody writes to.
        let mut command = Command::new("git");
        command.args(arguments).args(["cat-file", "--batch"]).current_dir(&world.repo);
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = start(command.stdin(Stdio::piped()));
        become_git(&child);
        child
    };
    let admin = Fixture::admin(&agent);
    refused(&told(&["--git-dir".as_ref(), admin.as_os_str()], &[])).await;
    refused(&told(&[], &[("GIT_DIR", &admin)])).await;
    let relative = admin.strip_prefix(world.repo.canonicalize().unwrap()).unwrap().join("index");
    refused(&told(&[], &[("GIT_INDEX_FILE", &relative)])).await;
    let file = std::fs::File::open(&locks[0]).unwrap();
    refused(&start(Command::new("sleep").arg("600").current_dir("/").stdin(file))).await;

    // A git that works in another tree is no reason.
    let other = told(&[], &[]);
    world.up(&agent).await;
    drop(other);
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "two\n");
}

#[tokio::test]
async fn the_lock_of_an_agents_own_git_stays() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    let locks = locks(&agent);
    leave(&locks);
    agent.want.checkout = Checkout::Branch { branch: "other".into(), base: "main".into() };
    match world.known(&agent).await {
        Some(Observed::Live { busy: Some(why), .. }) => {
            assert!(why.starts_with("a git command works in it; if none does, remove "), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let switch = Action::Switch(Arc::new(agent.want.clone()));
    assert_eq!(world.apply(&agent, switch).await.unwrap_err().class, Class::Blocked);
    assert!(locks.iter().all(|lock| lock.exists()));
}

#[tokio::test]
async fn a_slow_status_keeps_one_tree_where_it_is_and_the_others_in_sight() {
    let world = Fixture::new();
    let mut slow = world.agent("agent-1");
    let other = world.agent("agent-22");
    world.up(&slow).await;
    world.up(&other).await;
    git(&world.repo, &["config", "filter.slow.clean", "sleep 600"]);
    std::fs::write(world.repo.join(".git/info/attributes"), "a.txt filter=slow\n").unwrap();
    // Git has to read the file to know whether it changed.
    write(slow.path(), "a.txt", "one\n");
    slow.want.checkout = Checkout::Branch { branch: "other".into(), base: "main".into() };
    match world.known(&slow).await {
        Some(Observed::Live { busy: Some(why), .. }) => assert_eq!(
            why.replace(world.folder.path().to_str().unwrap(), "/T"),
            "whether it holds work cannot be told: `git status --porcelain=v1` in /T/trees/agent-1 did not end \
             within 3 s and was stopped"
        ),
        other => panic!("{other:?}"),
    }
    assert!(matches!(world.known(&other).await, Some(Observed::Live { busy: None, .. })));
}

#[tokio::test]
async fn a_pipe_among_the_files_of_a_tree_holds_nobody_up() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    let other = world.agent("agent-22");
    world.up(&agent).await;
    world.up(&other).await;
    let head = Fixture::admin(&agent).join("HEAD");
    let text = std::fs::read(&head).unwrap();
    std::fs::remove_file(&head).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &head, rustix::fs::Mode::RWXU).unwrap();
    match world.see(&agent, true).await {
        Seen::Unknown(why) => assert!(why.ends_with("/HEAD is no file: move it away"), "{why}"),
        other @ Seen::Known(_) => panic!("{other:?}"),
    }
    assert!(matches!(world.known(&other).await, Some(Observed::Live { busy: None, .. })));
    std::fs::remove_file(&head).unwrap();
    std::fs::write(&head, text).unwrap();
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
}

#[tokio::test]
async fn programs_that_a_repository_within_the_tree_names_are_not_run() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    let (inner, ran) = (agent.path().join("inner"), world.folder.path().join("ran"));
    super::fixture::make_repo(&inner);
    git(&inner, &["config", "filter.x.clean", &format!("touch {}; cat", ran.display())]);
    write(&inner, ".gitattributes", "* filter=x\n");
    git(agent.path(), &["add", "inner"]);
    git(agent.path(), &["commit", "-qm", "inner"]);
    write(&inner, "a.txt", "six\n");
    // Was touched by the commands above, perhaps.
    let _ = std::fs::remove_file(&ran);
    agent.want.checkout = Checkout::Branch { branch: "other".into(), base: "main".into() };
    assert!(matches!(world.known(&agent).await, Some(Observed::Live { busy: None, .. })));
    assert!(!ran.exists());
    // Another commit in it counts as work.
    git(&inner, &["commit", "-qam", "six"]);
    let _ = std::fs::remove_file(&ran);
    assert!(matches!(world.known(&agent).await, Some(Observed::Live { busy: Some(_), .. })));
    assert!(!ran.exists());
}
