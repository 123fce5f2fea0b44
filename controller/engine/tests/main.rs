//! The program as its user meets it: words and exit codes of verbs that need no server.
//! That it works with servers is what the end-to-end tests of the workspace show; because this file is
//! here, `cargo test --workspace` builds the program for them.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::path::Path;
use std::process::{Command, Output};

fn controller(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_controller"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_word_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let output = controller(folder.path(), &["rnu"]);
    assert_eq!(output.status.code(), Some(2), "{}", words(&output));
}

#[test]
fn once_names_the_file_and_line_that_keep_it_from_being_ready() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("specs")).unwrap();
    let spec = "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: agent-1}\n\
                spec: {stack: nowhere}\n";
    let file = std::fs::File::create(folder.path().join("specs/agent-1.yaml")).unwrap();
    std::io::Write::write_all(&mut &file, spec.as_bytes()).unwrap();
    let output = controller(folder.path(), &["once", "--specs", "specs", "--timeout", "3s"]);
    let said = words(&output);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("agent-1.yaml:4") && said.contains("nowhere"), "{said}");
}

#[test]
fn down_ends_what_was_never_begun() {
    let folder = tempfile::tempdir().unwrap();
    let output = controller(folder.path(), &["down", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
}

/// A home folder with a repository, the specs of one agent with a worktree of it and nothing else, and what is
/// written for it there.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(home.at("specs")).unwrap();
        std::fs::create_dir(home.at("trees")).unwrap();
        home.git("init", &["-q", "-b", "main", "repo"]);
        let commit = ["-q", "--allow-empty", "-m", "first"];
        let who = ["-c", "user.name=A", "-c", "user.email=a@localhost", "commit"];
        home.git("-C", &[&["repo"], who.as_slice(), commit.as_slice()].concat());
        home
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn git(&self, first: &str, rest: &[&str]) {
        let mut git = Command::new("git");
        let done = git.arg(first).args(rest).current_dir(self.0.path()).status().unwrap();
        assert!(done.success());
    }

    /// Brings everything to what is wanted with the worktree from this repository, at this path.
    fn once(&self, repo: &str, trees: &str) -> String {
        let head = |kind: &str| format!("apiVersion: agent-harness.dev/v1alpha1\nkind: {kind}\n");
        let stack = head("Stack")
            + "metadata: {name: app}\nspec:\n  worktree: {"
            + &format!("repo: ~/{repo}, base: main, path: '~/{trees}/${{agent.name}}'}}\n")
            + "  files: {notes.md: {content: 'for ${agent.name}'}}\n";
        let agent = head("Agent") + "metadata: {name: agent-1}\nspec: {stack: app}\n";
        for (name, text) in [("specs/stack.yaml", stack), ("specs/agent.yaml", agent)] {
            let mut file = std::fs::File::create(self.at(name)).unwrap();
            std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        }
        let arguments = ["once", "--specs", "specs", "--timeout", "60s"];
        let output = controller(self.0.path(), &arguments);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(0), "{said}");
        said
    }
}

#[test]
fn a_worktree_stays_where_it_is_when_its_repository_or_folder_gets_another_name() {
    use std::os::unix::fs::{MetadataExt as _, symlink};

    let home = Home::new();
    symlink(home.at("repo"), home.at("alias")).unwrap();
    symlink(home.at("trees"), home.at("by")).unwrap();
    home.once("repo", "trees");
    let tree = home.at("trees/agent-1");
    std::fs::File::create(tree.join("work.txt")).unwrap();
    // Whoever moves away and comes back, or is written anew, changed since.
    let times = || {
        [tree.clone(), tree.join("work.txt"), tree.join("notes.md"), home.at("trees")].map(|path| {
            let at = std::fs::metadata(path).unwrap();
            (at.ino(), at.ctime(), at.ctime_nsec())
        })
    };
    let before = times();
    for (repo, trees) in [("alias", "trees"), ("repo", "by"), ("alias", "trees"), ("repo", "trees")]
    {
        let said = home.once(repo, trees);
        assert_eq!(times(), before, "{repo} and {trees}: {said}");
    }
}
