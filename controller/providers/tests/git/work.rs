//! Making, switching and mending worktrees.

use std::sync::Arc;

use agent_harness_model::kinds::worktree::{Checkout, Observed};
use agent_harness_model::kinds::{Target, Verdict};
use agent_harness_providers::git::facts;

use super::fixture::{Fixture, git, make_repo, snapshot, write};
use agent_harness_model::world::Class;

/// Of an agent of the same name that left, as a rule: it is gone on from, and never silently.
#[tokio::test]
async fn a_branch_that_was_there_before_is_told_of() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    assert!(world.old(&agent).is_empty(), "it is its own");
    write(agent.path(), "a.txt", "agent\n");
    git(agent.path(), &["commit", "-qam", "Mine"]);
    world.drive(&agent, Target::Trashed).await;
    world.drive(&agent, Target::Gone).await;
    write(&world.repo, "a.txt", "main\n");
    git(&world.repo, &["commit", "-qam", "main moves"]);
    world.up(&agent).await;
    let told = world.old(&agent);
    let expected = "goes on with the branch agent/agent-1, which was there before: 1 ahead of main and 1 behind \
                    it, the last commit of 20";
    assert!(told[0].starts_with(expected), "{told:?}");
    assert!(world.old(&agent).is_empty(), "told once");
}

#[tokio::test]
async fn a_new_branch_begins_at_the_base_and_generated_files_stay_out_of_sight() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    assert_eq!(world.up(&agent).await, ["add agent/agent-1 from main"]);
    let head = git(&world.repo, &["rev-parse", "main"]);
    assert_eq!(
        world.known(&agent).await,
        Some(Observed::Live {
            branch: Some("agent/agent-1".into()),
            head: head.clone(),
            asked: Some("agent/agent-1".into()),
            busy: None,
            excluded: true
        })
    );
    write(agent.path(), ".env.agent", "SECRET=1");
    write(agent.path(), ".env.agent.kept-12345678", "SECRET=1");
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "");
    let listing = git(&world.repo, &["worktree", "list", "--porcelain"]);
    assert!(listing.contains("locked agent-harness:i-test:0000-"), "{listing}");
    assert!(!agent.path().parent().unwrap().join(".trash").exists());

    // A base that moves leaves the branch where it is.
    git(&world.repo, &["commit", "-q", "--allow-empty", "-m", "third"]);
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), head);
    assert_eq!(
        facts::base_commit(&world.repo, "main").unwrap(),
        git(&world.repo, &["rev-parse", "main"])
    );
}

#[tokio::test]
async fn an_existing_branch_is_taken_as_it_is() {
    let world = Fixture::new();
    git(&world.repo, &["branch", "agent/agent-1", "main~1"]);
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "one\n");
    // It tracks nothing: a plain push must not aim at the base.
    assert_eq!(git(&world.repo, &["config", "--get-regexp", "^core.bare"]), "core.bare false");
}

#[tokio::test]
async fn a_deleted_folder_comes_back_with_its_commits_and_what_was_staged() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    write(agent.path(), "a.txt", "mine\n");
    git(agent.path(), &["commit", "-qam", "mine"]);
    write(agent.path(), "staged.txt", "staged\n");
    git(agent.path(), &["add", "staged.txt"]);
    let before = git(agent.path(), &["rev-parse", "HEAD"]);
    std::fs::remove_dir_all(agent.path()).unwrap();
    assert_eq!(world.known(&agent).await, Some(Observed::Missing));
    assert_eq!(world.up(&agent).await, ["add agent/agent-1 from main"]);
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), before);
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "A  staged.txt");
    assert_eq!(std::fs::read_to_string(agent.path().join("staged.txt")).unwrap(), "staged\n");
}

