//! Every action cut before each of its changes, as a crash would: what follows ends in the same world.

use std::sync::Arc;

use agent_harness_model::kinds::worktree::{Desired, Observed};
use agent_harness_model::kinds::{Target, Verdict};

use super::fixture::{Agent, Fixture, git, snapshot, write};

/// Acts towards a target, is cut before change number `cut`; `true` when it came to its end without.
pub async fn cut_short(
    world: &Fixture,
    agent: &Agent,
    target: &Target<Desired>,
    cut: usize,
) -> bool {
    world.provider.cut_before(Some(cut));
    let mut complete = true;
    while let Verdict::Change(changes) = world.verdict(agent, target).await {
        let Some((action, _)) = changes.into_iter().next() else { break };
        if let Err(error) = world.apply(agent, action).await {
            assert!(error.message.contains("cut short by a test"), "{error}");
            complete = false;
            break;
        }
    }
    world.provider.cut_before(None);
    complete
}

pub fn up(agent: &Agent) -> Target<Desired> {
    Target::Present(Arc::new(agent.want.clone()))
}

pub fn assert_whole(world: &Fixture, agent: &Agent, what: &str) {
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "mine\n", "{what}");
    assert_eq!(git(agent.path(), &["branch", "--show-current"]), "agent/agent-1", "{what}");
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "?? work.txt", "{what}");
    assert_eq!(std::fs::read_dir(agent.path().parent().unwrap()).unwrap().count(), 1, "{what}");
    assert_eq!(git(&world.repo, &["worktree", "list"]).lines().count(), 2, "{what}");
}

/// Neither among the generated files that git is told of nor beside the repository's entries.
fn assert_nothing_left(world: &Fixture, what: &str) {
    let exclude = std::fs::read_to_string(world.repo.join(".git/info/exclude")).unwrap();
    assert!(!exclude.contains("agent-harness"), "{what}: {exclude}");
    assert!(!world.repo.join(".git/agent-harness-gone").exists(), "{what}");
    assert!(!world.folder.path().join("trees/.trash").exists(), "{what}");
}

pub async fn with_work() -> (Fixture, Agent) {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    write(agent.path(), "a.txt", "mine\n");
    git(agent.path(), &["commit", "-qam", "mine"]);
    write(agent.path(), "work.txt", "work\n");
    (world, agent)
}

#[tokio::test]
async fn an_add_that_was_cut_is_completed_or_purged() {
    let mut cuts = 0;
    loop {
        let world = Fixture::new();
        let agent = world.agent("agent-1");
        let complete = cut_short(&world, &agent, &up(&agent), cuts).await;
        if cuts % 2 == 0 {
            world.up(&agent).await;
            assert_eq!(git(agent.path(), &["status", "--porcelain"]), "");
        }
        world.drive(&agent, Target::Gone).await;
        assert!(!agent.path().exists());
        assert_eq!(git(&world.repo, &["worktree", "list"]).lines().count(), 1);
        assert_nothing_left(&world, &format!("cut {cuts}"));
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 3, "{cuts}");
}

