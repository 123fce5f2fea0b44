//! What is not ours is never touched, and what is in the way is named with what to do.

use std::process::Stdio;
use std::sync::Arc;

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::worktree::{Action, Checkout, Observed};
use agent_harness_model::world::{Class, Seen};

use super::fixture::{Fixture, git, snapshot, write};

fn words(world: &Fixture, text: &str) -> String {
    text.replace(world.folder.path().canonicalize().unwrap().to_str().unwrap(), "/T")
        .replace(world.folder.path().to_str().unwrap(), "/T")
}

async fn conflict(world: &Fixture, agent: &super::fixture::Agent) -> String {
    match world.known(agent).await {
        Some(Observed::Foreign(what) | Observed::Unusable(what)) => {
            words(world, &what).replace(&agent.tag(), "TAG")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");

    write(agent.path(), "x", "a stranger's");
    assert_eq!(
        conflict(&world, &agent).await,
        "/T/trees/agent-1 is a folder with something in it that this controller did not make: move it away, or \
         change worktree.path"
    );
    let before = snapshot(world.folder.path());
    let error = world.apply(&agent, Action::Add(Arc::new(agent.want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict);
    assert_eq!(std::fs::read_to_string(agent.path().join("x")).unwrap(), "a stranger's");
    let mut after = snapshot(world.folder.path());
    after.remove(std::path::Path::new("repo/.git/agent-harness.lock"));
    assert_eq!(after, before);
    std::fs::remove_dir_all(agent.path()).unwrap();

    agent.want.checkout = Checkout::Branch { branch: "main".into(), base: "main".into() };
    assert_eq!(
        conflict(&world, &agent).await,
        "the branch main is checked out at /T/repo already: switch that tree to another branch, or change \
         worktree.branch"
    );
    agent.want.checkout = Checkout::Branch { branch: "new".into(), base: "origin/nope".into() };
    assert_eq!(
        conflict(&world, &agent).await,
        "the base origin/nope does not exist in /T/repo: fetch it with `git -C /T/repo fetch`, or change \
         worktree.base"
    );
    agent.want.checkout = Checkout::Branch { branch: "a..b".into(), base: "main".into() };
    assert_eq!(
        conflict(&world, &agent).await,
        "`a..b` is no name for a branch: change worktree.branch"
    );
    agent.want.place.repo = world.folder.path().join("trees");
    assert_eq!(
        conflict(&world, &agent).await,
        "/T/trees is not the top folder of a git repository: run `git init` there, or change worktree.repo"
    );
    agent.want.place.repo = world.folder.path().join("nowhere");
    assert_eq!(
        conflict(&world, &agent).await,
        "there is no repository at /T/nowhere: create or clone it there, or change worktree.repo"
    );
}

#[tokio::test]
async fn another_users_repository_is_refused_with_the_remedy() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only root can give a folder to another user");
        return;
    }
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    for path in [world.repo.clone(), world.repo.join(".git")] {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    assert_eq!(
        conflict(&world, &agent).await,
        "/T/repo belongs to another user, and git refuses to work in it: run the controller as that user. \
         Whoever can write to it can run programs as you once you trust it; only if that is right, say so with `git \
         config --global --add safe.directory /T/repo`"
    );
    // Whoever wants it gone must not believe that it is.
    assert!(matches!(world.see(&agent, false).await, Seen::Unknown(_)));
}

#[tokio::test]
async fn look_alikes_without_our_mark_stay_whatever_is_wanted() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    let path = agent.path().to_str().unwrap();
    for reason in [
        None,
        Some("agent-harness"),
        Some("agent-harness:other:0000-00000628"),
        Some("agent-harness:i-test:0000-other"),
    ] {
        let mut arguments = vec!["worktree", "add", "-q", "-b", "agent/agent-1"];
        if let Some(reason) = reason {
            arguments.extend(["--lock", "--reason", reason]);
        }
        arguments.push(path);
        git(&world.repo, &arguments);
        write(agent.path(), "work.txt", "work\n");
        let before = snapshot(world.folder.path());
        assert!(matches!(world.known(&agent).await, Some(Observed::Foreign(_))));
        for action in
            [Action::Trash(agent.want.place.clone()), Action::Purge(agent.want.place.clone())]
        {
            // Nothing of ours is there: so it is gone already.
            world.apply(&agent, action).await.unwrap();
        }
        for action in [Action::Add, Action::Switch, Action::Restore] {
            world.apply(&agent, action(Arc::new(agent.want.clone()))).await.unwrap_err();
        }
        let mut after = snapshot(world.folder.path());
        after.retain(|path, _| before.contains_key(path));
        let exclude = std::path::PathBuf::from("repo/.git/info/exclude");
        let mut before = before;
        before.remove(&exclude);
        after.remove(&exclude);
        assert_eq!(after, before);
        git(&world.repo, &["worktree", "remove", "-f", "-f", path]);
        git(&world.repo, &["branch", "-D", "agent/agent-1"]);
    }
}

#[tokio::test]
async fn a_lock_removed_by_hand_takes_our_hands_off() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    git(&world.repo, &["worktree", "unlock", agent.path().to_str().unwrap()]);
    assert_eq!(
        conflict(&world, &agent).await,
        "/T/trees/agent-1 is a worktree without our mark: give it back with `git -C /T/repo worktree lock --reason \
         agent-harness:i-test:0000-00000628 /T/trees/agent-1`, move it away with `git worktree move`, or change \
         worktree.path"
    );
    assert_eq!(world.drive(&agent, Target::Gone).await, Vec::<String>::new());
    assert!(agent.path().join("a.txt").exists());
}

#[tokio::test]
async fn a_process_that_works_in_the_tree_holds_it() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    let mut child = std::process::Command::new("sleep")
        .arg("600")
        .current_dir(agent.path().join("dir"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Until its exec it would be seen under another name.
    let program = format!("/proc/{}/exe", child.id());
    while !std::fs::read_link(&program).unwrap().ends_with("sleep") {
        std::thread::yield_now();
    }
    for action in [Action::Trash(agent.want.place.clone()), Action::Purge(agent.want.place.clone())]
    {
        let error = world.apply(&agent, action).await.unwrap_err();
        assert_eq!(error.class, Class::Blocked);
        assert_eq!(
            words(&world, &error.message),
            format!(
                "/T/trees/agent-1 is in use: it is the working folder of pid {} (`sleep`); end that program or \
                 let it leave the folder",
                child.id()
            )
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    world.drive(&agent, Target::Gone).await;
    assert!(!agent.path().exists());
}

#[tokio::test]
async fn a_folder_without_its_git_file_is_left_alone() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    std::fs::remove_file(agent.path().join(".git")).unwrap();
    assert_eq!(
        conflict(&world, &agent).await,
        "/T/trees/agent-1 is a folder with something in it, and its .git file does not belong to it: write `gitdir: \
         /T/repo/.git/worktrees/agent-1-00000628-TAG` into /T/trees/agent-1/.git"
    );
    let link = format!("gitdir: {}\n", Fixture::admin(&agent).display());
    std::fs::write(agent.path().join(".git"), link).unwrap();
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
}

#[tokio::test]
async fn hooks_of_the_repository_are_not_run() {
    let world = Fixture::new();
    write(
        &world.repo,
        ".git/hooks/post-checkout",
        "#!/bin/sh\ntouch \"$(git rev-parse --git-common-dir)/ran\"\n",
    );
    let hook = world.repo.join(".git/hooks/post-checkout");
    std::fs::set_permissions(hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    agent.want.checkout = Checkout::Branch { branch: "other".into(), base: "main".into() };
    world.up(&agent).await;
    assert!(!world.repo.join(".git/ran").exists());
}
