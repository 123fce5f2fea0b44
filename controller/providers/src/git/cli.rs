//! Runs the user's own `git`: for what checks files out, where their filters and credentials matter.
//!
//! Never through a shell, never with a prompt, never with the repository's hooks or its file monitor:
//! both are programs that whoever writes to the repository could have put there
//! (`docs/decisions/013-no-git-hooks.md`). Which repository it is
//! is told, not found: the `.git` file of a tree can be replaced by whoever works there.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::child;
use super::error::GitError;

/// How much of what git said goes into an error.
const SAID_LINES: usize = 5;

/// What git says of a file that did not fit, without saying why.
const UNWRITTEN: &str = "unable to write file";

const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "worktree.useRelativePaths=false",
    "submodule.recurse=false",
];
/// `GIT_…` variables of the controller's own that say how to reach and trust, not where to work.
const KEPT: &[&str] = &[
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
];

/// How long git may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// One command.
    each: Duration,
    /// All of them.
    until: Option<Instant>,
}

impl Patience {
    /// For work: a checkout of a large tree takes minutes; one that waits for a network that is gone must
    /// end.
    pub const WORK: Self = Self { each: Duration::from_secs(15 * 60), until: None };

    /// For what comes from another machine, be it much.
    pub const FETCH: Self = Self { each: Duration::from_secs(5 * 60), until: None };

    /// For one look at a repository. All looks of a round end together, so that a slow tree must not keep
    /// the others from being seen.
    pub fn of_a_look() -> Self {
        let all = Duration::from_secs(5);
        Self { each: Duration::from_secs(3), until: Some(Instant::now() + all) }
    }

    fn left(&self) -> Duration {
        let all = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        all.unwrap_or(self.each).min(self.each)
    }
}

/// Where and how git is to work.
#[derive(Debug, Clone, Copy)]
pub struct Git<'a> {
    folder: &'a Path,
    admin: Option<&'a Path>,
    is_tree: bool,
    lock: Option<&'a File>,
    /// Where it writes files, when that is elsewhere.
    target: Option<&'a Path>,
    /// Where GnuPG has its keys, when that is not where the user has them.
    keys: Option<&'a Path>,
    patience: Patience,
}

impl<'a> Git<'a> {
    /// In a repository's git folder, or a worktree's, without a tree.
    pub fn of_repo(common: &'a Path) -> Self {
        Self {
            folder: common,
            admin: Some(common),
            is_tree: false,
            lock: None,
            target: None,
            keys: None,
            patience: Patience::WORK,
        }
    }

    /// In a tree with this git folder.
    pub fn of_tree(admin: &'a Path, folder: &'a Path) -> Self {
        Self { folder, admin: Some(admin), is_tree: true, ..Self::of_repo(folder) }
    }

    /// Wherever git itself finds a repository from, with its own checks of whose that is.
    pub fn found_from(folder: &'a Path) -> Self {
        Self { admin: None, ..Self::of_repo(folder) }
    }

    /// With the lock as its standard input, so that it is held as long as git works.
    pub fn locked(self, lock: &'a File) -> Self {
        Self { lock: Some(lock), ..self }
    }

    /// Writing files to another folder than that it works in.
    pub fn writing_to(self, target: &'a Path) -> Self {
        Self { target: Some(target), ..self }
    }

    /// With GnuPG's keys from a folder.
    pub fn with_keys(self, keys: &'a Path) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// With another patience than that for work.
    pub fn within(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Runs it and gives its standard output. Blocks.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Vec<u8>, GitError> {
        let ssh = self.ssh()?;
        let mut command = self.command(arguments)?;
        if let Some(ssh) = ssh {
            command.env("GIT_SSH_COMMAND", ssh);
        }
        let ended = self.finish(command, arguments)?;
        if ended.status.is_some_and(|status| status.success()) {
            return Ok(ended.stdout);
        }
        let mut said = said(&ended.stderr, ended.status.and_then(|status| status.code()));
        if said.contains(UNWRITTEN) {
            let target = self.target.unwrap_or(self.folder).display();
            said = format!("{said}; is the disk full? See whether there is room at {target}");
        }
        Err(GitError::Git { command: verb(arguments), repo: self.folder.to_path_buf(), said })
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Command, GitError> {
        let mut command = Command::new("git");
        if let Some(admin) = self.admin {
            command.arg(with("--git-dir=", admin));
        }
        if self.is_tree {
            command.arg(with("--work-tree=", self.folder));
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(arguments).current_dir(self.folder);
        if let Some(keys) = self.keys {
            command.env("GNUPGHOME", keys);
        }
        for (name, _) in std::env::vars_os() {
            let is_git = name.to_str().is_some_and(|name| name.starts_with("GIT_"));
            if is_git && !KEPT.iter().any(|kept| name == *kept) {
                command.env_remove(&name);
            }
        }
        let stdin = match self.lock {
            Some(file) => {
                Stdio::from(file.try_clone().map_err(GitError::system("lock", self.folder))?)
            }
            None => Stdio::null(),
        };
        command
            .envs([
                ("GIT_TERMINAL_PROMPT", "0"),
                ("GIT_OPTIONAL_LOCKS", "0"),
                ("LC_ALL", "C.UTF-8"),
            ])
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }

    /// What git is to reach other machines with, where nobody has said: ssh, but without asking for a
    /// password on whatever terminal the controller was started from.
    fn ssh(&self) -> Result<Option<&'static str>, GitError> {
        if ["GIT_SSH_COMMAND", "GIT_SSH"].iter().any(|name| std::env::var_os(name).is_some()) {
            return Ok(None);
        }
        let asked = ["config", "--get", "core.sshCommand"];
        let ended = self.finish(self.command(&asked)?, &asked)?;
        let is_set = ended.status.is_some_and(|status| status.success());
        Ok((!is_set).then_some("ssh -oBatchMode=yes"))
    }

    fn finish<S: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: &[S],
    ) -> Result<child::Ended, GitError> {
        let left = self.patience.left();
        let (command_line, repo) = (verb(arguments), self.folder.to_path_buf());
        if left.is_zero() {
            return Err(GitError::NoTime { command: command_line, repo });
        }
        let child = command.spawn().map_err(|source| {
            if self.folder.is_dir() {
                GitError::NoGit { source }
            } else {
                GitError::system("run git in", self.folder)(source)
            }
        })?;
        let ended = child::finish(child, Instant::now() + left)
            .map_err(GitError::system("wait for git in", self.folder))?;
        if ended.status.is_some() {
            return Ok(ended);
        }
        // Rounded up: what was left may have been less than a second.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Err(GitError::TimedOut { command: command_line, repo, seconds })
    }
}

fn with(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

/// The verb is enough to know what was done; the rest may be long.
fn verb<S: AsRef<OsStr>>(arguments: &[S]) -> String {
    let words: Vec<_> =
        arguments.iter().take(2).map(|word| word.as_ref().to_string_lossy()).collect();
    words.join(" ")
}

fn said(stderr: &[u8], code: Option<i32>) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return code.map_or("it was killed".to_owned(), |code| format!("exit code {code}"));
    }
    let first = lines.len().saturating_sub(SAID_LINES);
    lines.get(first..).unwrap_or_default().join("; ")
}

#[cfg(test)]
mod tests;
