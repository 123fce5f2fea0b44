//! A clone of ours that specs are read from: fetched by the user's own `git`, with whatever keys and helpers that has,
//! and read from the objects of one commit, never from files that anybody can change.
//!
//! Its files are checked out as well: template files that specs name lie there, and a Stack may take its worktrees from
//! it. Which commit that is to be is the engine's affair.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_harness_model::source::{Commit, Signers};
use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryInitOptions};
use jiff::Timestamp;

use super::child;
use super::cli::{Git, Patience};
use super::error::GitError;
use crate::fs::{self, FsError};

/// What git says of a branch that is not there.
const NO_BRANCH: &str = "couldn't find remote ref";
/// The folder of the keys whose signatures count, beside the git folder of a clone.
const KEYS: &str = "agent-harness-keys";
/// How long GnuPG may take for the keys.
const IMPORT: Duration = Duration::from_secs(60);

/// Why a source cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// The repository cannot be reached, or does not let us in.
    #[error("{url} cannot be fetched: {said}")]
    Unreachable {
        /// The repository.
        url: String,
        /// What git said.
        said: String,
    },
    /// It has no such branch.
    #[error("{url} has no branch `{branch}` (any more): push it, or name another one")]
    NoBranch {
        /// The repository.
        url: String,
        /// The branch.
        branch: String,
    },
    /// It names no branch as the usual one.
    #[error("{url} does not say which branch is meant: name one, as in git:{url}#main")]
    NoHead {
        /// The repository.
        url: String,
    },
    /// The commit has no such folder.
    #[error("commit {commit} has no folder `{}`: put it back, or name another path", path.display())]
    NoFolder {
        /// The commit, in short.
        commit: String,
        /// The folder.
        path: PathBuf,
    },
    /// Nobody whose signature counts has signed the commit.
    #[error("commit {commit} is not signed by anybody in {}: {said}", signers.display())]
    Unsigned {
        /// The commit, in short.
        commit: String,
        /// Whose signatures count.
        signers: PathBuf,
        /// What git said.
        said: String,
    },
}

/// One file in a folder of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file: what it holds.
    File(Vec<u8>),
    /// A file with more bytes than were asked for: how many.
    TooLarge(u64),
    /// A symlink: where it leads.
    Symlink(String),
}

/// A clone of ours.
#[derive(Debug, Clone, Copy)]
pub struct Clone<'a> {
    /// Where it is.
    pub folder: &'a Path,
    /// Where it comes from.
    pub url: &'a str,
}

