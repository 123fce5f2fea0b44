//! What was put away under another name than it would be now: by an older version, whose names did not tell the
//! repository, or while the repository was at another path.

use std::path::{Path, PathBuf};

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::worktree::Observed;
use agent_harness_model::world::Seen;

use super::cuts::{assert_whole, cut_short, up, with_work};
use super::fixture::{Agent, Fixture, git, make_repo, snapshot};

/// Gives what was put away, and what leads to it, the names of an older version.
fn as_older(agent: &Agent) {
    let tag = format!("-{}", agent.tag());
    let bin = agent.trash().parent().unwrap().to_path_buf();
    let pointer = Fixture::admin(agent).join("gitdir");
    for folder in [bin.clone(), bin.join("new"), bin.join("gone")] {
        let now = folder.join(agent.trash().file_name().unwrap());
        let then = PathBuf::from(now.to_str().unwrap().strip_suffix(&tag).unwrap());
        if now.exists() {
            std::fs::rename(&now, &then).unwrap();
        }
        let leads = std::fs::read_to_string(&pointer).unwrap();
        if leads.trim() == now.join(".git").to_str().unwrap() {
            std::fs::write(&pointer, format!("{}\n", then.join(".git").display())).unwrap();
        }
    }
}

fn older_trash(agent: &Agent) -> PathBuf {
    agent.trash().with_file_name(format!("agent-1-{}", agent.id.uid.short()))
}

/// Whether no file is below the folder; an empty folder is nobody's loss.
fn is_empty(folder: &Path) -> bool {
    snapshot(folder).keys().all(|path| folder.join(path).is_dir())
}

#[tokio::test]
async fn what_is_in_the_trash_of_an_older_version_comes_back_or_goes() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        for target in [true, false] {
            let what = format!("cut {cuts}, back: {target}");
            let (world, agent) = with_work().await;
            let before = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
            world.drive(&agent, Target::Trashed).await;
            as_older(&agent);
            assert!(older_trash(&agent).exists());
            assert_eq!(world.known(&agent).await, Some(Observed::Trashed), "{what}");
            assert!(world.drive(&agent, Target::Trashed).await.is_empty(), "{what}");
            if target {
                complete &= cut_short(&world, &agent, &up(&agent), cuts).await;
                world.up(&agent).await;
                let after = (snapshot(agent.path()), snapshot(&Fixture::admin(&agent)));
                assert_eq!(after, before, "{what}");
                assert_whole(&world, &agent, &what);
            } else {
                complete &= cut_short(&world, &agent, &Target::Gone, cuts).await;
                world.drive(&agent, Target::Gone).await;
                assert_eq!(world.see(&agent, false).await, Seen::Known(None), "{what}");
                assert!(is_empty(agent.path().parent().unwrap()), "{what}");
            }
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 6, "{cuts}");
}

#[tokio::test]
async fn what_an_older_version_was_cut_in_is_gone_on_with() {
    let mut cuts = 0;
    loop {
        let mut complete = true;
        // Into the trash, out of it, being made, being purged.
        for way in 0..4 {
            let what = format!("way {way}, cut {cuts}");
            let (world, agent) = match way {
                2 => {
                    let world = Fixture::new();
                    let agent = world.agent("agent-1");
                    (world, agent)
                }
                _ => with_work().await,
            };
            let to = match way {
                0 => Target::Trashed,
                1 => {
                    world.drive(&agent, Target::Trashed).await;
                    up(&agent)
                }
                2 => up(&agent),
                _ => Target::Gone,
            };
            complete &= cut_short(&world, &agent, &to, cuts).await;
            let entries = world.repo.join(".git/worktrees");
            if std::fs::read_dir(entries).is_ok_and(|mut all| all.next().is_some()) {
                as_older(&agent);
            }
            if way < 2 {
                world.up(&agent).await;
                assert_whole(&world, &agent, &what);
                continue;
            }
            if way == 2 {
                world.up(&agent).await;
                assert_eq!(git(agent.path(), &["status", "--porcelain"]), "", "{what}");
            }
            world.drive(&agent, Target::Gone).await;
            assert!(is_empty(agent.path().parent().unwrap()), "{what}");
        }
        if complete {
            break;
        }
        cuts += 1;
    }
    assert!(cuts >= 4, "{cuts}");
}

#[tokio::test]
async fn what_a_cut_purge_of_an_older_version_left_without_its_link_goes_too() {
    let (world, agent) = with_work().await;
    let bin = agent.trash().parent().unwrap().to_path_buf();
    let doomed = bin.join("gone").join(older_trash(&agent).file_name().unwrap());
    std::fs::create_dir_all(bin.join("gone")).unwrap();
    std::fs::rename(agent.path(), &doomed).unwrap();
    let pointer = format!("{}\n", doomed.join(".git").display());
    std::fs::write(Fixture::admin(&agent).join("gitdir"), pointer).unwrap();
    std::fs::remove_file(doomed.join(".git")).unwrap();
    world.drive(&agent, Target::Gone).await;
    assert!(is_empty(agent.path().parent().unwrap()));
    assert_eq!(world.see(&agent, false).await, Seen::Known(None));
}

#[tokio::test]
async fn the_older_trash_of_one_repository_is_not_taken_for_the_other_s() {
    let (world, first) = with_work().await;
    let other = world.folder.path().join("other");
    make_repo(&other);
    let second = world.agent_of(&other, "agent-1");
    world.drive(&first, Target::Trashed).await;
    as_older(&first);
    world.up(&second).await;
    world.drive(&second, Target::Trashed).await;
    world.drive(&second, Target::Gone).await;
    assert_eq!(world.see(&second, false).await, Seen::Known(None));
    std::fs::remove_dir_all(&other).unwrap();
    assert_eq!(world.see(&second, false).await, Seen::Known(None));
    world.up(&first).await;
    assert_whole(&world, &first, "after the other was purged");
}

#[tokio::test]
async fn an_older_trash_that_its_repository_does_not_know_any_more_is_not_forgotten() {
    let (world, agent) = with_work().await;
    world.drive(&agent, Target::Trashed).await;
    as_older(&agent);
    let left = older_trash(&agent).display().to_string();
    for anew in [false, true] {
        std::fs::remove_dir_all(&world.repo).unwrap();
        if anew {
            make_repo(&world.repo);
        }
        match world.see(&agent, false).await {
            Seen::Unknown(why) => assert!(why.contains(&left), "{why}"),
            other @ Seen::Known(_) => panic!("{other:?}"),
        }
        std::fs::create_dir_all(&world.repo).unwrap();
    }
    std::fs::remove_dir_all(older_trash(&agent)).unwrap();
    assert_eq!(world.see(&agent, false).await, Seen::Known(None));
}

#[tokio::test]
async fn what_is_in_the_trash_comes_back_after_its_repository_moved() {
    let (world, agent) = with_work().await;
    let before = snapshot(agent.path());
    world.drive(&agent, Target::Trashed).await;
    let moved = world.folder.path().join("moved");
    std::fs::rename(&world.repo, &moved).unwrap();
    git(&moved, &["worktree", "repair"]);
    let moved = world.agent_of(&moved, "agent-1");
    assert_eq!(world.up(&moved).await, ["restore"]);
    let mut after = snapshot(agent.path());
    // The link leads to where the repository is now.
    after.insert(PathBuf::from(".git"), before[Path::new(".git")].clone());
    assert_eq!(after, before);
    assert_eq!(git(agent.path(), &["branch", "--show-current"]), "agent/agent-1");
    assert_eq!(world.see(&agent, false).await, Seen::Known(None));
}
