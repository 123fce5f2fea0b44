//! Folders and repositories that are away for a while: nothing is taken for gone that may come back.

use std::path::{Path, PathBuf};

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::worktree::{Action, Observed};
use agent_harness_model::world::Seen;

use super::cuts::{assert_whole, cut_short, up, with_work};
use super::fixture::{Agent, Fixture, git, make_repo, snapshot, write};

/// Takes the worktrees away, as when their volume is not mounted: an empty folder is there instead.
fn unmount(world: &Fixture) -> PathBuf {
    let (trees, away) = (world.folder.path().join("trees"), world.folder.path().join("volume"));
    std::fs::rename(&trees, &away).unwrap();
    std::fs::create_dir(trees).unwrap();
    away
}

fn mount(world: &Fixture, away: &Path) {
    let trees = world.folder.path().join("trees");
    // What was made meanwhile is hidden by the volume.
    std::fs::rename(&trees, world.folder.path().join("hidden")).unwrap();
    std::fs::rename(away, &trees).unwrap();
}

/// A commit on no branch, with something staged on top: only the worktree's git folder knows of them.
async fn with_loose_work(world: &Fixture) -> (Agent, String) {
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    git(agent.path(), &["checkout", "-q", "--detach"]);
    write(agent.path(), "a.txt", "loose\n");
    git(agent.path(), &["commit", "-qam", "loose"]);
    write(agent.path(), "staged.txt", "staged\n");
    git(agent.path(), &["add", "staged.txt"]);
    let commit = git(agent.path(), &["rev-parse", "HEAD"]);
    (agent, commit)
}

fn words(world: &Fixture, agent: &Agent, text: &str) -> String {
    text.replace(world.folder.path().to_str().unwrap(), "/T").replace(&agent.tag(), "TAG")
}

async fn unseen(world: &Fixture, agent: &Agent) -> String {
    match world.see(agent, false).await {
        Seen::Unknown(why) => words(world, agent, &why),
        other @ Seen::Known(_) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_volume_that_is_away_takes_nothing_of_what_is_in_the_trash() {
    let world = Fixture::new();
    let (agent, commit) = with_loose_work(&world).await;
    let before = snapshot(agent.path());
    world.drive(&agent, Target::Trashed).await;
    let admin = snapshot(&Fixture::admin(&agent));
    let away = unmount(&world);
    assert_eq!(world.drive(&agent, Target::Trashed).await, Vec::<String>::new());
    assert_eq!(world.see(&agent, false).await, Seen::Known(Some(Observed::Trashed)));
    assert_eq!(snapshot(&Fixture::admin(&agent)), admin);
    mount(&world, &away);
    world.drive(&agent, Target::Trashed).await;
    assert_eq!(world.up_detached(&agent).await, ["restore"]);
    assert_eq!(snapshot(agent.path()), before);
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit);
}

#[tokio::test]
async fn a_tree_that_is_away_when_it_is_trashed_is_moved_there_when_it_is_back() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    write(agent.path(), "work.txt", "work\n");
    let before = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
    let away = unmount(&world);
    assert_eq!(world.drive(&agent, Target::Trashed).await, ["move to trash"]);
    // Its branch is free meanwhile.
    git(&world.repo, &["checkout", "-q", "agent/agent-1"]);
    git(&world.repo, &["checkout", "-q", "main"]);
    mount(&world, &away);
    assert_eq!(world.drive(&agent, Target::Trashed).await, ["move to trash"]);
    assert!(!agent.path().exists());
    assert_eq!(world.up(&agent).await, ["restore"]);
    assert_eq!((snapshot(agent.path()), snapshot(&Fixture::admin(&agent))), before);
}

