//! Into the trash and back, byte for byte; and out of it for good.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::worktree::Observed;

use super::fixture::{Agent, Fixture, git, snapshot, try_git, write};

/// Stops in the middle of a rebase, at a conflict.
pub fn start_rebase(world: &Fixture, agent: &Agent) {
    write(agent.path(), "a.txt", "agent\n");
    git(agent.path(), &["commit", "-qam", "agent"]);
    write(&world.repo, "a.txt", "main\n");
    git(&world.repo, &["commit", "-qam", "main moves"]);
    assert!(!try_git(agent.path(), &["rebase", "-q", "main"]).status.success());
    let status = git(agent.path(), &["status"]);
    assert!(status.contains("rebase in progress"), "{status}");
}

/// Every kind of work that can be in a tree, except a rebase.
fn leave_work(agent: &Agent) {
    let path = agent.path();
    write(path, "a.txt", "stashed\n");
    git(path, &["stash", "-q"]);
    write(path, "a.txt", "staged\n");
    git(path, &["add", "a.txt"]);
    write(path, "a.txt", "staged and edited\n");
    write(path, "untracked ü.txt", "untracked\n");
    write(path, "ignored.log", "ignored\n");
    write(path, ".env.agent", "SECRET=1\n");
    git(path, &["rm", "-q", "dir/b.txt"]);
    std::os::unix::fs::symlink("a.txt", path.join("link")).unwrap();
    std::fs::set_permissions(
        path.join("ignored.log"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
}

type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

fn whole(world: &Fixture, agent: &Agent) -> (Files, Files, String) {
    let stashes = git(&world.repo, &["stash", "list"]);
    (snapshot(agent.path()), snapshot(&Fixture::admin(agent)), stashes)
}

#[tokio::test]
async fn everything_comes_back_byte_for_byte() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    leave_work(&agent);
    let before = whole(&world, &agent);

    assert_eq!(world.drive(&agent, Target::Trashed).await, ["move to trash"]);
    assert!(!agent.path().exists());
    assert_eq!(world.known(&agent).await, Some(Observed::Trashed));
    assert_eq!(std::fs::read_to_string(agent.trash().join("ignored.log")).unwrap(), "ignored\n");
    // Its branch is free meanwhile, its work can be looked at, and nothing is collected as garbage.
    git(&world.repo, &["checkout", "-q", "agent/agent-1"]);
    git(&world.repo, &["checkout", "-q", "main"]);
    git(&world.repo, &["prune", "--expire=now"]);
    assert!(git(&agent.trash(), &["status", "--porcelain"]).contains("MM a.txt"));
    git(&world.repo, &["worktree", "prune", "--expire=now"]);

    let mut index_before = before.clone();
    assert_eq!(world.up(&agent).await, ["restore"]);
    let mut after = whole(&world, &agent);
    // `git status` in the trash refreshed the index's timestamps; its content is compared through git.
    let index = PathBuf::from("index");
    index_before.1.remove(&index);
    after.1.remove(&index);
    assert_eq!(after, index_before);
    assert!(!agent.trash().parent().unwrap().exists());
    assert_eq!(git(agent.path(), &["diff", "--cached", "--name-only"]), "a.txt\ndir/b.txt");
}

#[tokio::test]
async fn the_index_and_a_rebase_in_flight_come_back_too() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    start_rebase(&world, &agent);
    let before = whole(&world, &agent);
    world.drive(&agent, Target::Trashed).await;
    // The branch that is being rebased is free as well.
    git(&world.repo, &["checkout", "-q", "agent/agent-1"]);
    git(&world.repo, &["checkout", "-q", "main"]);
    world.up(&agent).await;
    assert_eq!(whole(&world, &agent), before);
    write(agent.path(), "a.txt", "both\n");
    git(agent.path(), &["add", "a.txt"]);
    git(agent.path(), &["rebase", "--continue"]);
    assert_eq!(git(agent.path(), &["branch", "--show-current"]), "agent/agent-1");
}

