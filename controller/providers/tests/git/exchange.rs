//! One agent whose worktree at one path is of one repository, then of another, and then of the first again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_harness_model::desired::{Desired, DesiredObject, Wanted};
use agent_harness_model::kinds::worktree::Observed;
use agent_harness_model::kinds::{Action, AnyTarget, Have, Resource, Target};
use agent_harness_model::plan::{Plan, plan};
use agent_harness_model::resolve::NOTHING;
use agent_harness_model::world::{self, Seen};
use agent_harness_providers::git::identity;

use super::fixture::{Agent, Fixture, git, make_repo, snapshot, write};

/// One agent, as it is when its worktree is of the first repository and when it is of the second.
fn with_two_repos(world: &Fixture) -> (Agent, Agent) {
    let other = world.folder.path().join("other");
    if !other.exists() {
        make_repo(&other);
    }
    (world.agent("agent-1"), world.agent_of(&other, "agent-1"))
}

/// A commit and a file that git does not know, which say whose they are.
fn leave_work(agent: &Agent, whose: &str) {
    write(agent.path(), "a.txt", whose);
    git(agent.path(), &["commit", "-qam", whose]);
    write(agent.path(), "work.txt", whose);
}

type Files = std::collections::BTreeMap<PathBuf, (u32, Vec<u8>)>;

fn whole(agent: &Agent) -> (Files, Files) {
    (snapshot(agent.path()), snapshot(&Fixture::admin(agent)))
}

#[tokio::test]
async fn what_is_in_the_trash_of_one_repository_is_not_in_the_way_of_the_other_s() {
    let world = Fixture::new();
    let (first, second) = with_two_repos(&world);
    world.up(&first).await;
    leave_work(&first, "first");
    let of_first = whole(&first);

    // To the second repository.
    assert_eq!(world.drive(&first, Target::Trashed).await, ["move to trash"]);
    world.up(&second).await;
    leave_work(&second, "second");
    let of_second = whole(&second);
    assert_eq!(world.see(&first, false).await, Seen::Known(Some(Observed::Trashed)));

    // Back to the first: neither is there twice, neither is lost.
    assert_eq!(world.drive(&second, Target::Trashed).await, ["move to trash"]);
    assert_eq!(world.up(&first).await, ["restore"]);
    assert_eq!(whole(&first), of_first);
    assert_eq!(world.see(&second, false).await, Seen::Known(Some(Observed::Trashed)));

    // Deleted and undeleted.
    world.drive(&first, Target::Trashed).await;
    assert_eq!(world.drive(&second, Target::Trashed).await, Vec::<String>::new());
    assert_eq!(world.up(&first).await, ["restore"]);
    assert_eq!(whole(&first), of_first);

    // And the second once more, from where it waited all the time.
    world.drive(&first, Target::Trashed).await;
    assert_eq!(world.up(&second).await, ["restore"]);
    assert_eq!(whole(&second), of_second);

    // The end of one's retention takes nothing of the other's, and hides nothing from it.
    assert_eq!(world.drive(&second, Target::Gone).await, ["purge"]);
    assert_eq!(world.see(&second, false).await, Seen::Known(None));
    assert_eq!(world.up(&first).await, ["restore"]);
    assert_eq!(whole(&first), of_first);
    assert_eq!(std::fs::read_dir(first.path().parent().unwrap()).unwrap().count(), 1);
}

/// The agent as a whole, once its worktree of one repository is wanted in the place of another's.
struct Exchange {
    wanted: Agent,
    leaving: Agent,
    desired: Desired,
}

impl Exchange {
    fn new(wanted: Agent, mut leaving: Agent, target: AnyTarget) -> Self {
        leaving.id.name.push_str("@old");
        let present = Wanted::present(Resource::Worktree(Arc::new(wanted.want.clone())));
        let old = Wanted::present(Resource::Worktree(Arc::new(leaving.want.clone())));
        let old = Wanted { target, ..old };
        let object = DesiredObject {
            resources: [(wanted.id.clone(), present), (leaving.id.clone(), old)].into(),
            ..DesiredObject::default()
        };
        let mut desired = Desired::default();
        desired.objects.insert((wanted.id.owner.clone(), wanted.id.uid.clone()), object);
        Self { wanted, leaving, desired }
    }

