//! A repository as we need it: its worktree entries, its branches, its commits.
//!
//! Worktree entries are read from their files: that is far cheaper than to open each of them.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use agent_harness_model::id::Mark;
use agent_harness_model::layout::normal;
use git2::ErrorCode;

use super::error::GitError;
use crate::fs;

/// A repository that can be worked with.
pub struct Repo {
    /// Its path as users wrote it.
    pub path: PathBuf,
    /// The folder that all its worktrees share, canonical.
    pub common: PathBuf,
    pub(super) git: git2::Repository,
}

/// What git knows of one linked worktree.
#[derive(Debug, Clone)]
pub struct Entry {
    /// `COMMON/worktrees/ID`
    pub admin: PathBuf,
    /// Where git believes its folder to be; `None` in the first instant of an `add`.
    pub folder: Option<PathBuf>,
    /// The mark in the reason of its lock.
    pub mark: Option<Mark>,
}

impl Repo {
    /// Opens the repository whose top folder is `path`.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        let git = git2::Repository::open(path).map_err(|source| match source.code() {
            ErrorCode::Owner => GitError::Owner { repo: path.to_path_buf() },
            ErrorCode::NotFound => match fs::metadata(path) {
                Ok(None) => GitError::NoRepo { repo: path.to_path_buf() },
                Ok(Some(_)) => GitError::NotARepo { repo: path.to_path_buf() },
                Err(error) => GitError::File(error),
            },
            _ => match extension(&source) {
                Some(extension) => GitError::Extension { repo: path.to_path_buf(), extension },
                None => GitError::lib("open the repository", path)(source),
            },
        })?;
        let common = canonical(git.commondir())?;
        Ok(Self { path: path.to_path_buf(), common, git })
    }

    /// All linked worktrees, in the order of their ids.
    pub fn entries(&self) -> Result<Vec<Entry>, GitError> {
        let mut entries = Vec::new();
        for admin in fs::list_dir(self.common.join("worktrees"))? {
            let Some(folder) = read_trimmed(&admin.join("gitdir"))? else {
                let mark = self.mark(&admin)?;
                entries.push(Entry { admin, folder: None, mark });
                continue;
            };
            let link = normal(&admin.join(folder));
            let folder = link.parent().map(Path::to_path_buf);
            let mark = self.mark(&admin)?;
            entries.push(Entry { admin, folder, mark });
        }
        Ok(entries)
    }

    #[allow(clippy::unused_self)]
    fn mark(&self, admin: &Path) -> Result<Option<Mark>, GitError> {
        let reason = read_trimmed(&admin.join("locked"))?;
        Ok(reason.as_deref().and_then(|reason| Mark::parse(reason.to_str()?)))
    }

    /// The commit at the tip of a local branch; `None`: there is no such branch.
    pub fn branch(&self, name: &str) -> Result<Option<String>, GitError> {
        self.reference(&format!("refs/heads/{name}"))
    }

    /// The commit that a full reference name leads to.
    pub fn reference(&self, name: &str) -> Result<Option<String>, GitError> {
        match self.git.refname_to_id(name) {
            Ok(id) => Ok(Some(id.to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(GitError::lib("look up a branch", &self.path)(error)),
        }
    }

    /// The commit that a revision means.
    pub fn commit(&self, revision: &str) -> Result<String, GitError> {
        let no_base = || GitError::NoBase { repo: self.path.clone(), base: revision.to_owned() };
        let object = self.git.revparse_single(revision).map_err(|error| match error.code() {
            ErrorCode::NotFound
            | ErrorCode::InvalidSpec
            | ErrorCode::UnbornBranch
            | ErrorCode::Ambiguous => no_base(),
            _ => GitError::lib("look up the base", &self.path)(error),
        })?;
        let commit = object.peel_to_commit().map_err(|_| no_base())?;
        Ok(commit.id().to_string())
    }

    /// How many commits one has that the other has not, the other way round, and the second at which the first was made.
    pub fn distance(&self, one: &str, other: &str) -> Result<(usize, usize, i64), GitError> {
        let look = || {
            let (one, other) = (git2::Oid::from_str(one)?, git2::Oid::from_str(other)?);
            let (ahead, behind) = self.git.graph_ahead_behind(one, other)?;
            Ok((ahead, behind, self.git.find_commit(one)?.time().seconds()))
        };
        look().map_err(GitError::lib("compare a branch with its base", &self.path))
    }

    /// Where a branch is checked out, or held by an unfinished rebase or bisect, but in `except`.
    pub fn holder(&self, branch: &str, except: Option<&Path>) -> Result<Option<PathBuf>, GitError> {
        let bare = self.git.config().and_then(|config| config.get_bool("core.bare"));
        if !bare.unwrap_or(false) && holds(&self.common, branch)? {
            let top = self.common.parent().filter(|_| self.common.ends_with(".git"));
            return Ok(Some(top.unwrap_or(&self.path).to_path_buf()));
        }
        for entry in self.entries()? {
            if except != Some(&entry.admin) && holds(&entry.admin, branch)? {
                return Ok(Some(entry.folder.unwrap_or(entry.admin)));
            }
        }
        Ok(None)
    }
}

/// The extension for which the library refuses a repository.
fn extension(error: &git2::Error) -> Option<String> {
    let message = error.message();
    if message.starts_with("unknown object format") {
        return Some("objectformat".to_owned());
    }
    let (_, name) = message.split_once("unsupported extension name extensions.")?;
    Some(name.trim().to_ascii_lowercase())
}

/// Files of a git folder that name the branch which it works on.
pub const BRANCH_FILES: &[&str] =
    &["HEAD", "rebase-merge/head-name", "rebase-apply/head-name", "BISECT_START"];

fn holds(git_folder: &Path, branch: &str) -> Result<bool, GitError> {
    let full = format!("refs/heads/{branch}");
    for file in BRANCH_FILES {
        let Some(text) = read_trimmed(&git_folder.join(file))? else { continue };
        let bytes = text.as_bytes();
        let name = bytes.strip_prefix(b"ref: ".as_slice()).unwrap_or(bytes);
        if name == full.as_bytes() || (*file == "BISECT_START" && name == branch.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A file's content without its line end; no such file is `None`.
pub fn read_trimmed(path: &Path) -> Result<Option<std::ffi::OsString>, GitError> {
    // Whoever works in a tree could have put a pipe in the place of its files: nobody waits for a writer.
    let mut file = match fs::open_without_waiting(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let system = |error| GitError::system("read", path)(error);
    if !file.metadata().map_err(system)?.is_file() {
        let what = "is no file: move it away".to_owned();
        return Err(GitError::Occupied { path: path.to_path_buf(), what });
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(system)?;
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(Some(std::ffi::OsString::from_vec(bytes)))
}

fn is_absent(error: &fs::FsError) -> bool {
    error.is_not_found() || error.kind() == std::io::ErrorKind::NotADirectory
}

/// The path that is meant, with every symlink followed.
pub fn canonical(path: &Path) -> Result<PathBuf, GitError> {
    std::fs::canonicalize(path).map_err(GitError::system("look at", path))
}

/// The path with every symlink of its existing parents followed; its own last part stays.
pub fn canonical_parent(path: &Path) -> Result<PathBuf, GitError> {
    let mut rest = Vec::new();
    let mut parent = path;
    while let (Some(above), Some(name)) = (parent.parent(), parent.file_name()) {
        rest.push(name);
        parent = above;
        match std::fs::canonicalize(parent) {
            Ok(real) => {
                return Ok(rest.iter().rev().fold(real, |path, name| path.join(name)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(GitError::system("look at", parent)(error)),
        }
    }
    Ok(path.to_path_buf())
}

/// Which git folder the `.git` file of a worktree's folder names; `None` when it has no such file.
pub fn link(folder: &Path) -> Result<Option<PathBuf>, GitError> {
    let path = folder.join(".git");
    match fs::metadata(&path)? {
        Some(metadata) if metadata.is_file() => {}
        _ => return Ok(None),
    }
    let Some(text) = read_trimmed(&path)? else { return Ok(None) };
    Ok(text
        .as_bytes()
        .strip_prefix(b"gitdir: ".as_slice())
        .map(|target| normal(&folder.join(OsStr::from_bytes(target)))))
}
