//! Where specs come from besides the folder that `ctl` writes: branches of Git repositories, and what is told of them.
//! Fetching them is the providers' affair, and what follows from a fetch the engine's.

use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::name_problem;

/// How often a repository is asked for news, unless told otherwise.
pub const INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// Specs in a branch of a Git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitSource {
    /// Where the repository is, as `git fetch` takes it.
    pub url: String,
    /// The branch; `None`: the one that the repository's `HEAD` names.
    pub branch: Option<String>,
    /// The folder of specs in it; empty: the top.
    pub path: PathBuf,
    /// Between two fetches.
    pub interval: std::time::Duration,
    /// What becomes of a history that does not contain the commit in force.
    pub rewritten: Rewritten,
    /// Who has to have signed a commit that is to come into force; `None`: nobody.
    pub signers: Option<Signers>,
}

/// What becomes of a rewritten history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rewritten {
    /// It comes into force as any other.
    #[default]
    Follow,
    /// The commit in force stays, and the status says so.
    Refuse,
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signers {
    /// Those in a file of the form of `ssh-keygen`'s `allowed_signers`.
    Ssh(PathBuf),
    /// Those whose public keys are in a file, as `gpg --export` writes it.
    Gpg(PathBuf),
}

/// Why words name no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceProblem {
    /// They have another form.
    #[error(
        "`{0}` is no source: write git:URL#BRANCH:PATH, such as git:https://example.org/team/specs.git#main:agents"
    )]
    Form(String),
    /// A password where everybody who lists processes sees it.
    #[error(
        "a URL with a password in it is seen by everybody who lists processes: leave the password out, and let git \
         get it from its credential helper"
    )]
    Password,
    /// The path is none within the repository.
    #[error("the path `{}` leads out of the repository: name a folder within it", .0.display())]
    Outside(PathBuf),
    /// The branch is no name of one.
    #[error("`{0}` is no name for a branch")]
    Branch(String),
    /// The name cannot be used.
    #[error("`{name}` is no name for a source: {why}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Two have one name.
    #[error(
        "two sources are called `{0}`: name them, as in --source one=git:… --source other=git:…"
    )]
    Twice(String),
}

impl GitSource {
    /// A branch of a repository, with what is usual for the rest.
    pub fn new(url: String, branch: Option<String>, path: &Path) -> Result<Self, SourceProblem> {
        if url.is_empty() || url.starts_with('-') {
            return Err(SourceProblem::Form(url));
        }
        if has_password(&url) {
            return Err(SourceProblem::Password);
        }
        let bad = |name: &String| {
            name.is_empty()
                || name.starts_with('-')
                || name.contains([':', '~', '^', ' ', '*', '\\'])
        };
        if let Some(bad) = branch.as_ref().filter(|name| bad(name)) {
            return Err(SourceProblem::Branch(bad.clone()));
        }
        let outside =
            path.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
        if outside {
            return Err(SourceProblem::Outside(path.to_path_buf()));
        }
        let path = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
        let (interval, rewritten, signers) = (INTERVAL, Rewritten::default(), None);
        Ok(Self { url, branch, path, interval, rewritten, signers })
    }

    /// The same with a path on this host made whole by `at`: git would look for it from our clone.
    pub fn with_whole_path(self, at: impl FnOnce(&Path) -> PathBuf) -> Self {
        // `host:path` is ssh's, unless a `/` comes before the colon.
        let first = self.url.split('/').next().unwrap_or_default();
        if first.contains(':') || self.url.starts_with('~') {
            return self;
        }
        let url = at(Path::new(&self.url)).display().to_string();
        Self { url, ..self }
    }

    /// The name that it gets where nobody names it: the last part of its URL.
    pub fn usual_name(&self) -> String {
        let last = self.url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
        let last = last.strip_suffix(".git").unwrap_or(last).to_lowercase();
        let name: String =
            last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let name = name.trim_matches('-');
        if name_problem(name).is_none() { name.to_owned() } else { "specs".to_owned() }
    }
}

/// Reads `[NAME=]git:URL[#BRANCH[:PATH]]`.
pub fn parse(words: &str) -> Result<(String, GitSource), SourceProblem> {
    let form = || SourceProblem::Form(words.to_owned());
    let (name, rest) = match words.split_once('=') {
        Some((name, rest)) if !name.contains(':') => (Some(name), rest),
        _ => (None, words),
    };
    let rest = rest.strip_prefix("git:").ok_or_else(form)?;
    let (url, branch, path) = match rest.rsplit_once('#') {
        None => (rest, None, ""),
        Some((url, at)) => {
            let (branch, path) = at.split_once(':').unwrap_or((at, ""));
            (url, (!branch.is_empty()).then(|| branch.to_owned()), path)
        }
    };
    if url.is_empty() {
        return Err(form());
    }
    let source = GitSource::new(url.to_owned(), branch, Path::new(path))?;
    let name = name.map_or_else(|| source.usual_name(), str::to_owned);
    check_name(&name)?;
    Ok((name, source))
}