    async fn plan(&self, world: &Fixture) -> Plan {
        let mut have = world::Observed::default();
        for (agent, is_wanted) in [(&self.wanted, true), (&self.leaving, false)] {
            have.insert(
                agent.id.clone(),
                match world.see(agent, is_wanted).await {
                    Seen::Known(seen) => Seen::Known(seen.map(Have::Worktree)),
                    Seen::Unknown(why) => Seen::Unknown(why),
                },
            );
        }
        plan(&self.desired, &have)
    }

    /// Plans and acts until there is nothing left to do, without one step that fails; gives all that was done.
    async fn drive(&self, world: &Fixture) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..8 {
            let plan = self.plan(world).await;
            if plan.is_settled() {
                return done;
            }
            assert!(!plan.steps.is_empty(), "{plan}");
            for step in plan.steps {
                done.push(format!("{}: {}", step.resource.name, step.action));
                let Action::Worktree(action) = step.action else { panic!("{done:?}") };
                world.apply(&self.wanted, action).await.unwrap();
            }
        }
        panic!("never settles: {done:?}");
    }
}

#[tokio::test]
async fn the_way_back_waits_until_the_other_has_left() {
    let world = Fixture::new();
    let (first, second) = with_two_repos(&world);
    world.up(&first).await;
    leave_work(&first, "first");
    let of_first = whole(&first);
    let there = Exchange::new(second, first, AnyTarget::Trashed);
    let done = ["worktree@old: move to trash", "worktree: add agent/agent-1 from main"];
    assert_eq!(there.drive(&world).await, done);
    leave_work(&there.wanted, "second");

    let (first, second) = with_two_repos(&world);
    let back = Exchange::new(first, second, AnyTarget::Trashed);
    assert_eq!(back.drive(&world).await, ["worktree@old: move to trash", "worktree: restore"]);
    assert_eq!(whole(&back.wanted), of_first);
}

#[tokio::test]
async fn one_tree_by_two_names_of_its_repository_goes_nowhere() {
    let world = Fixture::new();
    let alias = world.folder.path().join("alias");
    std::os::unix::fs::symlink(&world.repo, &alias).unwrap();
    let first = world.agent("agent-1");
    world.up(&first).await;
    leave_work(&first, "first");
    let before = whole(&first);
    for target in [AnyTarget::Trashed, AnyTarget::Gone] {
        let [known, wanted] = [&world.repo, &alias].map(|repo| world.agent_of(repo, "agent-1"));
        let plan = Exchange::new(wanted, known, target).plan(&world).await;
        assert!(plan.steps.is_empty(), "{plan}");
    }
    assert_eq!(whole(&first), before);

    // The end of a retention does not take from the trash what is wanted by the other name.
    world.drive(&first, Target::Trashed).await;
    let wanted = world.agent_of(&alias, "agent-1");
    let back = Exchange::new(wanted, world.agent("agent-1"), AnyTarget::Gone);
    for step in back.plan(&world).await.steps {
        let Action::Worktree(action) = step.action else { panic!("{step:?}") };
        world.apply(&back.wanted, action).await.unwrap();
    }
    assert_eq!(whole(&first), before);
    assert!(back.plan(&world).await.steps.is_empty());
}

#[test]
fn a_repository_or_folder_is_told_by_whatever_path_it_is_reached() {
    let world = Fixture::new();
    let at = |name: &str| world.folder.path().join(name);
    let link = |to: PathBuf, name: &str| std::os::unix::fs::symlink(to, at(name)).unwrap();
    let repository = |path: &Path| identity::of_repository(path).unwrap();
    make_repo(&at("other"));
    link(world.repo.clone(), "alias");
    link(at("away"), "dangling");
    let this = repository(&world.repo);
    assert_eq!(repository(&at("alias")), this);
    assert_ne!(repository(&at("other")), this);
    assert_eq!(repository(&at("away")), NOTHING);
    identity::of_repository(&at("dangling")).unwrap_err();
    std::fs::create_dir(at("empty")).unwrap();
    identity::of_repository(&at("empty")).unwrap_err();
    git(&world.repo, &["worktree", "add", "-q", "../tree"]);
    assert_eq!(repository(&at("tree")), this, "a tree of it is it");

    let folder = |path: PathBuf| identity::of_folder(&path);
    std::fs::create_dir_all(at("trees/made")).unwrap();
    link(at("trees"), "by");
    for name in ["made", "to/be/made"] {
        let direct = folder(at("trees").join(name)).unwrap();
        assert_eq!(folder(at("by").join(name)).unwrap(), direct);
        assert_ne!(folder(at("empty").join(name)).unwrap(), direct);
    }
    folder(at("dangling/tree")).unwrap_err();
}
