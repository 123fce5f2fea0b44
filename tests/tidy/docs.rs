//! The documents name things that exist.

use super::{files, read, report, root};

/// Folders and files at the root that a path in a document may start with.
const ROOTS: [&str; 7] =
    ["controller/", "docs/", "examples/", "schemas/", "specs/", "tests/", ".ci/"];

#[test]
fn paths_in_documents_exist() {
    let mut documents = files("docs", "md");
    documents.extend(["README.md", "CONTRIBUTING.md", "specs/README.md"].map(Into::into));
    documents
        .extend(["parse-server", "mlflow"].map(|it| format!("examples/{it}/README.md").into()));
    let mut problems = Vec::new();
    for document in documents {
        for word in code_words(&read(&document)) {
            let path = word.split("::").next().unwrap_or(&word).trim_end_matches('/');
            let is_path = ROOTS.iter().any(|root| word.starts_with(root));
            let is_pattern = path.contains(['*', '{', '<', '$', ' ']) || path.contains("NAME");
            if is_path && !is_pattern && !root().join(path).exists() {
                problems.push(format!("{}: {word}", document.display()));
            }
        }
    }
    report("documents name files that do not exist", &problems);
}

/// An invariant reads: `**Invariant.** …` and ends with `Held by` and `file::test` names.
#[test]
fn every_invariant_names_the_test_that_holds_it() {
    let text = read("docs/architecture.md");
    let mut problems = Vec::new();
    let invariants: Vec<&str> = text.split("**Invariant:").skip(1).collect();
    assert!(invariants.len() > 5, "the invariants are not where this test looks for them");
    for invariant in invariants {
        let end = invariant.find("\n\n").unwrap_or(invariant.len());
        let invariant = &invariant[..end];
        let title = invariant.lines().next().unwrap_or_default();
        let Some((_, holders)) = invariant.split_once("Held by") else {
            problems.push(format!("{title}: no `Held by`"));
            continue;
        };
        let holders = code_words(holders);
        if holders.is_empty() {
            problems.push(format!("{title}: names no test"));
        }
        for holder in holders {
            let known = match holder.split_once("::") {
                Some((file, test)) => {
                    root().join(file).is_file() && read(file).contains(&format!("fn {test}("))
                }
                None => root().join(&holder).is_file(),
            };
            if !known {
                problems.push(format!("{title}: {holder} does not exist"));
            }
        }
    }
    report("an invariant is held by a test that exists", &problems);
}

/// The words in backticks.
fn code_words(text: &str) -> Vec<String> {
    let mut inside_block = false;
    let mut words = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside_block = !inside_block;
        } else if !inside_block {
            words.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    words
}