#[tokio::test]
async fn a_clean_tree_is_switched_and_one_with_work_is_not() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    agent.want.checkout = Checkout::Branch { branch: "fix/foo".into(), base: "main~1".into() };
    let target = || Target::Present(Arc::new(agent.want.clone()));
    let drift = async |expected: &str| {
        let before = snapshot(agent.path());
        match world.verdict(&agent, &target()).await {
            Verdict::Drift(why) => assert_eq!(
                why,
                format!("is on agent/agent-1 instead of fix/foo, and stays there: {expected}")
            ),
            other => panic!("{other:?}"),
        }
        // Also when the plan was made before the work began.
        let action =
            agent_harness_model::kinds::worktree::Action::Switch(Arc::new(agent.want.clone()));
        let error = world.apply(&agent, action).await.unwrap_err();
        assert!(error.message.contains("stays as it is"), "{error}");
        assert_eq!(snapshot(agent.path()), before);
    };

    write(agent.path(), "a.txt", "edited\n");
    drift("1 of its files have uncommitted changes; commit, stash or discard that").await;
    git(agent.path(), &["checkout", "-q", "a.txt"]);
    write(agent.path(), "new.txt", "new\n");
    drift("1 of its files are not known to git; commit, stash or discard that").await;
    std::fs::remove_file(agent.path().join("new.txt")).unwrap();
    git(agent.path(), &["bisect", "start"]);
    drift("a bisect is not finished; finish it, or end it with `git bisect reset`").await;
    git(agent.path(), &["bisect", "reset"]);

    assert_eq!(world.up(&agent).await, ["switch to fix/foo from main~1"]);
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "one\n");
}

#[tokio::test]
async fn an_ignored_file_in_the_way_of_a_switch_is_not_written_over() {
    let world = Fixture::new();
    git(&world.repo, &["checkout", "-q", "-b", "other"]);
    write(&world.repo, "x.log", "tracked there\n");
    git(&world.repo, &["add", "-f", "x.log"]);
    git(&world.repo, &["commit", "-qm", "log"]);
    git(&world.repo, &["checkout", "-q", "main"]);
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    write(agent.path(), "x.log", "mine\n");
    agent.want.checkout = Checkout::Branch { branch: "other".into(), base: "main".into() };
    let action = agent_harness_model::kinds::worktree::Action::Switch(Arc::new(agent.want.clone()));
    let error = world.apply(&agent, action).await.unwrap_err();
    assert!(error.message.contains("x.log"), "{error}");
    assert_eq!(std::fs::read_to_string(agent.path().join("x.log")).unwrap(), "mine\n");
}