/// The volume goes away in the middle of everything, is missed, and comes back with all that was worked on.
#[tokio::test]
async fn a_tree_that_was_away_while_it_was_made_again_loses_nothing_when_it_is_back() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        for way in 0..6 {
            let (world, agent) = with_work().await;
            let what = format!("way {way}, cut {cuts}");
            match way / 2 {
                // From where it lives, from half the way to the trash, and from the trash.
                0 => {}
                1 => assert!(!cut_short(&world, &agent, &Target::Trashed, 1).await),
                _ => drop(world.drive(&agent, Target::Trashed).await),
            }
            let away = unmount(&world);
            complete &= cut_short(&world, &agent, &up(&agent), cuts).await;
            mount(&world, &away);
            if way % 2 == 0 {
                world.drive(&agent, Target::Trashed).await;
                assert_eq!(world.known(&agent).await, Some(Observed::Trashed), "{what}");
            }
            world.up(&agent).await;
            assert_eq!(read(agent.path(), "work.txt"), "work\n", "{what}");
            assert_whole(&world, &agent, &what);
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

/// Without a commit and an index, git has nothing of it: all the more is in its folder.
#[tokio::test]
async fn a_tree_without_a_commit_that_was_away_is_somebodys() {
    for trashed in [false, true] {
        let world = Fixture::new();
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        git(&world.repo, &["update-ref", "-d", "refs/heads/agent/agent-1"]);
        std::fs::remove_file(Fixture::admin(&agent).join("index")).unwrap();
        write(agent.path(), "work.txt", "work\n");
        let away = unmount(&world);
        // As far as the pointer to where it is made again.
        assert!(!cut_short(&world, &agent, &up(&agent), 1).await);
        mount(&world, &away);
        if trashed {
            world.drive(&agent, Target::Trashed).await;
        }
        world.up(&agent).await;
        assert_eq!(read(agent.path(), "work.txt"), "work\n");
    }
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[tokio::test]
async fn a_deleted_tree_that_was_trashed_comes_back_with_what_git_has_of_it() {
    let world = Fixture::new();
    let (agent, commit) = with_loose_work(&world).await;
    std::fs::remove_dir_all(agent.path()).unwrap();
    assert_eq!(world.drive(&agent, Target::Trashed).await, ["move to trash"]);
    git(&world.repo, &["prune", "--expire=now"]);
    // A successor at the same path is not in the way of anything, nor the other way round.
    let mut second = world.agent("agent-1");
    second.id.uid = agent_harness_model::id::Uid::new("0000-successor");
    world.up(&second).await;
    assert_eq!(world.drive(&agent, Target::Trashed).await, Vec::<String>::new());
    match world.known(&agent).await {
        Some(Observed::Foreign(why)) => assert!(why.contains("that is another's"), "{why}"),
        other => panic!("{other:?}"),
    }
    world.drive(&second, Target::Gone).await;
    world.up_detached(&agent).await;
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit);
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "A  staged.txt");
    std::fs::remove_dir_all(agent.path()).unwrap();
    world.drive(&agent, Target::Trashed).await;
    assert_eq!(world.drive(&agent, Target::Gone).await, ["purge"]);
    assert_eq!(git(&world.repo, &["worktree", "list"]).lines().count(), 1);
}

#[tokio::test]
async fn an_index_that_was_removed_does_not_make_a_tree_nobodys() {
    let world = Fixture::new();
    let (agent, commit) = with_loose_work(&world).await;
    std::fs::remove_file(Fixture::admin(&agent).join("index")).unwrap();
    std::fs::remove_dir_all(agent.path()).unwrap();
    world.drive(&agent, Target::Trashed).await;
    world.up_detached(&agent).await;
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), commit);
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn without_its_repository_no_tree_is_taken_for_gone() {
    for trashed in [false, true] {
        let world = Fixture::new();
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        if trashed {
            world.drive(&agent, Target::Trashed).await;
        }
        let aside = world.folder.path().join("aside");
        std::fs::rename(&world.repo, &aside).unwrap();
        let left = if trashed { ".trash/agent-1-00000628-TAG" } else { "agent-1" };
        assert_eq!(
            unseen(&world, &agent).await,
            format!(
                "the repository /T/repo is gone, but /T/trees/{left} is still there: bring the repository back, \
                 or look through that folder and remove it"
            )
        );
        std::fs::rename(&aside, &world.repo).unwrap();
        world.drive(&agent, Target::Gone).await;
        assert_eq!(world.see(&agent, false).await, Seen::Known(None));
        std::fs::remove_dir_all(&world.repo).unwrap();
        assert_eq!(world.see(&agent, false).await, Seen::Known(None));
    }
}

