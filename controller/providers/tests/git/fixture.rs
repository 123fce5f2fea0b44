//! A real repository in a temporary folder, and the loop of look, diff, apply over it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::worktree::{Action, Checkout, Desired, Observed, Place, Worktree};
use agent_harness_model::kinds::{self, Have, Kind as _, Resource, Target, Verdict};
use agent_harness_model::world::{ApplyError, Ask, Class, Record, Seen};
use agent_harness_providers::git::GitProvider;
use agent_harness_providers::provider::{Context, Provider as _};
use tempfile::TempDir;

pub const INSTALLATION: &str = "i-test";

pub struct Fixture {
    pub folder: TempDir,
    pub repo: PathBuf,
    pub provider: GitProvider,
    connections: Connections,
}

/// One agent's worktree.
pub struct Agent {
    pub id: ResourceId,
    pub want: Desired,
}

impl Fixture {
    /// A repository with two commits on `main`.
    pub fn new() -> Self {
        Self::in_folder("repo")
    }

    pub fn in_folder(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = folder.path().join(name);
        make_repo(&repo);
        Self { folder, repo, provider: GitProvider::new(), connections: Connections::default() }
    }

    pub fn agent(&self, name: &str) -> Agent {
        self.agent_of(&self.repo, name)
    }

    pub fn agent_of(&self, repo: &Path, name: &str) -> Agent {
        let place =
            Place { repo: repo.to_path_buf(), path: self.folder.path().join("trees").join(name) };
        Agent {
            id: ResourceId {
                owner: ObjectKey::agent(name),
                uid: Uid::new(format!(
                    "0000-{:0>8}",
                    name.len() + name.bytes().map(usize::from).sum::<usize>()
                )),
                kind: ResourceKind::Worktree,
                name: "worktree".into(),
            },
            want: Desired {
                place,
                fingerprint: "f".into(),
                checkout: Checkout::Branch { branch: format!("agent/{name}"), base: "main".into() },
                exclude: vec!["/.env.agent".into()],
            },
        }
    }

    fn context(&self) -> Context<'_> {
        Context::new(&self.connections, INSTALLATION)
    }

    pub async fn see(&self, agent: &Agent, wanted: bool) -> Seen<Option<Observed>> {
        let place = kinds::Place::Worktree(agent.want.place.clone());
        let want = Resource::Worktree(Arc::new(agent.want.clone()));
        let record = Record::default();
        let ask =
            Ask { id: &agent.id, place: &place, want: wanted.then_some(&want), record: &record };
        match self.provider.observe(&self.context(), &[ask]).await.get(&agent.id) {
            Seen::Known(None) => Seen::Known(None),
            Seen::Known(Some(Have::Worktree(seen))) => Seen::Known(Some(seen.clone())),
            Seen::Known(Some(other)) => panic!("{other:?}"),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }

    pub async fn known(&self, agent: &Agent) -> Option<Observed> {
        match self.see(agent, true).await {
            Seen::Known(seen) => seen,
            Seen::Unknown(why) => panic!("{why}"),
        }
    }

    pub async fn apply(&self, agent: &Agent, action: Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), &agent.id, &kinds::Action::Worktree(action)).await
    }

    /// The branches that were there before, as they are told of.
    pub fn old(&self, agent: &Agent) -> Vec<String> {
        let old = self.provider.take_old(&agent.id.owner);
        old.into_iter().map(|(_, old)| old.to_string()).collect()
    }

    pub async fn verdict(&self, agent: &Agent, target: &Target<Desired>) -> Verdict<Action> {
        let wanted = matches!(target, Target::Present(_));
        match self.see(agent, wanted).await {
            Seen::Known(have) => Worktree::diff(target, &agent.want.place, have.as_ref()),
            Seen::Unknown(why) => panic!("{why}"),
        }
    }

    /// Looks and acts until there is nothing left to do; gives what was done. What will pass is tried again, as the
    /// engine does: whatever another test starts just now has all that is open here, for a moment.
    pub async fn drive(&self, agent: &Agent, target: Target<Desired>) -> Vec<String> {
        let mut done = Vec::new();
        let until = Instant::now() + Duration::from_secs(20);
        while done.len() < 8 {
            match self.verdict(agent, &target).await {
                Verdict::Settled => return done,
                Verdict::Change(changes) => {
                    for (action, _) in changes {
                        let what = action.to_string();
                        match self.apply(agent, action).await {
                            Ok(()) => done.push(what),
                            Err(error) if error.class == Class::Transient => {
                                assert!(Instant::now() < until, "{error}");
                                break;
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
                other => panic!("{other:?} after {done:?}"),
            }
        }
        panic!("never settles: {done:?}");
    }

    pub async fn up(&self, agent: &Agent) -> Vec<String> {
        self.drive(agent, Target::Present(Arc::new(agent.want.clone()))).await
    }

    /// The same for a tree that somebody works in on no branch, and that stays so.
    pub async fn up_detached(&self, agent: &Agent) -> Vec<String> {
        let mut done = Vec::new();
        let target = Target::Present(Arc::new(agent.want.clone()));
        while let Verdict::Change(changes) = self.verdict(agent, &target).await {
            for (action, _) in changes {
                done.push(action.to_string());
                self.apply(agent, action).await.unwrap();
            }
        }
        done
    }

    /// Everything that git keeps for the worktree of this agent.
    pub fn admin(agent: &Agent) -> PathBuf {
        let mark = Mark { installation: INSTALLATION.into(), uid: agent.id.uid.clone() };
        let folder = agent.want.place.repo.join(".git/worktrees");
        let mine =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(|admin| {
                std::fs::read_to_string(admin.join("locked"))
                    .is_ok_and(|text| text.trim() == mark.to_string())
            });
        mine.unwrap()
    }
}

impl Agent {
    pub fn path(&self) -> &Path {
        &self.want.place.path
    }

    pub fn trash(&self) -> PathBuf {
        let path = self.path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let unique = format!("{name}-{}-{}", self.id.uid.short(), self.tag());
        path.parent().unwrap().join(".trash").join(unique)
    }

    /// What tells its repository apart in names.
    pub fn tag(&self) -> String {
        let repo = self.want.place.repo.as_os_str().as_encoded_bytes();
        blake3::hash(repo).to_hex()[..8].to_owned()
    }
}

pub fn make_repo(repo: &Path) {
    std::fs::create_dir_all(repo).unwrap();
    git(repo, &["init", "-q", "-b", "main"]);
    write(repo, "a.txt", "one\n");
    write(repo, "dir/b.txt", "b\n");
    write(repo, ".gitignore", "*.log\n");
    git(repo, &["add", "."]);
    git(repo, &["commit", "-qm", "first"]);
    write(repo, "a.txt", "two\n");
    git(repo, &["commit", "-qam", "second"]);
}

pub fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Runs git as a user would, with an identity of its own.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = try_git(folder, arguments);
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub fn try_git(folder: &Path, arguments: &[&str]) -> std::process::Output {
    Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .envs([
            ("GIT_AUTHOR_NAME", "A"),
            ("GIT_AUTHOR_EMAIL", "a@example.org"),
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
            ("GIT_EDITOR", "true"),
        ])
        .output()
        .unwrap()
}

/// Every file below a folder: its mode and bytes, or where its link leads.
pub fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    fn enter(root: &Path, folder: &Path, all: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let bytes = if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                enter(root, &path, all);
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            let name = path.strip_prefix(root).unwrap().to_path_buf();
            all.insert(name, (metadata.permissions().mode(), bytes));
        }
    }
    let mut all = BTreeMap::new();
    enter(folder, folder, &mut all);
    all
}