#[tokio::test]
async fn commits_on_no_branch_keep_a_tree_where_it_is() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    agent.want.checkout = Checkout::Branch { branch: "fix/foo".into(), base: "main".into() };
    git(agent.path(), &["checkout", "-q", "--detach"]);
    assert_eq!(world.up(&agent).await, ["switch to fix/foo from main"]);
    agent.want.checkout = Checkout::Branch { branch: "agent/agent-1".into(), base: "main".into() };
    git(agent.path(), &["checkout", "-q", "--detach"]);
    git(agent.path(), &["commit", "-q", "--allow-empty", "-m", "loose"]);
    match world.verdict(&agent, &Target::Present(Arc::new(agent.want.clone()))).await {
        Verdict::Drift(why) => assert_eq!(
            why,
            "is on a detached commit instead of agent/agent-1, and stays there: it has commits that are on no \
             branch; give them one with `git switch -c NAME`"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_agent_that_switches_its_own_tree_is_left_where_it_is() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    world.up(&agent).await;
    let branch = |agent: &super::fixture::Agent| git(agent.path(), &["branch", "--show-current"]);
    let stays = async |agent: &super::fixture::Agent, expected: &str| {
        let target = Target::Present(Arc::new(agent.want.clone()));
        match world.verdict(agent, &target).await {
            Verdict::Drift(why) => {
                let back =
                    format!("`git -C {} switch {}`", agent.path().display(), "agent/agent-1");
                assert_eq!(why, format!("is on {}", expected.replace("BACK", &back)));
            }
            other => panic!("{other:?}"),
        }
    };
    git(agent.path(), &["switch", "-q", "-c", "fix/x"]);
    let own = "fix/x instead of agent/agent-1, and stays there, because it was switched by hand: go back with \
               BACK, or set worktree.branch to fix/x";
    stays(&agent, own).await;
    // What is generated is put out of sight all the same.
    agent.want.exclude.push("/more".into());
    let target = || Target::Present(Arc::new(agent.want.clone()));
    let Verdict::Change(steps) = world.verdict(&agent, &target()).await else { panic!("a step") };
    for (action, _) in steps {
        world.apply(&agent, action).await.unwrap();
    }
    stays(&agent, own).await;
    // Through the loss of its folder, and the trash.
    std::fs::remove_dir_all(agent.path()).unwrap();
    world.drive(&agent, Target::Trashed).await;
    let Verdict::Change(steps) = world.verdict(&agent, &target()).await else { panic!("a step") };
    for (action, _) in steps {
        world.apply(&agent, action).await.unwrap();
    }
    stays(&agent, own).await;
    git(agent.path(), &["checkout", "-q", "--detach"]);
    stays(
        &agent,
        "a detached commit instead of agent/agent-1, and stays there, because it was switched by hand: go back \
         with BACK",
    )
    .await;
    // A wish that changes is new.
    agent.want.checkout = Checkout::Branch { branch: "fix/x".into(), base: "main".into() };
    assert_eq!(world.up(&agent).await, ["switch to fix/x from main"]);
    // So it is when the agent was there first.
    git(agent.path(), &["switch", "-q", "agent/agent-1"]);
    agent.want.checkout = Checkout::Branch { branch: "agent/agent-1".into(), base: "main".into() };
    assert_eq!(world.up(&agent).await, ["note its branch"]);
    agent.want.checkout = Checkout::Branch { branch: "fix/x".into(), base: "main".into() };
    assert_eq!(world.up(&agent).await, ["switch to fix/x from main"]);
    assert_eq!(branch(&agent), "fix/x");
}

#[tokio::test]
async fn a_rebase_of_the_wanted_branch_is_no_drift() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    super::trash::start_rebase(&world, &agent);
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_detached_tree_follows_its_commit_by_force() {
    let world = Fixture::new();
    let mut agent = world.agent("build");
    let commit = |revision: &str| git(&world.repo, &["rev-parse", revision]);
    agent.want.checkout = Checkout::Detached { commit: commit("main~1") };
    world.up(&agent).await;
    write(agent.path(), "a.txt", "whatever\n");
    assert_eq!(world.up(&agent).await, Vec::<String>::new());
    agent.want.checkout = Checkout::Detached { commit: commit("main") };
    world.up(&agent).await;
    assert_eq!(std::fs::read_to_string(agent.path().join("a.txt")).unwrap(), "two\n");
}

#[tokio::test]
async fn blanks_and_unicode_in_paths_and_two_repositories_at_once() {
    let world = Fixture::in_folder("my repo ü");
    let second = world.folder.path().join("second");
    make_repo(&second);
    let one = world.agent("agent ä 1");
    let two = world.agent_of(&second, "agent-2");
    let mut one = one;
    one.want.checkout = Checkout::Branch { branch: "fix/ü".into(), base: "main".into() };
    world.up(&one).await;
    world.up(&two).await;
    assert_eq!(git(one.path(), &["branch", "--show-current"]), "fix/ü");
    world.drive(&one, Target::Trashed).await;
    world.up(&one).await;
    world.drive(&one, Target::Gone).await;
    assert!(!one.path().exists());
    assert_eq!(world.up(&two).await, Vec::<String>::new());
    assert!(two.path().join("a.txt").exists());
}

#[tokio::test]
async fn many_at_once_in_one_repository() {
    let world = Arc::new(Fixture::new());
    let agents: Vec<_> =
        (1..=6).map(|number| Arc::new(world.agent(&format!("agent-{number}")))).collect();
    let tasks: Vec<_> = agents
        .iter()
        .map(|agent| {
            let (world, agent) = (Arc::clone(&world), Arc::clone(agent));
            tokio::spawn(async move { world.up(&agent).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let exclude = std::fs::read_to_string(world.repo.join(".git/info/exclude")).unwrap();
    // Each in the section of its own worktree.
    assert_eq!(exclude.lines().filter(|line| *line == "/.env.agent").count(), 6);
    assert_eq!(exclude.matches(">>>").count(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_longer_generated_is_seen_again() {
    let world = Fixture::new();
    let mut agent = world.agent("agent-1");
    let other = world.agent("agent-2");
    world.up(&agent).await;
    world.up(&other).await;
    agent.want.exclude = vec!["/.env[1]".into()];
    assert_eq!(world.up(&agent).await, ["exclude generated files"]);
    for name in [".env.agent", ".env1", ".env[1]"] {
        write(agent.path(), name, "x\n");
    }
    // What the other one generates is excluded for as long as that is there.
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "?? .env1");
    world.drive(&other, Target::Gone).await;
    assert_eq!(git(agent.path(), &["status", "--porcelain"]), "?? .env.agent\n?? .env1");
}

#[tokio::test]
async fn a_clone_of_a_form_that_is_not_known_says_how_it_becomes_one() {
    let world = Fixture::new();
    git(&world.repo, &["config", "uploadpack.allowFilter", "true"]);
    let clone = world.folder.path().join("clone");
    let source = format!("file://{}", world.repo.display());
    let part = ["clone", "-q", "--filter=tree:0", "--no-checkout", &source];
    git(world.folder.path(), &[&part[..], &[clone.to_str().unwrap()]].concat());
    let commit = git(&clone, &["rev-parse", "HEAD"]);
    let globs = ["dir/**".to_owned()];
    let error = facts::inputs_hash(&clone, &commit, &globs).unwrap_err();
    assert_eq!(error.class(), Class::Terminal, "{error:?}");
    let remedy = format!("`git -C {} ls-tree -r {commit}` fetches them", clone.display());
    assert!(error.to_string().ends_with(&remedy), "{error}");
    git(&clone, &["ls-tree", "-r", &commit]);
    assert_eq!(
        facts::inputs_hash(&clone, &commit, &globs).unwrap(),
        facts::inputs_hash(&world.repo, &commit, &globs).unwrap()
    );

    // As git of 2019 made them.
    git(&clone, &["config", "extensions.partialClone", "origin"]);
    git(&clone, &["config", "--unset", "remote.origin.promisor"]);
    let agent = world.agent_of(&clone, "agent-1");
    match world.known(&agent).await {
        Some(Observed::Unusable(why)) => {
            assert!(why.contains("uses the git extension partialclone"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    git(&clone, &["config", "remote.origin.promisor", "true"]);
    git(&clone, &["config", "--unset", "extensions.partialclone"]);
    world.up(&agent).await;
    assert_eq!(std::fs::read_to_string(agent.path().join("dir/b.txt")).unwrap(), "b\n");
}

#[test]
fn the_hash_of_inputs_is_of_what_matches_alone() {
    let world = Fixture::new();
    let commit = |revision: &str| git(&world.repo, &["rev-parse", revision]);
    let hash = |revision: &str, globs: &[&str]| {
        let globs: Vec<String> = globs.iter().map(|&glob| glob.to_owned()).collect();
        facts::inputs_hash(&world.repo, &commit(revision), &globs).unwrap()
    };
    assert_eq!(hash("main", &["dir/**"]), hash("main~1", &["dir/**"]));
    assert_ne!(hash("main", &["a.txt"]), hash("main~1", &["a.txt"]));
    assert_ne!(hash("main", &["**/*.txt"]), hash("main", &["*.txt"]));
    assert_eq!(hash("main", &["*.txt"]), hash("main", &["a.*"]));
    assert_ne!(hash("main", &["a.txt"]), hash("main", &["nothing"]));
    // A folder stands for all that lies below it.
    for folder in ["dir", "dir/"] {
        assert_eq!(hash("main", &[folder]), hash("main", &["dir/**"]));
    }
    assert_eq!(hash("main", &["."]), hash("main", &["**"]));
}
