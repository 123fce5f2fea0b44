//! What exactly is in a worktree at this moment: its commit, and the hash of all files that Git would take. Nothing is
//! written, neither to its index nor to the repository.

use std::path::Path;

use git2::{ErrorCode, IndexAddOption, Repository};

use super::error::GitError;

/// What is in a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The commit that is checked out; `None`: there is none yet.
    pub commit: Option<String>,
    /// The branch; `None`: none is checked out.
    pub branch: Option<String>,
    /// The tree that a commit of everything would have.
    pub tree: String,
    /// Whether that is another one than the commit has.
    pub dirty: bool,
}

/// Looks. Blocks, for as long as Git takes for a status.
pub fn content(worktree: &Path) -> Result<Content, GitError> {
    let lib = |what| GitError::lib(what, worktree);
    let repo = Repository::open(worktree).map_err(lib("open the worktree"))?;
    let (mut commit, mut branch, mut committed) = (None, None, None);
    match repo.head() {
        Ok(head) => {
            branch = head.is_branch().then(|| head.shorthand().ok().map(str::to_owned)).flatten();
            let found = head.peel_to_commit().map_err(lib("look up the commit"))?;
            commit = Some(found.id().to_string());
            committed = Some(found.tree_id());
        }
        Err(error) if error.code() == ErrorCode::UnbornBranch => {}
        Err(error) => return Err(lib("look up the commit")(error)),
    }
    // Objects that are only to be hashed stay in memory.
    let objects = repo.odb().map_err(lib("open the objects"))?;
    objects.add_new_mempack_backend(1000).map_err(lib("keep objects in memory"))?;
    let mut index = repo.index().map_err(lib("read the index"))?;
    // Takes out of it, too, what is gone.
    index.add_all(["*"], IndexAddOption::DEFAULT, None).map_err(lib("read the files"))?;
    let tree = index.write_tree().map_err(lib("hash the files"))?;
    Ok(Content { commit, branch, tree: tree.to_string(), dirty: committed != Some(tree) })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_tree_is_the_one_that_a_commit_of_everything_would_have() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            let who =
                ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"];
            let done = command.args(who).args(words).current_dir(root).output().unwrap();
            assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        };
        git(&["init"]);
        assert_eq!(content(root).unwrap().commit, None);
        std::fs::write(root.join("a"), "one").unwrap();
        std::fs::write(root.join(".gitignore"), "ignored\n").unwrap();
        std::fs::write(root.join("gone"), "soon").unwrap();
        git(&["add", "."]);
        git(&["commit", "-m", "first"]);
        let clean = content(root).unwrap();
        assert_eq!(clean.commit, Some(git(&["rev-parse", "HEAD"])));
        assert_eq!(clean.branch.as_deref(), Some("main"));
        assert_eq!((clean.tree.clone(), clean.dirty), (git(&["rev-parse", "HEAD^{tree}"]), false));

        std::fs::write(root.join("ignored"), "is not counted").unwrap();
        assert_eq!(content(root).unwrap(), clean);
        std::fs::write(root.join("a"), "two").unwrap();
        std::fs::write(root.join("new"), "file").unwrap();
        std::fs::remove_file(root.join("gone")).unwrap();
        let before = (git(&["status", "--porcelain"]), git(&["count-objects"]));
        let dirty = content(root).unwrap();
        assert!(dirty.dirty);
        assert_eq!((git(&["status", "--porcelain"]), git(&["count-objects"])), before);
        git(&["add", "--all"]);
        assert_eq!(dirty.tree, git(&["write-tree"]));
    }
}
