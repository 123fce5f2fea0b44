//! The repository of a Stack changes: its agents get trees of the other one, and theirs are kept for the way back.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use super::harness::Site;

#[test]
fn another_repository_and_back() {
    let mut site = Site::new();
    let other = site.folder().join("home/other");
    site.git(&["clone", "--quiet", ".", other.to_str().unwrap()]);
    site.start();
    site.ready("agent-1");
    site.ready("agent-2");
    let draft = site.worktree("agent-1").join("draft.txt");
    std::fs::write(&draft, "of the first").unwrap();
    let before = [site.processes(1), site.processes(2)];

    // A slip of the pen takes nothing away.
    site.edit("stack.yaml", "repo: ../../..  ", "repo: ../../../nowhere  ");
    site.eventually("the status to say so", || {
        let described = site.ctl_ok(&["describe", "1"]);
        described.contains("there is no repository at").then_some(())
    });
    assert_eq!(before, [site.processes(1), site.processes(2)]);
    assert!(draft.is_file());
    site.edit("stack.yaml", "repo: ../../../nowhere  ", "repo: ../../..  ");
    site.ready("agent-1");
    assert_eq!(before, [site.processes(1), site.processes(2)]);

    let there = format!("repo: {}  ", other.display());
    site.edit("stack.yaml", "repo: ../../..  ", &there);
    let is_of = |repo: &std::path::Path| {
        let git = std::fs::read_to_string(site.worktree("agent-1").join(".git")).ok();
        git.is_some_and(|git| git.contains(&format!("{}/.git/", repo.display())))
    };
    site.eventually("a tree of the other one", || is_of(&other).then_some(()));
    for agent in ["agent-1", "agent-2", "stack/hello"] {
        site.ready(agent);
    }
    assert!(!draft.exists());
    site.edit("stack.yaml", &there, "repo: ../../..  ");
    site.eventually("the first tree", || is_of(&site.repo()).then_some(()));
    for agent in ["agent-1", "agent-2", "stack/hello"] {
        site.ready(agent);
    }
    assert_eq!(std::fs::read_to_string(&draft).unwrap(), "of the first");
    assert_eq!(site.ctl(&["diff"]).status.code(), Some(0));
}
