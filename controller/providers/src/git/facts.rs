//! What the engine has to know of a repository before it can resolve a spec. Changes nothing; blocks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use agent_harness_model::hash;
use git2::{ErrorCode, ObjectType, TreeWalkMode, TreeWalkResult};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::cli::{Git, Patience};
use super::error::GitError;
use super::repo::Repo;

/// So many answers are kept; a few Stacks with a few commits each.
const KEPT: usize = 256;

/// Characters that make a path a pattern.
const SPECIAL: [char; 5] = ['*', '?', '[', '{', '\\'];

type Key = (PathBuf, String, Vec<String>);

/// What git says of itself: `git version 2.39.5`.
pub fn version() -> Result<String, GitError> {
    let anywhere = Git::found_from(Path::new("/")).within(Patience::of_a_look());
    let said = anywhere.run(&["--version"])?;
    Ok(String::from_utf8_lossy(&said).trim().to_owned())
}

/// The full id of the commit that `base` means in the repository now.
pub fn base_commit(repo: &Path, base: &str) -> Result<String, GitError> {
    Repo::open(repo)?.commit(base)
}

/// A hash over all files of a commit that match one of the patterns: their paths, modes and contents.
/// `*` stops at `/`, `**` does not. The answer for a full commit id never changes and is kept.
pub fn inputs_hash(repo: &Path, commit: &str, globs: &[String]) -> Result<String, GitError> {
    static CACHE: OnceLock<Mutex<HashMap<Key, String>>> = OnceLock::new();
    let cache = CACHE.get_or_init(Mutex::default);
    let key = (repo.to_path_buf(), commit.to_owned(), globs.to_vec());
    if let Some(known) = cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(known.clone());
    }
    let repo = Repo::open(repo)?;
    let full = repo.commit(commit)?;
    let hash = hash_inputs(&repo, &full, globs)?;
    // An abbreviated id or a branch may mean another commit tomorrow.
    if full == commit {
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= KEPT {
            cache.clear();
        }
        cache.insert(key, hash.clone());
    }
    Ok(hash)
}

fn hash_inputs(repo: &Repo, commit: &str, globs: &[String]) -> Result<String, GitError> {
    // A partial clone has the commit, but not all of its folders.
    let lib = |what| {
        move |error: git2::Error| match error.code() {
            ErrorCode::NotFound => {
                GitError::Incomplete { repo: repo.path.clone(), commit: commit.to_owned() }
            }
            _ => GitError::lib(what, &repo.path)(error),
        }
    };
    let matcher = matcher(globs).map_err(|error| GitError::Git {
        command: "ls-tree".into(),
        repo: repo.path.clone(),
        said: error.to_string(),
    })?;
    let prefix = |glob: &String| match literal(glob) {
        Some(path) => path.to_owned(),
        None => literal_folder(glob),
    };
    let prefixes: Vec<String> = globs.iter().map(prefix).collect();
    let tree = repo
        .git
        .revparse_single(commit)
        .and_then(|object| object.peel_to_tree())
        .map_err(lib("read a commit"))?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let mut path = folder.as_bytes().to_vec();
        path.extend_from_slice(entry.name_bytes());
        let text = String::from_utf8_lossy(&path).into_owned();
        if entry.kind() == Some(ObjectType::Tree) {
            return if prefixes.iter().any(|prefix| leads_to(&text, prefix)) {
                TreeWalkResult::Ok
            } else {
                TreeWalkResult::Skip
            };
        }
        if matcher.is_match(&text) {
            parts.push(path);
            parts.push(format!("{:o} {}", entry.filemode(), entry.id()).into_bytes());
        }
        TreeWalkResult::Ok
    })
    .map_err(lib("list a commit's files"))?;
    Ok(hash::parts(parts))
}

/// Patterns as the harness reads them everywhere: `*` stops at `/`, and a path without any special character is a file
/// or all that lies below a folder.
pub fn matcher(globs: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    let mut add = |glob: &str| {
        set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
        Ok::<_, globset::Error>(())
    };
    for glob in globs {
        match literal(glob) {
            Some("") => add("**")?,
            Some(path) => {
                add(path)?;
                add(&format!("{path}/**"))?;
            }
            None => add(glob)?,
        }
    }
    set.build()
}

/// The path that a pattern without any special character is; empty: the top folder.
pub fn literal(glob: &str) -> Option<&str> {
    (!glob.contains(SPECIAL)).then(|| match glob.trim_end_matches('/') {
        "." => "",
        path => path,
    })
}

/// The folders of a pattern before its first special character: `a/b` of `a/b/**/*.sql`.
pub fn literal_folder(glob: &str) -> String {
    let mut folders: Vec<&str> = glob.split('/').collect();
    folders.pop();
    let plain = |part: &&str| !part.contains(SPECIAL);
    folders.into_iter().take_while(plain).collect::<Vec<_>>().join("/")
}

/// Whether something below `folder` can match a pattern that begins with `prefix`.
fn leads_to(folder: &str, prefix: &str) -> bool {
    let below = |path: &str, parent: &str| {
        parent.is_empty()
            || path == parent
            || path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
    };
    below(folder, prefix) || below(prefix, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_can_hold_a_match_are_entered() {
        assert_eq!(literal_folder("a/b/**/*.sql"), "a/b");
        assert_eq!(literal_folder("pnpm-lock.yaml"), "");
        assert_eq!(literal_folder("a/b.txt"), "a");
        assert_eq!(literal("a/b/"), Some("a/b"));
        assert_eq!(literal("./"), Some(""));
        assert_eq!(literal("a/*"), None);
        assert!(leads_to("a", "a/b"));
        assert!(leads_to("a/b/c", "a/b"));
        assert!(!leads_to("ab", "a/b"));
        assert!(!leads_to("a/bc", "a/b"));
    }
}
