//! What is in the middle of something, has an odd name, or is held by nothing but its tree, on the way to the trash and
//! back.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use agent_harness_model::kinds::Target;
use agent_harness_model::world::Class;

use super::fixture::{Agent, Fixture, git, snapshot, try_git, write};

/// Two branches that change the same line, the agent's checked out.
fn diverge(world: &Fixture, agent: &Agent) {
    write(agent.path(), "a.txt", "agent\n");
    git(agent.path(), &["commit", "-qam", "agent"]);
    write(&world.repo, "a.txt", "main\n");
    git(&world.repo, &["commit", "-qam", "main moves"]);
}

/// All of a tree and of what git keeps for it, one line each; its log of HEAD as git reads it, because a garbage
/// collection writes that anew.
fn whole(agent: &Agent) -> Vec<String> {
    let of = |folder: &Path| {
        let all = snapshot(folder).into_iter();
        all.filter(|(path, _)| path != Path::new("logs/HEAD")).map(|(path, (mode, bytes))| {
            format!("{} {mode:o} {}", path.display(), blake3::hash(&bytes))
        })
    };
    let reflog = git(agent.path(), &["reflog", "--format=%H %gs", "HEAD"]);
    of(agent.path()).chain(of(&Fixture::admin(agent))).chain([reflog]).collect()
}

async fn there_and_back(world: &Fixture, agent: &Agent) {
    let before = whole(agent);
    world.drive(agent, Target::Trashed).await;
    assert!(!agent.path().exists());
    // What another one of the repository may do meanwhile.
    git(&world.repo, &["worktree", "prune", "--expire=now"]);
    git(&world.repo, &["gc", "-q", "--prune=now"]);
    world.up_detached(agent).await;
    assert_eq!(whole(agent), before);
}

#[tokio::test]
async fn whatever_is_in_flight_is_gone_on_with_afterwards() {
    for (begin, says, go_on, subject) in [
        (&["merge", "main"][..], "unmerged paths", &["commit", "-q", "-m", "merged"][..], "merged"),
        (
            &["cherry-pick", "main"],
            "cherry-picking commit",
            &["cherry-pick", "--continue"],
            "main moves",
        ),
        (
            &["revert", "--no-edit", "HEAD~1"],
            "reverting commit",
            &["revert", "--continue"],
            "Revert \"second\"",
        ),
    ] {
        let world = Fixture::new();
        let agent = world.agent("agent-1");
        world.up(&agent).await;
        diverge(&world, &agent);
        assert!(!try_git(agent.path(), begin).status.success(), "{begin:?} conflicts");
        let status = git(agent.path(), &["status"]);
        assert!(status.contains(says), "{status}");
        there_and_back(&world, &agent).await;
        assert_eq!(git(agent.path(), &["status"]), status);
        write(agent.path(), "a.txt", "both\n");
        git(agent.path(), &["add", "a.txt"]);
        git(agent.path(), go_on);
        assert_eq!(git(agent.path(), &["log", "-1", "--format=%s"]), subject);
    }
}

#[tokio::test]
async fn a_bisect_is_gone_on_with_afterwards() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    for n in 0..8 {
        write(agent.path(), "a.txt", &format!("{n}\n"));
        git(agent.path(), &["commit", "-qam", &n.to_string()]);
    }
    git(agent.path(), &["bisect", "start", "HEAD", "main"]);
    let (at, log) =
        (git(agent.path(), &["rev-parse", "HEAD"]), git(agent.path(), &["bisect", "log"]));
    there_and_back(&world, &agent).await;
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), at);
    assert_eq!(git(agent.path(), &["bisect", "log"]), log);
    git(agent.path(), &["bisect", "good"]);
    git(agent.path(), &["bisect", "reset"]);
    assert_eq!(git(agent.path(), &["branch", "--show-current"]), "agent/agent-1");
}

#[tokio::test]
async fn commits_that_only_a_tree_holds_outlive_a_garbage_collection() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    git(agent.path(), &["checkout", "-q", "--detach"]);
    write(agent.path(), "loose.txt", "on no branch\n");
    git(agent.path(), &["add", "."]);
    git(agent.path(), &["commit", "-qm", "loose"]);
    let loose = git(agent.path(), &["rev-parse", "HEAD"]);
    // And one that only its log of HEAD remembers.
    write(agent.path(), "loose.txt", "amended\n");
    git(agent.path(), &["commit", "-q", "--amend", "-am", "amended"]);
    let amended = git(agent.path(), &["rev-parse", "HEAD"]);
    // Staged, and in no commit at all.
    write(agent.path(), "staged.txt", "in the index alone\n");
    git(agent.path(), &["add", "staged.txt"]);
    there_and_back(&world, &agent).await;
    assert_eq!(git(agent.path(), &["rev-parse", "HEAD"]), amended);
    assert_eq!(git(agent.path(), &["show", &format!("{loose}:loose.txt")]), "on no branch");
    assert_eq!(git(agent.path(), &["show", ":staged.txt"]), "in the index alone");
    assert_eq!(git(agent.path(), &["fsck", "--no-dangling"]), "");
}