/// Whether a source can have that name: its folder in the state folder has it, too.
pub fn check_name(name: &str) -> Result<(), SourceProblem> {
    match name_problem(name) {
        Some(why) => Err(SourceProblem::Name { name: name.to_owned(), why }),
        None => Ok(()),
    }
}

fn has_password(url: &str) -> bool {
    let authority = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    authority.and_then(|it| it.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}

/// A commit, as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// All of its id.
    pub id: String,
    /// Who wrote it.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

impl Commit {
    /// As much of its id as people say.
    pub fn short(&self) -> &str {
        short(&self.id)
    }
}

/// As much of the id of a commit as people say.
pub fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

/// How a source stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// What it is called.
    pub name: String,
    /// Where the repository is.
    pub url: String,
    /// The branch; `None`: the one that the repository's `HEAD` names.
    pub branch: Option<String>,
    /// The folder of specs in it; empty: the top.
    pub path: PathBuf,
    /// The commit in force; `None`: none was fetched yet.
    pub commit: Option<Commit>,
    /// Since when it is in force.
    pub in_force_since: Option<Timestamp>,
    /// The commit at the end of the branch, where that is not the one in force.
    pub refused: Option<Commit>,
    /// When the repository answered last.
    pub fetched_at: Option<Timestamp>,
    /// Why the last try did not bring what is there into force.
    pub error: Option<String>,
    /// Since when that is so.
    pub failing_since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        match parse(text) {
            Ok((name, it)) => {
                format!(
                    "{name}: {} {} {}",
                    it.url,
                    it.branch.as_deref().unwrap_or("-"),
                    it.path.display()
                )
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_path_on_this_host_is_made_whole_and_nothing_else() {
        let whole = |url: &str| {
            let source = GitSource::new(url.to_owned(), None, Path::new("")).unwrap();
            source.with_whole_path(|path| Path::new("/here").join(path)).url
        };
        assert_eq!(whole("specs"), "/here/specs");
        assert_eq!(whole("./a:b"), "/here/./a:b");
        assert_eq!(whole("/srv/specs"), "/srv/specs");
        for url in ["git@example.org:specs", "host:specs", "https://example.org/specs", "file:///s"]
        {
            assert_eq!(whole(url), url);
        }
    }

    #[test]
    fn a_source_is_written_in_one_word() {
        let all = [
            "git:https://example.org/team/specs.git#main:agents/now",
            "git:git@example.org:team/Their_Specs.git#release/7",
            "git:/srv/git/specs",
            "team=git:file:///srv/a#b.git#main",
            "git:ssh://git@example.org/specs#:./sub/",
            "git:https://me:secret@example.org/specs",
            "git:../specs#main:../etc",
            "git:../specs#a b",
            "git:#main",
            "git:--upload-pack=x",
            "Team=git:x",
            "svn:x",
        ];
        let all: Vec<String> =
            all.iter().map(|text| format!("{text}\n  {}", words(text))).collect();
        insta::assert_snapshot!(all.join("\n"), @"
        git:https://example.org/team/specs.git#main:agents/now
          specs: https://example.org/team/specs.git main agents/now
        git:git@example.org:team/Their_Specs.git#release/7
          their-specs: git@example.org:team/Their_Specs.git release/7 
        git:/srv/git/specs
          specs: /srv/git/specs - 
        team=git:file:///srv/a#b.git#main
          team: file:///srv/a#b.git main 
        git:ssh://git@example.org/specs#:./sub/
          specs: ssh://git@example.org/specs - sub
        git:https://me:secret@example.org/specs
          a URL with a password in it is seen by everybody who lists processes: leave the password out, and let git get it from its credential helper
        git:../specs#main:../etc
          the path `../etc` leads out of the repository: name a folder within it
        git:../specs#a b
          `a b` is no name for a branch
        git:#main
          `git:#main` is no source: write git:URL#BRANCH:PATH, such as git:https://example.org/team/specs.git#main:agents
        git:--upload-pack=x
          `--upload-pack=x` is no source: write git:URL#BRANCH:PATH, such as git:https://example.org/team/specs.git#main:agents
        Team=git:x
          `Team` is no name for a source: a name is written in lower case: `T` is not allowed
        svn:x
          `svn:x` is no source: write git:URL#BRANCH:PATH, such as git:https://example.org/team/specs.git#main:agents
        ");
    }
}