#[tokio::test]
async fn a_revival_that_was_cut_is_completed() {
    let mut cuts = 0;
    loop {
        let (world, agent) = with_work().await;
        std::fs::remove_dir_all(agent.path()).unwrap();
        let complete = cut_short(&world, &agent, &up(&agent), cuts).await;
        world.up(&agent).await;
        write(agent.path(), "work.txt", "work\n");
        assert_whole(&world, &agent, &format!("cut {cuts}"));
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

#[tokio::test]
async fn ways_to_the_trash_and_back_that_were_cut_lose_nothing() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        // Into the trash, then on; into the trash, then back; out of it, then on; out of it, then back.
        for way in 0..4 {
            let (world, agent) = with_work().await;
            let before = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
            let what = format!("way {way}, cut {cuts}");
            if way < 2 {
                complete &= cut_short(&world, &agent, &Target::Trashed, cuts).await;
            } else {
                world.drive(&agent, Target::Trashed).await;
                complete &= cut_short(&world, &agent, &up(&agent), cuts).await;
            }
            if way % 2 == 0 {
                world.drive(&agent, Target::Trashed).await;
                assert_eq!(world.known(&agent).await, Some(Observed::Trashed), "{what}");
                assert!(!agent.path().exists(), "{what}");
                git(&world.repo, &["checkout", "-q", "agent/agent-1"]);
                git(&world.repo, &["checkout", "-q", "main"]);
            }
            world.up(&agent).await;
            let after = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
            assert_eq!(after, before, "{what}");
            assert_whole(&world, &agent, &what);
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

/// Somebody works on in the tree, wherever it is, as if nothing had happened.
fn work_on(agent: &Agent) -> String {
    let folder = if agent.path().exists() { agent.path().to_path_buf() } else { agent.trash() };
    write(&folder, "a.txt", "more\n");
    git(&folder, &["commit", "-qam", "more"]);
    git(&folder, &["rev-parse", "HEAD"])
}

#[tokio::test]
async fn commits_made_while_a_way_to_the_trash_or_back_was_cut_stay_in_sight() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        for way in 0..4 {
            let (world, agent) = with_work().await;
            let what = format!("way {way}, cut {cuts}");
            if way < 2 {
                complete &= cut_short(&world, &agent, &Target::Trashed, cuts).await;
            } else {
                world.drive(&agent, Target::Trashed).await;
                complete &= cut_short(&world, &agent, &up(&agent), cuts).await;
            }
            let commit = work_on(&agent);
            if way % 2 == 0 {
                world.drive(&agent, Target::Trashed).await;
            }
            world.up_detached(&agent).await;
            assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit, "{what}");
            assert_eq!(git(agent.path(), &["status", "--porcelain"]), "?? work.txt", "{what}");
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

#[tokio::test]
async fn a_rebase_that_was_ended_while_the_way_to_the_trash_was_cut_stays_ended() {
    let mut cuts = 0;
    loop {
        let world = Fixture::new();
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        super::trash::start_rebase(&world, &agent);
        let complete = cut_short(&world, &agent, &Target::Trashed, cuts).await;
        let live = agent.path().exists();
        let folder = if live { agent.path().to_path_buf() } else { agent.trash() };
        git(&folder, &["rebase", "--quit"]);
        write(&folder, "a.txt", "mine after all\n");
        git(&folder, &["commit", "-qam", "mine after all"]);
        let commit = git(&folder, &["rev-parse", "HEAD"]);
        if cuts % 2 == 0 {
            world.drive(&agent, Target::Trashed).await;
        }
        world.up_detached(&agent).await;
        assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit, "cut {cuts}");
        assert!(!Fixture::admin(&agent).join("rebase-merge").exists());
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

#[tokio::test]
async fn a_note_of_an_older_version_is_understood() {
    let (world, agent) = with_work().await;
    let before = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
    let admin = Fixture::admin(&agent);
    let commit = git(agent.path(), &["rev-parse", "HEAD"]);
    let note = format!(
        r#"{{"commit": "{commit}", "files": {{"HEAD": "ref: refs/heads/agent/agent-1"}}}}"#
    );
    // Live, detached and noted: the state in which a crash could leave a tree.
    std::fs::write(admin.join("agent-harness-trash.json"), note).unwrap();
    std::fs::write(admin.join("HEAD"), format!("{commit}\n")).unwrap();
    world.drive(&agent, Target::Trashed).await;
    git(&world.repo, &["checkout", "-q", "agent/agent-1"]);
    git(&world.repo, &["checkout", "-q", "main"]);
    world.up(&agent).await;
    assert_eq!((snapshot(agent.path()), snapshot(&admin)), before);
}

#[tokio::test]
async fn a_purge_that_was_cut_never_brings_half_a_tree_back_and_leaves_nothing() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        for way in 0..3 {
            let (world, agent) = with_work().await;
            complete &= cut_short(&world, &agent, &Target::Gone, cuts).await;
            match way {
                // Wanted again, or at least not wanted gone for good.
                1 => {
                    world.up(&agent).await;
                    let text = std::fs::read_to_string(agent.path().join("a.txt")).unwrap();
                    assert_eq!(text, "mine\n");
                }
                2 => drop(world.drive(&agent, Target::Trashed).await),
                _ => {}
            }
            world.drive(&agent, Target::Gone).await;
            assert!(!agent.path().exists());
            assert_eq!(git(&world.repo, &["worktree", "list"]).lines().count(), 1);
            assert_nothing_left(&world, &format!("way {way}, cut {cuts}"));
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}