/// What of a file is not in its bytes and mode.
fn nature(path: &Path) -> (SystemTime, u64, u64, Vec<u8>) {
    let found = fs::symlink_metadata(path).unwrap();
    let mut attribute = [0; 16];
    let length = rustix::fs::lgetxattr(path, "user.note", &mut attribute).unwrap_or(0);
    let attribute = attribute[..length].to_vec();
    (found.modified().unwrap(), found.ino(), found.nlink(), attribute)
}

#[tokio::test]
async fn odd_names_times_links_and_closed_folders_come_back_as_they_were() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    let tree = agent.path();
    let names: [&OsStr; 7] = [
        OsStr::new("-rf"),
        OsStr::new("new\nline"),
        OsStr::new(" blank "),
        OsStr::from_bytes(b"not-utf8-\xff\xfe"),
        OsStr::new("'quoted\" $(name)"),
        OsStr::new("*"),
        OsStr::from_bytes(&[b'n'; 255]),
    ];
    for name in names {
        fs::write(tree.join(name), name.as_bytes()).unwrap();
    }
    fs::hard_link(tree.join("-rf"), tree.join("hard")).unwrap();
    std::os::unix::fs::symlink("loop", tree.join("loop")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", tree.join("out")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(tree.join("*")).unwrap().set_modified(old).unwrap();
    // A file system without attributes of users has none to lose.
    let flags = rustix::fs::XattrFlags::empty();
    let _ = rustix::fs::lsetxattr(tree.join("*"), "user.note", b"mine", flags);
    write(tree, "closed/inner/kept.txt", "kept\n");
    for (folder, mode) in [("closed/inner", 0o555), ("closed", 0o500)] {
        fs::set_permissions(tree.join(folder), fs::Permissions::from_mode(mode)).unwrap();
    }
    let all = || names.map(|name| nature(&tree.join(name)));
    let before = all();
    there_and_back(&world, &agent).await;
    assert_eq!(all(), before);

    // And for good, closed or not.
    world.drive(&agent, Target::Gone).await;
    assert!(!tree.exists() && !agent.trash().exists());
}

/// Unmounts when it is dropped, wherever it has moved to.
struct Mount(Vec<std::path::PathBuf>);

impl Drop for Mount {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = Command::new("umount").arg(path).output();
        }
    }
}

#[tokio::test]
async fn what_is_mounted_inside_goes_along_and_is_never_emptied() {
    let world = Fixture::new();
    let agent = world.agent("agent-1");
    world.up(&agent).await;
    let outside = world.folder.path().join("outside");
    write(&outside, "precious.txt", "of somebody else\n");
    let inside = agent.path().join("deep/down");
    fs::create_dir_all(&inside).unwrap();
    let mounted = Command::new("mount").arg("--bind").args([&outside, &inside]).output().unwrap();
    if !mounted.status.success() {
        // Where everything is checked it has to be so.
        assert!(std::env::var_os("CI").is_none(), "only root may mount");
        return;
    }
    let trashed = agent.trash().join("deep/down");
    let mount = Mount(vec![inside.clone(), trashed.clone()]);
    world.drive(&agent, Target::Trashed).await;
    assert_eq!(fs::read_to_string(trashed.join("precious.txt")).unwrap(), "of somebody else\n");
    // For good it does not go while that is there.
    let purge = agent_harness_model::kinds::worktree::Action::Purge(agent.want.place.clone());
    let refused = world.apply(&agent, purge).await.unwrap_err();
    assert!(refused.message.contains("a file system is mounted at"), "{}", refused.message);
    assert_ne!(refused.class, Class::Indeterminate);
    assert_eq!(fs::read_to_string(outside.join("precious.txt")).unwrap(), "of somebody else\n");
    world.up(&agent).await;
    assert_eq!(fs::read_to_string(inside.join("precious.txt")).unwrap(), "of somebody else\n");
    drop(mount);
    world.drive(&agent, Target::Gone).await;
    assert_eq!(fs::read_to_string(outside.join("precious.txt")).unwrap(), "of somebody else\n");
}
