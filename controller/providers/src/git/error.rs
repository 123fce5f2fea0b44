//! What can go wrong with a repository or a worktree.

use std::io;
use std::path::{Path, PathBuf};

use agent_harness_model::world::ApplyError;

use crate::Class;
use crate::fs::{FsError, remedy};

/// Work on a repository that failed.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is nothing at the repository's path.
    #[error("there is no repository at {}: create or clone it there, or change worktree.repo", repo.display())]
    NoRepo { repo: PathBuf },
    /// Nor is the folder that it would be in.
    #[error(
        "whether {} is gone cannot be told, because {} is not there either: mount its volume, or make that folder if \
         all of it is gone for good",
        path.display(),
        folder.display()
    )]
    Away { path: PathBuf, folder: PathBuf },
    /// There is something else at the repository's path.
    #[error(
        "{} is not the top folder of a git repository: run `git init` there, or change worktree.repo",
        repo.display()
    )]
    NotARepo { repo: PathBuf },
    /// The repository belongs to another user.
    #[error(
        "{} belongs to another user, and git refuses to work in it: run the controller as that user. Whoever can \
         write to it can run programs as you once you trust it; only if that is right, say so with `git config \
         --global --add safe.directory {}`",
        repo.display(),
        repo.display()
    )]
    Owner { repo: PathBuf },
    /// The repository is of a form that the library does not know.
    #[error(
        "{} uses the git extension {extension}, which this controller cannot work with: {}",
        repo.display(),
        without(extension, repo)
    )]
    Extension { repo: PathBuf, extension: String },
    /// The base of a new branch is not known to the repository.
    #[error(
        "the base {base} does not exist in {}: fetch it with `git -C {} fetch`, or change worktree.base",
        repo.display(),
        repo.display()
    )]
    NoBase { repo: PathBuf, base: String },
    /// A clone without all folders of a commit.
    #[error(
        "{} does not have all folders of commit {commit}, as after a clone with `--filter=tree:0`: `git -C {} ls-tree \
         -r {commit}` fetches them",
        repo.display(),
        repo.display()
    )]
    Incomplete { repo: PathBuf, commit: String },
    /// The branch's name is not one that git takes.
    #[error("`{branch}` is no name for a branch: change worktree.branch")]
    BadBranch { branch: String },
    /// A branch can be checked out in one tree only.
    #[error(
        "the branch {branch} is checked out at {} already: switch that tree to another branch, or change worktree.branch",
        at.display()
    )]
    BranchElsewhere { branch: String, at: PathBuf },
    /// Something that is not ours is at the worktree's path.
    #[error("{} {what}", path.display())]
    Occupied { path: PathBuf, what: String },
    /// The tree holds work.
    #[error("{} stays as it is: {why}", path.display())]
    Busy { path: PathBuf, why: String },
    /// A process works in the tree.
    #[error(
        "{} is in use: it is the working folder of pid {pid} (`{command}`); end that program or let it leave the folder",
        path.display()
    )]
    Inhabited { path: PathBuf, pid: i32, command: String },
    /// A lock file whose owner may be alive.
    #[error(
        "{} is not removed, because pid {pid} (`{command}`) may need it; tried again later",
        path.display()
    )]
    InUse { path: PathBuf, pid: i32, command: String },
    /// A file system is mounted in or on the tree.
    #[error("{} cannot go: a file system is mounted at {}; unmount it", path.display(), mount.display())]
    Mounted { path: PathBuf, mount: PathBuf },
    /// Git does not know a worktree of ours there.
    #[error("{} is not a worktree of ours any more; it was left alone", path.display())]
    NotOurs { path: PathBuf },
    /// An orphaned git command still works in the repository.
    #[error("another git command of a controller still works in {}; tried again later", repo.display())]
    Locked { repo: PathBuf },
    /// Git said no.
    #[error("`git {command}` in {} failed: {said}", repo.display())]
    Git { command: String, repo: PathBuf, said: String },
    /// Git is not there.
    #[error("cannot run git: install it, or put it on the controller's PATH")]
    NoGit {
        #[source]
        source: io::Error,
    },
    /// Git took too long and was ended.
    #[error("`git {command}` in {} did not end within {seconds} s and was stopped", repo.display())]
    TimedOut { command: String, repo: PathBuf, seconds: u64 },
    /// All the time that there was is used up.
    #[error("there was no time left for `git {command}` in {}; tried again later", repo.display())]
    NoTime { command: String, repo: PathBuf },
    /// The git library said no.
    #[error("cannot {what} in {}{}", repo.display(), remedy(kind_of(source)))]
    Lib {
        what: &'static str,
        repo: PathBuf,
        #[source]
        source: git2::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A system call failed.
    #[error("cannot {what} {}{}", path.display(), remedy(source.kind()))]
    System {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A test ended the action here, as a crash would.
    #[error("cut short by a test before {before}")]
    Cut { before: &'static str },
}

impl GitError {
    pub(super) fn lib(what: &'static str, repo: &Path) -> impl FnOnce(git2::Error) -> Self {
        let repo = repo.to_path_buf();
        move |source| Self::Lib { what, repo, source }
    }

    pub(crate) fn system(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::System { what, path, source }
    }

    /// When to try again.
    pub fn class(&self) -> Class {
        match self {
            Self::NoRepo { .. }
            | Self::NotARepo { .. }
            | Self::Owner { .. }
            | Self::Extension { .. }
            | Self::NoBase { .. }
            | Self::Incomplete { .. }
            | Self::BadBranch { .. }
            | Self::NoGit { .. } => Class::Terminal,
            Self::BranchElsewhere { .. } | Self::Occupied { .. } | Self::NotOurs { .. } => {
                Class::Conflict
            }
            Self::Busy { .. } | Self::Inhabited { .. } | Self::Mounted { .. } => Class::Blocked,
            Self::Away { .. }
            | Self::Locked { .. }
            | Self::InUse { .. }
            | Self::NoTime { .. }
            | Self::Git { .. } => Class::Transient,
            Self::Lib { source, .. } => class_of(kind_of(source)),
            Self::System { source, .. } => class_of(source.kind()),
            Self::TimedOut { .. } | Self::Cut { .. } => Class::Indeterminate,
            Self::File(error) => error.class(),
        }
    }

    /// Whether the repository cannot serve until somebody changes it or the spec.
    pub(super) fn is_unusable(&self) -> bool {
        matches!(
            self,
            Self::NoRepo { .. }
                | Self::NotARepo { .. }
                | Self::Owner { .. }
                | Self::Extension { .. }
                | Self::NoBase { .. }
                | Self::Incomplete { .. }
                | Self::BadBranch { .. }
        )
    }

    /// The whole chain in one line.
    pub(super) fn words(&self) -> String {
        ApplyError::from_error(self.class(), self).message
    }
}

/// What needs a person does not pass by itself.
fn class_of(kind: io::ErrorKind) -> Class {
    match kind {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Class::Terminal,
        _ => Class::Transient,
    }
}

/// The library tells a system error in words alone, which are those of the C library.
fn kind_of(error: &git2::Error) -> io::ErrorKind {
    const WORDS: &[(&str, io::ErrorKind)] = &[
        ("Permission denied", io::ErrorKind::PermissionDenied),
        ("Operation not permitted", io::ErrorKind::PermissionDenied),
        ("Read-only file system", io::ErrorKind::ReadOnlyFilesystem),
        ("No space left on device", io::ErrorKind::StorageFull),
        ("Disk quota exceeded", io::ErrorKind::QuotaExceeded),
    ];
    let said = |(words, _): &&(&str, io::ErrorKind)| error.message().contains(words);
    WORDS.iter().find(said).map_or(io::ErrorKind::Other, |(_, kind)| *kind)
}

/// How a repository does without an extension.
fn without(extension: &str, repo: &Path) -> String {
    let git = format!("git -C {}", repo.display());
    match extension {
        "partialclone" => format!(
            "git of today does not need it; `{git} config remote.origin.promisor true` and then `{git} config \
             --unset extensions.partialclone` take it out"
        ),
        "relativeworktrees" => format!(
            "`{git} worktree repair --no-relative-paths` and then `{git} config --unset \
             extensions.relativeWorktrees` take it out"
        ),
        _ => "clone it anew without, or change worktree.repo".to_owned(),
    }
}

impl From<GitError> for ApplyError {
    fn from(error: GitError) -> Self {
        Self::from_error(error.class(), &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_person_is_not_tried_again_in_vain_and_names_the_path() {
        let denied = git2::Error::new(
            git2::ErrorCode::GenericError,
            git2::ErrorClass::Os,
            "could not open '/r/.git/config' for reading: Permission denied",
        );
        let error = GitError::lib("open the repository", Path::new("/r"))(denied);
        assert_eq!(error.class(), Class::Terminal);
        let words = error.words();
        assert!(
            words.starts_with("cannot open the repository in /r (no permission: check"),
            "{words}"
        );
        assert!(words.contains("/r/.git/config"), "{words}");
        let of = |kind: io::ErrorKind| GitError::system("lock", Path::new("/r/x"))(kind.into());
        assert_eq!(of(io::ErrorKind::PermissionDenied).class(), Class::Terminal);
        assert_eq!(of(io::ErrorKind::StorageFull).class(), Class::Transient);
        assert!(of(io::ErrorKind::ReadOnlyFilesystem).words().contains("/r/x (the file system is"));
    }
}