impl Clone<'_> {
    /// Makes it, without anything in it, and lets it come from its URL.
    pub fn prepare(&self) -> Result<(), SourceError> {
        let lib = |what| GitError::lib(what, self.folder);
        fs::create_dir_all(self.folder, 0o700)?;
        let repo = match Repository::open(self.folder) {
            Ok(repo) => repo,
            Err(error) if error.code() == ErrorCode::NotFound => {
                let mut options = RepositoryInitOptions::new();
                // No hooks and the like from the user's templates.
                options.external_template(false).no_reinit(true);
                Repository::init_opts(self.folder, &options).map_err(lib("make the clone"))?
            }
            Err(error) => return Err(lib("open the clone")(error).into()),
        };
        let mut config = repo.config().map_err(lib("read the settings"))?;
        let wanted = [
            ("remote.origin.url", self.url),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
        ];
        for (name, value) in wanted {
            if config.get_string(name).ok().as_deref() != Some(value) {
                config.set_str(name, value).map_err(lib("set where the clone comes from"))?;
            }
        }
        Ok(())
    }

    /// Fetches a branch (`None`: the one that is the usual one there), and gives the commit at its end.
    pub fn fetch(&self, branch: Option<&str>) -> Result<String, SourceError> {
        let branch = match branch {
            Some(branch) => branch.to_owned(),
            None => self.usual_branch()?,
        };
        let spec = format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        let words = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "origin",
            &spec,
        ];
        self.git().run(&words).map_err(|error| match self.unreachable(error) {
            SourceError::Unreachable { said, .. } if said.contains(NO_BRANCH) => {
                SourceError::NoBranch { url: self.url.to_owned(), branch: branch.clone() }
            }
            error => error,
        })?;
        let repo = self.open()?;
        let head = repo
            .refname_to_id(&format!("refs/remotes/origin/{branch}"))
            .map_err(GitError::lib("look up what was fetched", self.folder))?;
        Ok(head.to_string())
    }

    fn usual_branch(&self) -> Result<String, SourceError> {
        let words = ["ls-remote", "--symref", "origin", "HEAD"];
        let told = self.git().run(&words).map_err(|error| self.unreachable(error))?;
        let told = String::from_utf8_lossy(&told);
        let named = told.lines().find_map(|line| {
            line.strip_prefix("ref: refs/heads/")?.split_once('\t').map(|(name, _)| name.to_owned())
        });
        named.ok_or_else(|| SourceError::NoHead { url: self.url.to_owned() })
    }

    fn unreachable(&self, error: GitError) -> SourceError {
        match error {
            GitError::Git { said, .. } => {
                SourceError::Unreachable { url: self.url.to_owned(), said }
            }
            GitError::TimedOut { seconds, .. } => SourceError::Unreachable {
                url: self.url.to_owned(),
                said: format!("it did not answer within {seconds} s"),
            },
            error => error.into(),
        }
    }

    /// A commit, as people know it.
    pub fn commit(&self, id: &str) -> Result<Commit, SourceError> {
        let lib = || GitError::lib("look up a commit", self.folder);
        let repo = self.open()?;
        let commit = repo.find_commit(oid(id).map_err(lib())?).map_err(lib())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Commit {
            id: id.to_owned(),
            author: text(commit.author().name_bytes()),
            subject: text(commit.summary_bytes().unwrap_or_default()),
            committed_at: Timestamp::from_second(commit.time().seconds()).unwrap_or_default(),
        })
    }

    /// Whether a commit has another one in its history.
    pub fn follows(&self, commit: &str, earlier: &str) -> Result<bool, SourceError> {
        let lib = || GitError::lib("compare two commits", self.folder);
        let repo = self.open()?;
        let (commit, earlier) = (oid(commit).map_err(lib())?, oid(earlier).map_err(lib())?);
        if commit == earlier {
            return Ok(true);
        }
        // One that was never fetched is in nobody's history.
        if !repo.odb().map_err(lib())?.exists(earlier) {
            return Ok(false);
        }
        Ok(repo.graph_descendant_of(commit, earlier).map_err(lib())?)
    }

    /// Whether somebody whose signature counts has signed a commit.
    pub fn verify(&self, commit: &str, signers: &Signers) -> Result<(), SourceError> {
        // Nobody else's keys: those of the user are for other things.
        let keys = self.folder.join(".git").join(KEYS);
        fs::remove_dir_all(&keys)?;
        fs::create_dir_all(&keys, 0o700)?;
        let (file, allowed) = match signers {
            Signers::Ssh(file) => (file, file.as_path()),
            Signers::Gpg(file) => (file, Path::new("/dev/null")),
        };
        // That it cannot be read is no answer about a signature.
        fs::read(file)?;
        let git = self.git().with_keys(&keys);
        if matches!(signers, Signers::Gpg(_)) {
            import(&keys, file)?;
        }
        let allowed = format!("gpg.ssh.allowedSignersFile={}", allowed.display());
        let words = ["-c", &allowed, "-c", "gpg.minTrustLevel=undefined", "verify-commit", commit];
        git.run(&words).map(drop).map_err(|error| match error {
            GitError::Git { said, .. } => SourceError::Unsigned {
                commit: agent_harness_model::source::short(commit).to_owned(),
                signers: file.clone(),
                said: if said.starts_with("exit code") {
                    "it has no signature".to_owned()
                } else {
                    said
                },
            },
            error => error.into(),
        })
    }

    /// The files that lie in a folder of a commit itself, without those in folders below, as far as `wanted` wants their
    /// names. Of those with more bytes than `most`, how many they have.
    pub fn files(
        &self,
        commit: &str,
        path: &Path,
        most: u64,
        wanted: impl Fn(&Path) -> bool,
    ) -> Result<BTreeMap<String, Entry>, SourceError> {
        let lib = || GitError::lib("read the files of a commit", self.folder);
        let repo = self.open()?;
        let root = repo
            .find_commit(oid(commit).map_err(lib())?)
            .and_then(|commit| commit.tree())
            .map_err(lib())?;
        let no_folder = || SourceError::NoFolder {
            commit: agent_harness_model::source::short(commit).to_owned(),
            path: path.to_path_buf(),
        };
        let tree = if path.as_os_str().is_empty() {
            root
        } else {
            let entry = root.get_path(path).map_err(|error| match error.code() {
                ErrorCode::NotFound => no_folder(),
                _ => lib()(error).into(),
            })?;
            if entry.kind() != Some(ObjectType::Tree) {
                return Err(no_folder());
            }
            repo.find_tree(entry.id()).map_err(lib())?
        };
        let objects = repo.odb().map_err(lib())?;
        let mut files = BTreeMap::new();
        for entry in &tree {
            let Ok(name) = entry.name() else { continue };
            if entry.kind() != Some(ObjectType::Blob) || !wanted(Path::new(name)) {
                continue;
            }
            let (size, _) = objects.read_header(entry.id()).map_err(lib())?;
            let read = if size as u64 > most {
                Entry::TooLarge(size as u64)
            } else {
                let bytes = objects.read(entry.id()).map_err(lib())?.data().to_vec();
                if entry.filemode() == i32::from(git2::FileMode::Link) {
                    Entry::Symlink(String::from_utf8_lossy(&bytes).into_owned())
                } else {
                    Entry::File(bytes)
                }
            };
            files.insert(name.to_owned(), read);
        }
        Ok(files)
    }

    /// Puts the files of a commit into its folder. What lies there besides stays.
    pub fn check_out(&self, commit: &str) -> Result<(), SourceError> {
        let words = ["checkout", "--quiet", "--force", "--detach", commit];
        let admin = self.folder.join(".git");
        Git::of_tree(&admin, self.folder).run(&words)?;
        Ok(())
    }

    fn open(&self) -> Result<Repository, GitError> {
        Repository::open(self.folder).map_err(GitError::lib("open the clone", self.folder))
    }

    fn git(&self) -> Git<'_> {
        Git::found_from(self.folder).within(Patience::FETCH)
    }
}

/// Puts public keys into a keyring of its own.
fn import(keyring: &Path, keys: &Path) -> Result<(), SourceError> {
    let system = |source| GitError::system("import the keys of", keys)(source);
    let mut command = Command::new("gpg");
    let plain = ["--batch", "--quiet", "--no-autostart", "--no-permission-warning", "--import"];
    command.arg("--homedir").arg(keyring).args(plain).arg(keys);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let until = Instant::now() + IMPORT;
    let ended = command.spawn().and_then(|child| child::finish(child, until)).map_err(system)?;
    if ended.status.is_some_and(|status| status.success()) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr).trim().replace('\n', "; ");
    Err(system(io::Error::other(format!("gpg says: {said}"))).into())
}

fn oid(text: &str) -> Result<Oid, git2::Error> {
    Oid::from_str(text)
}

#[cfg(test)]
mod tests;
