//! What of a worktree in the trash is nowhere else.

use std::fs;
use std::path::Path;

use agent_harness_model::hash;
use agent_harness_model::id::Mark;
use agent_harness_model::kinds::Target;
use agent_harness_providers::git::pushed;

use super::fixture::{Agent, Fixture, INSTALLATION, git, write};

const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test";

/// A repository with a remote, to which `main` was pushed, and an agent whose work on its branch was pushed as well.
async fn pushed() -> (Fixture, Agent) {
    let world = Fixture::new();
    let remote = world.folder.path().join("remote.git");
    fs::create_dir(&remote).unwrap();
    git(&remote, &["init", "-q", "--bare", "-b", "main"]);
    git(&world.repo, &["remote", "add", "origin", remote.to_str().unwrap()]);
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    write(agent.path(), "a.txt", "work\n");
    git(agent.path(), &["commit", "-qam", "work"]);
    git(agent.path(), &["push", "-q", "origin", "HEAD"]);
    (world, agent)
}

/// What is only in the tree of an agent that left; the file that the controller wrote has this content.
async fn only_here(world: &Fixture, agent: &Agent) -> Option<String> {
    world.drive(agent, Target::Trashed).await;
    let mark = Mark { installation: INSTALLATION.into(), uid: agent.id.uid.clone() };
    let is_ours = |path: &Path, found: &str| {
        path == Path::new(".env.agent") && found == hash::content(b"SECRET=1\n")
    };
    pushed::only_here(&agent.want.place, &mark, &is_ours).unwrap()
}

#[tokio::test]
async fn a_tree_that_was_pushed_holds_nothing_of_its_own() {
    let (world, agent) = pushed().await;
    let tree = agent.path();
    write(tree, ".env.agent", "SECRET=1\n");
    fs::write(tree.join(".gitignore"), "*.log\n").unwrap();
    let exclude = world.repo.join(".git/info/exclude");
    let words = fs::read_to_string(&exclude).unwrap() + "node_modules\ntarget\n";
    fs::write(&exclude, words).unwrap();
    write(tree, "node_modules/left-pad/index.js", "module.exports");
    write(tree, "packages/one/node_modules/x/index.js", "module.exports");
    write(tree, "target/CACHEDIR.TAG", TAG);
    write(tree, "target/debug/out.log", "built");
    assert_eq!(only_here(&world, &agent).await, None);
}

#[tokio::test]
async fn whatever_is_nowhere_else_is_named() {
    type Leave = fn(&Fixture, &Path);
    let cases: [(&str, Leave); 11] = [
        ("1 of its files have uncommitted changes", |_, tree| write(tree, "a.txt", "more\n")),
        ("1 of its files are not known to git", |_, tree| write(tree, "new.txt", "new\n")),
        ("notes.log is not in git", |_, tree| write(tree, "notes.log", "ignored\n")),
        (".env.agent is not in git", |_, tree| write(tree, ".env.agent", "edited\n")),
        ("x.log is not in git", |_, tree| {
            write(tree, "x.log", "x");
            write(tree, "CACHEDIR.TAG", TAG);
            git(tree, &["add", "-f", "CACHEDIR.TAG"]);
            git(tree, &["commit", "-qm", "a tag of the whole tree says nothing of it"]);
            git(tree, &["push", "-q", "origin", "HEAD"]);
        }),
        ("cache.log/CACHEDIR.TAG is not in git", |_, tree| {
            write(tree, "cache.log/CACHEDIR.TAG", "Signature: another");
        }),
        ("its commits are on no branch of a remote", |_, tree| {
            write(tree, "a.txt", "committed\n");
            git(tree, &["commit", "-qam", "not pushed"]);
        }),
        ("its commits are on no branch of a remote", |world, tree| {
            git(tree, &["push", "-q", "origin", ":agent/agent-1"]);
            git(&world.repo, &["fetch", "-q", "--prune"]);
        }),
        ("git is told not to look at some of its files", |_, tree| {
            git(tree, &["update-index", "--assume-unchanged", "a.txt"]);
            write(tree, "a.txt", "unseen\n");
        }),
        ("git is told not to look at some of its files", |_, tree| {
            git(tree, &["update-index", "--skip-worktree", "a.txt"]);
            write(tree, "a.txt", "unseen\n");
        }),
        ("a bisect is not finished", |_, tree| drop(git(tree, &["bisect", "start"]))),
    ];
    for (says, leave) in cases {
        let (world, agent) = pushed().await;
        leave(&world, agent.path());
        let only = only_here(&world, &agent).await.unwrap_or_default();
        assert!(only.starts_with(says), "{only:?} instead of {says:?}");
    }
}

#[tokio::test]
async fn what_does_not_lie_in_the_trash_is_not_told_of() {
    let (world, agent) = pushed().await;
    let mark = Mark { installation: INSTALLATION.into(), uid: agent.id.uid.clone() };
    let look = || pushed::only_here(&agent.want.place, &mark, &|_, _| false).unwrap();
    assert_eq!(look().unwrap(), "it does not lie in the trash as a whole");
    world.drive(&agent, Target::Trashed).await;
    assert_eq!(look(), None);
    fs::remove_dir_all(agent.trash()).unwrap();
    assert_eq!(look().unwrap(), "it does not lie in the trash as a whole");
}