#[tokio::test]
async fn submodules_move_with_their_tree() {
    let world = Fixture::new();
    let library = world.folder.path().join("library");
    super::fixture::make_repo(&library);
    git(&world.repo, &["submodule", "--quiet", "add", library.to_str().unwrap(), "lib"]);
    git(&world.repo, &["commit", "-qm", "lib"]);
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    git(agent.path(), &["submodule", "--quiet", "update", "--init"]);
    write(&agent.path().join("lib"), "a.txt", "not pushed\n");
    git(&agent.path().join("lib"), &["commit", "-qam", "only here"]);
    let before = whole(&world, &agent);
    world.drive(&agent, Target::Trashed).await;
    world.up(&agent).await;
    assert_eq!(whole(&world, &agent), before);
    assert_eq!(git(&agent.path().join("lib"), &["log", "-1", "--format=%s"]), "only here");
}

#[tokio::test]
async fn a_branch_that_moved_or_went_meanwhile_does_not_change_the_files() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    let commit = git(agent.path(), &["rev-parse", "HEAD"]);
    write(agent.path(), "new.txt", "new\n");

    world.drive(&agent, Target::Trashed).await;
    git(&world.repo, &["branch", "-D", "agent/agent-1"]);
    world.up(&agent).await;
    assert_eq!(git(&world.repo, &["rev-parse", "agent/agent-1"]), commit);

    world.drive(&agent, Target::Trashed).await;
    git(&world.repo, &["branch", "-f", "agent/agent-1", "main~1"]);
    world
        .apply(
            &agent,
            agent_harness_model::kinds::worktree::Action::Restore(std::sync::Arc::new(
                agent.want.clone(),
            )),
        )
        .await
        .unwrap();
    // On the commit that its files belong to: nothing looks changed that is not.
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit);
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "?? new.txt");
    match world.known(&agent).await {
        Some(Observed::Live { branch: None, busy: Some(_), .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn purge_takes_the_tree_and_leaves_the_branch() {
    let world = Fixture::new();
    for trashed_first in [false, true] {
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        leave_work(&agent);
        let cache = agent.path().join("cache/mod");
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join("file"), "x").unwrap();
        std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o555))
            .unwrap();
        if trashed_first {
            world.drive(&agent, Target::Trashed).await;
        }
        assert_eq!(world.drive(&agent, Target::Gone).await, ["purge"]);
        assert!(names(agent.path().parent().unwrap()).is_empty());
        assert_eq!(git(&world.repo, &["worktree", "list"]).lines().count(), 1);
        assert!(!git(&world.repo, &["branch", "--list", "agent/agent-1"]).is_empty());
        let exclude = std::fs::read_to_string(world.repo.join(".git/info/exclude")).unwrap();
        assert!(!exclude.contains("agent-harness"), "{exclude}");
        assert!(!world.repo.join(".git/agent-harness-gone").exists());
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_successor_at_the_same_path_waits_for_its_predecessor_and_both_live_on() {
    let world = Fixture::new();
    let first = world.agent("agent-1");
    let mut second = world.agent("agent-1");
    second.id.uid = agent_harness_model::id::Uid::new("0000-successor");
    world.up(&first).await;
    write(first.path(), "mine.txt", "first\n");
    assert!(matches!(world.known(&second).await, Some(Observed::Foreign(_))));
    world.drive(&first, Target::Trashed).await;
    world.up(&second).await;
    assert!(!second.path().join("mine.txt").exists());
    // The first cannot come back while the second is there, and is not lost by trying.
    let action = agent_harness_model::kinds::worktree::Action::Restore(std::sync::Arc::new(
        first.want.clone(),
    ));
    let error = world.apply(&first, action).await.unwrap_err();
    assert!(error.message.contains("move it away"), "{error}");
    world.drive(&second, Target::Gone).await;
    world.up(&first).await;
    assert_eq!(std::fs::read_to_string(first.path().join("mine.txt")).unwrap(), "first\n");
}
