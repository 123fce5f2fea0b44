//! How source files look.

use std::path::{Path, PathBuf};

use super::{files, read, report, root};

/// The most lines of a file; the tests of a module, which are tables, may have more.
const MOST_LINES: usize = 500;

fn sources() -> Vec<PathBuf> {
    ["controller", "examples", "tests"].iter().flat_map(|folder| files(folder, "rs")).collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    let problems: Vec<_> = sources()
        .iter()
        .filter(|file| !read(file).starts_with("//! "))
        .map(|file| file.display().to_string())
        .collect();
    report("a file starts with a `//!` head: what it does, what it leaves to others", &problems);
}

#[test]
fn no_file_is_too_long() {
    let problems: Vec<_> = sources()
        .iter()
        .filter(|file| !is_test(file))
        .map(|file| (file, read(file).lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    report(&format!("a file has at most {MOST_LINES} lines"), &problems);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let problems: Vec<_> = ["controller", "examples", "tests"]
        .iter()
        .flat_map(|folder| files(folder, "toml"))
        .filter(|file| file.ends_with("Cargo.toml"))
        // The shim may hold `unsafe`, so it has a table of its own.
        .filter(|file| file != Path::new("controller/shim/Cargo.toml"))
        .filter(|file| !read(file).contains("[lints]\nworkspace = true"))
        .map(|file| file.display().to_string())
        .collect();
    report("`[lints] workspace = true` is missing", &problems);
}

#[test]
fn lints_are_lifted_with_a_reason_only() {
    let lifts = [
        "unwrap_used",
        "expect_used",
        "print_stdout",
        "print_stderr",
        "unsafe_code",
        "disallowed_methods",
    ];
    let problems: Vec<_> = sources()
        .iter()
        .filter(|file| !is_test(file))
        .flat_map(|file| {
            let text = read(file);
            let lifted: Vec<_> = attributes(&text)
                .filter(|attribute| lifts.iter().any(|lint| attribute.contains(lint)))
                .filter(|attribute| !attribute.contains("reason ="))
                .map(|attribute| format!("{}: {attribute}", file.display()))
                .collect();
            lifted
        })
        .collect();
    report("a lint is lifted without `reason = …`", &problems);
}

/// The `allow` and `expect` attributes of a file.
fn attributes(text: &str) -> impl Iterator<Item = &str> {
    ["[allow(", "[expect("].into_iter().flat_map(|start| {
        text.match_indices(start).map(|(at, _)| {
            let rest = &text[at..];
            &rest[..rest.find(")]").map_or(rest.len(), |end| end + 2)]
        })
    })
}

fn is_test(file: &Path) -> bool {
    file.starts_with("tests")
        || file.components().any(|part| {
            let part = part.as_os_str();
            part == "tests" || part == "tests.rs" || part == "testkit"
        })
}

#[test]
fn ci_script_can_be_run_and_runs_the_readme_s_tests() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(root().join(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, ".ci/run needs its run bit");
    assert!(read("README.md").contains("\ncargo test --workspace\n"));
    assert!(read(".ci/run").contains("\ncargo test --locked --workspace --no-fail-fast\n"));
    assert!(read(".github/workflows/ci.yml").contains("run: .ci/run"));
}
