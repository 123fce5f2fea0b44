//! Generated files in real worktrees.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_harness_model::desired::Connections;
use agent_harness_model::hash;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::file::{Action, Desired, File, Observed, Place};
use agent_harness_model::kinds::{self, Have, Kind as _, Resource, Target, Verdict};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::files::FilesProvider;
use agent_harness_providers::provider::{Context, Provider as _};
use tempfile::TempDir;

use crate::git::fixture::{git, make_repo, write};

struct World {
    folder: TempDir,
    provider: FilesProvider,
    connections: Connections,
    record: Record,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_repo(&folder.path().join("repo"));
        Self {
            folder,
            provider: FilesProvider::new(),
            connections: Connections::default(),
            record: Record::default(),
        }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn want(&self, path: &str, content: &str, mode: u32) -> Desired {
        Desired {
            place: Place { root: self.root(), path: path.into() },
            fingerprint: hash::content(content.as_bytes()),
            content: content.into(),
            mode,
        }
    }

    fn id() -> ResourceId {
        ResourceId {
            owner: ObjectKey::agent("agent-1"),
            uid: Uid::new("0000-00000001"),
            kind: ResourceKind::File,
            name: "file".into(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.connections, "i-test")
    }

    async fn see(&self, want: &Desired) -> Option<Observed> {
        let (id, place) = (Self::id(), kinds::Place::File(want.place.clone()));
        let resource = Resource::File(Arc::new(want.clone()));
        let ask = Ask { id: &id, place: &place, want: Some(&resource), record: &self.record };
        match self.provider.observe(&self.context(), &[ask]).await.get(&id) {
            Seen::Known(None) => None,
            Seen::Known(Some(Have::File(seen))) => Some(seen.clone()),
            other => panic!("{other:?}"),
        }
    }

    async fn apply(&self, action: Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), &Self::id(), &kinds::Action::File(action)).await
    }

    /// Looks and acts until nothing is left to do; gives what was done.
    async fn drive(&mut self, want: &Desired) -> Vec<String> {
        let mut done = Vec::new();
        let target = Target::Present(Arc::new(want.clone()));
        for _ in 0..4 {
            let have = self.see(want).await;
            match File::diff(&target, &want.place, have.as_ref()) {
                Verdict::Settled => {
                    self.record.applied = Some(want.fingerprint.clone());
                    return done;
                }
                Verdict::Change(changes) => {
                    for (action, _) in changes {
                        done.push(action.to_string());
                        self.record.intended = Some(want.fingerprint.clone());
                        self.apply(action).await.unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("never settles: {done:?}");
    }

    async fn foreign(&self, path: &str) -> String {
        let want = self.want(path, "x", 0o644);
        let root = self.root();
        let said = match self.see(&want).await {
            Some(Observed::Foreign(what)) => what,
            other => panic!("{path}: {other:?}"),
        };
        let error = self.apply(Action::Write(Arc::new(want))).await.unwrap_err();
        assert_eq!((error.class, &error.message), (Class::Conflict, &said));
        said.replace(root.to_str().unwrap(), "/R")
    }
}

fn read(path: &Path) -> (String, u32) {
    let mode = std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    (std::fs::read_to_string(path).unwrap(), mode)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".git")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_written_changed_and_its_mode_mended() {
    let mut world = World::new();
    let path = world.root().join("sub dir/ü/.env");
    let one = world.want("sub dir/ü/.env", "A=1\n", 0o600);
    assert_eq!(world.drive(&one).await, ["write"]);
    assert_eq!(read(&path), ("A=1\n".into(), 0o600));
    assert_eq!(world.drive(&one).await, Vec::<String>::new());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(world.drive(&one).await, ["write"]);
    assert_eq!(read(&path).1, 0o600);
    let two = world.want("sub dir/ü/.env", "A=2\n", 0o640);
    assert_eq!(world.drive(&two).await, ["write"]);
    assert_eq!(read(&path), ("A=2\n".into(), 0o640));
    assert_eq!(names(path.parent().unwrap()), [".env"]);
    world.see(&two).await;
    world.apply(Action::Remove(two.place.clone())).await.unwrap();
    world.apply(Action::Remove(two.place.clone())).await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn what_somebody_else_wrote_is_kept_aside_and_once() {
    let mut world = World::new();
    let root = world.root();
    let want = world.want(".env", "ours\n", 0o600);
    world.drive(&want).await;
    let edited = hash::content(b"edited\n");
    let kept = format!(".env.kept-{}", &edited[2..10]);
    for _ in 0..2 {
        write(&root, ".env", "edited\n");
        std::fs::set_permissions(root.join(".env"), PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(world.drive(&want).await, ["keep the edited one aside and write"]);
        assert_eq!(read(&root.join(".env")), ("ours\n".into(), 0o600));
        // It may hold the same secrets.
        assert_eq!(read(&root.join(&kept)), ("edited\n".into(), 0o600));
        let owner = World::id().owner;
        assert_eq!(world.provider.take_kept(&owner), [(World::id(), root.join(&kept))]);
        assert_eq!(world.provider.take_kept(&owner), [], "it is told once");
        assert_eq!(names(&root), [".env", &kept, ".gitignore", "a.txt", "dir"]);
    }
    // What nobody else could read before stays so, whoever may read the new one.
    let open = world.want(".env", "open\n", 0o644);
    world.drive(&open).await;
    write(&root, ".env", "for me alone\n");
    std::fs::set_permissions(root.join(".env"), PermissionsExt::from_mode(0o600)).unwrap();
    world.drive(&open).await;
    let closed = format!(".env.kept-{}", &hash::content(b"for me alone\n")[2..10]);
    assert_eq!(read(&root.join(closed)), ("for me alone\n".into(), 0o600));
    world.drive(&want).await;
    // Another file that has the name already stays as well.
    write(&root, ".env", "edited\n");
    write(&root, &kept, "not that\n");
    world.drive(&want).await;
    assert_eq!(read(&root.join(&kept)).0, "not that\n");
    assert_eq!(read(&root.join(format!("{kept}-2"))).0, "edited\n");
}

#[tokio::test]
async fn an_edit_between_the_look_and_the_write_is_kept() {
    let mut world = World::new();
    let root = world.root();
    world.drive(&world.want(".env", "one\n", 0o600)).await;
    let two = world.want(".env", "two\n", 0o600);
    assert!(matches!(world.see(&two).await, Some(Observed::Present { ours: true, .. })));
    write(&root, ".env", "an edit in between\n");
    world.apply(Action::Write(Arc::new(two.clone()))).await.unwrap();
    assert_eq!(read(&root.join(".env")).0, "two\n");
    let kept = hash::content(b"an edit in between\n");
    assert_eq!(read(&root.join(format!(".env.kept-{}", &kept[2..10]))).0, "an edit in between\n");
    // And a removal does not take what it did not see.
    world.see(&two).await;
    write(&root, ".env", "once more\n");
    let error = world.apply(Action::Remove(two.place.clone())).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert_eq!(read(&root.join(".env")).0, "once more\n");
}

#[tokio::test]
async fn what_a_cut_write_left_is_kept_unless_it_is_ours() {
    let mut world = World::new();
    let root = world.root();
    world.drive(&world.want(".env", "one\n", 0o600)).await;
    let left = root.join(".env.kept-other");
    let temporary = root.join("..env.harness-tmp");
    // The crash came before the swap, and after it.
    for ours in ["tw", "one\n"] {
        std::fs::write(&temporary, ours).unwrap();
        let text = if ours == "tw" { "two\n" } else { "three\n" };
        if ours == "one\n" {
            world.record.applied = Some(hash::content(b"one\n"));
            write(&root, ".env", "one\n");
        }
        world.drive(&world.want(".env", text, 0o600)).await;
        assert_eq!(names(&root), [".env", ".gitignore", "a.txt", "dir"]);
    }
    // Somebody's edit came out of the swap, and nobody was there any more to keep it.
    std::fs::write(&temporary, "edited\n").unwrap();
    world.drive(&world.want(".env", "four\n", 0o600)).await;
    let kept = root.join(format!(".env.kept-{}", &hash::content(b"edited\n")[2..10]));
    assert_eq!(read(&kept).0, "edited\n");
    std::fs::create_dir(&temporary).unwrap();
    std::fs::write(temporary.join("theirs"), "theirs").unwrap();
    world.drive(&world.want(".env", "five\n", 0o600)).await;
    assert_eq!(read(&left.join("theirs")).0, "theirs");
    assert_eq!(read(&root.join(".env")).0, "five\n");
}

#[tokio::test]
async fn a_file_in_a_conflict_is_tracked() {
    let world = World::new();
    let root = world.root();
    for (branch, text) in [("other", "theirs\n"), ("main", "ours\n")] {
        if branch == "other" {
            git(&root, &["checkout", "-q", "-b", "other"]);
        } else {
            git(&root, &["checkout", "-q", "main"]);
        }
        write(&root, ".env", text);
        git(&root, &["add", "-f", ".env"]);
        git(&root, &["commit", "-qm", branch]);
    }
    assert!(!crate::git::fixture::try_git(&root, &["merge", "-q", "other"]).status.success());
    assert!(world.foreign(".env").await.contains("is tracked by git"));
}

#[tokio::test]
async fn what_is_not_ours_to_write_is_named() {
    let world = World::new();
    let root = world.root();
    let outside = world.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    write(&outside, "victim", "victim\n");
    symlink(&outside, root.join("way-out")).unwrap();
    symlink(outside.join("victim"), root.join("link")).unwrap();
    symlink("/nowhere", root.join("dangling")).unwrap();
    std::fs::create_dir(root.join("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), rustix::fs::Mode::RWXU).unwrap();

    let mut said = Vec::new();
    for path in [
        "a.txt",
        "way-out/victim",
        "link",
        "dangling",
        "folder",
        "pipe",
        "a.txt/x",
        "../outside/victim",
    ] {
        said.push(world.foreign(path).await);
    }
    assert_eq!(
        said,
        [
            "/R/a.txt is tracked by git and is not written over; choose another name under `files`",
            "/R/way-out is a symlink, and those are not followed: write the path without it",
            "/R/link is a symlink: remove it, or choose another name under `files`",
            "/R/dangling is a symlink: remove it, or choose another name under `files`",
            "/R/folder is a folder: move it away, or choose another name under `files`",
            "/R/pipe is no regular file: remove it, or choose another name under `files`",
            "/R/a.txt is not a folder: move it away, or choose another path under `files`",
            "/R/../outside/victim leaves the worktree: write a path inside it",
        ]
    );
    assert_eq!(std::fs::read_to_string(outside.join("victim")).unwrap(), "victim\n");
    assert_eq!(names(&outside), ["victim"]);
}

#[tokio::test]
async fn a_tracked_file_stays_the_projects_also_when_it_becomes_tracked_later() {
    let mut world = World::new();
    let root = world.root();
    std::fs::remove_file(root.join("a.txt")).unwrap();
    assert!(world.foreign("a.txt").await.contains("is tracked by git"));
    let want = world.want(".env", "ours\n", 0o644);
    world.drive(&want).await;
    git(&root, &["add", "-f", ".env"]);
    assert!(matches!(world.see(&want).await, Some(Observed::Foreign(_))));
    git(&root, &["rm", "-q", "--cached", ".env"]);
    assert_eq!(world.drive(&want).await, Vec::<String>::new());
    // An index that only git itself can read.
    git(&root, &["add", "-f", ".env"]);
    git(&root, &["update-index", "--split-index"]);
    assert!(matches!(world.see(&want).await, Some(Observed::Foreign(_))));
    assert!(world.foreign("./dir/./b.txt").await.contains("is tracked by git"));
}

#[tokio::test]
async fn an_index_that_is_a_pipe_holds_nobody_up() {
    let world = World::new();
    let root = world.root();
    let index = root.join(".git/index");
    let aside = root.join(".git/aside");
    std::fs::rename(&index, &aside).unwrap();
    let want = world.want(".env", "x", 0o644);
    for through_a_link in [false, true] {
        let pipe = root.join(".git/pipe");
        if through_a_link {
            std::fs::rename(&index, &pipe).unwrap();
            symlink(&pipe, &index).unwrap();
        } else {
            rustix::fs::mkfifoat(rustix::fs::CWD, &index, rustix::fs::Mode::RWXU).unwrap();
        }
        let error = world.apply(Action::Write(Arc::new(want.clone()))).await.unwrap_err();
        assert_eq!(
            error.message.replace(root.to_str().unwrap(), "/R"),
            "cannot ask git about /R/.env: /R/.git/index is no file: move it away"
        );
        assert!(!root.join(".env").exists());
    }
    // A link to an index is one.
    std::fs::remove_file(&index).unwrap();
    symlink(&aside, &index).unwrap();
    assert!(world.foreign("a.txt").await.contains("is tracked by git"));
}

#[tokio::test]
async fn without_the_worktree_there_is_no_file_and_none_is_made() {
    let world = World::new();
    let mut want = world.want(".env", "x", 0o600);
    want.place.root = world.folder.path().join("not-there");
    assert_eq!(world.see(&want).await, None);
    let error = world.apply(Action::Write(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert!(!want.place.root.exists());
}