#[tokio::test]
async fn what_lies_on_a_volume_with_its_repository_is_not_gone_when_that_is_away() {
    for (away, what) in [("trees", "trees/agent-1"), ("volume", "volume/repo")] {
        let world = Fixture::in_folder("volume/repo");
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        let aside = world.folder.path().join("aside");
        std::fs::rename(world.folder.path().join(away), &aside).unwrap();
        if away == "trees" {
            std::fs::remove_dir_all(&world.repo).unwrap();
        } else {
            std::fs::remove_dir_all(agent.path()).unwrap();
        }
        let folder = away;
        assert_eq!(
            unseen(&world, &agent).await,
            format!(
                "whether /T/{what} is gone cannot be told, because /T/{folder} is not there either: mount its volume, \
                 or make that folder if all of it is gone for good"
            )
        );
        std::fs::create_dir(world.folder.path().join(folder)).unwrap();
        assert_eq!(world.see(&agent, false).await, Seen::Known(None));
    }
}

#[tokio::test]
async fn a_tree_of_another_repository_at_its_path_is_not_its_own() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    let other = world.folder.path().join("other");
    make_repo(&other);
    git(&other, &["worktree", "add", "-q", agent.path().to_str().unwrap()]);
    std::fs::remove_dir_all(&world.repo).unwrap();
    assert_eq!(world.see(&agent, false).await, Seen::Known(None));
}

#[tokio::test]
async fn a_repository_that_was_cloned_anew_does_not_hide_what_is_in_the_trash() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    world.drive(&agent, Target::Trashed).await;
    std::fs::remove_dir_all(&world.repo).unwrap();
    make_repo(&world.repo);
    assert_eq!(
        unseen(&world, &agent).await,
        "/T/trees/.trash/agent-1-00000628-TAG is still there, but the repository /T/repo knows nothing of it any \
         more: look through that folder and remove it"
    );
    assert!(agent.trash().join("a.txt").exists());
    std::fs::remove_dir_all(agent.trash()).unwrap();
    assert_eq!(world.see(&agent, false).await, Seen::Known(None));
}

#[tokio::test]
async fn a_tree_that_was_made_a_repository_of_its_own_can_be_mended_and_is_never_forgotten() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    let link = agent.path().join(".git");
    std::fs::remove_file(&link).unwrap();
    git(agent.path(), &["init", "-q"]);
    let remedy = "/T/trees/agent-1 is a folder with something in it, and a repository of its own was made in it \
                  (`git init`): move /T/trees/agent-1/.git away, and write `gitdir: \
                  /T/repo/.git/worktrees/agent-1-00000628-TAG` into /T/trees/agent-1/.git";
    assert_eq!(unseen(&world, &agent).await, remedy);
    assert!(matches!(world.known(&agent).await, Some(Observed::Foreign(why))
        if words(&world, &agent, &why) == remedy));
    std::fs::rename(&link, world.folder.path().join("aside")).unwrap();
    std::fs::write(&link, format!("gitdir: {}\n", Fixture::admin(&agent).display())).unwrap();
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_is_in_the_way_of_the_trash_is_found_before_anything_is_changed() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    write(&agent.trash(), "x", "in the way\n");
    let before = snapshot(&Fixture::admin(&agent));
    let error = world.apply(&agent, Action::Trash(agent.want.place.clone())).await.unwrap_err();
    assert!(error.message.contains("move it away"), "{error}");
    assert_eq!(snapshot(&Fixture::admin(&agent)), before);
    assert_eq!(git(agent.path(), &["branch", "--show-current"]), "agent/agent-1");
    // And a trash that cannot be made.
    std::fs::remove_dir_all(agent.trash().parent().unwrap()).unwrap();
    std::fs::write(agent.trash().parent().unwrap(), "no folder").unwrap();
    world.apply(&agent, Action::Trash(agent.want.place.clone())).await.unwrap_err();
    assert_eq!(snapshot(&Fixture::admin(&agent)), before);
}
