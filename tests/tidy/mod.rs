//! The rules of the house, held by tests: what the compiler and clippy cannot say.

mod docs;
mod examples;
mod layers;
mod licences;
mod reference;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace")
}

/// The text of a file of the workspace.
#[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file below a folder of the workspace with that ending, relative to the workspace, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, ending, into);
            } else if path.extension().is_some_and(|e| e == ending) {
                into.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), ending, &mut found);
    found.sort();
    assert!(
        !found.is_empty(),
        "no .{ending} file below {folder}: the test looks in the wrong place"
    );
    found
}

/// What `cargo metadata` says of this platform.
fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let version = output(Command::new("rustc").arg("-vV"));
        let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let text = output(Command::new(env!("CARGO")).current_dir(root()).args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            host,
        ]));
        serde_json::from_str(&text).unwrap()
    })
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with all problems at once.
fn report(rule: &str, problems: &[String]) {
    assert!(problems.is_empty(), "{rule}:\n  {}", problems.join("\n  "));
}

/// Fails while a generated file of the workspace is behind; writes it when `UPDATE=1` is set.
#[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
fn generated(path: &str, text: &str) {
    let full = root().join(path);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&full, text).unwrap();
        return;
    }
    assert!(
        fs::read_to_string(&full).is_ok_and(|there| there == text),
        "{path} is behind the types: run `UPDATE=1 cargo test -p agent-harness-tests` and commit it"
    );
}
