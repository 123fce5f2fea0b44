//! The template files that specs name: whether they are there, which the rules of the specs cannot see.

use std::io;
use std::path::{Path, PathBuf};

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::node::Node;
use agent_harness_model::spec::parse::Document;
use agent_harness_model::template::names_in;

/// Every `from` whose file the controller would not find. Where a name in it is replaced for each agent, only the
/// controller can tell. `folder`: where the relative paths of a file start, if that is not where it lies.
pub fn missing<'a>(
    documents: &[Document],
    folder: impl Fn(&str) -> Option<&'a Path>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for document in documents {
        let files = document.node.find(&["spec", "files"]);
        for entry in files.into_iter().flat_map(Node::entries) {
            let Some(from) = entry.value.entry("from") else { continue };
            let Some(text) = from.value.as_str().filter(|text| names_in(text).is_empty()) else {
                continue;
            };
            let beside = || Path::new(document.file.as_ref()).parent().unwrap_or(Path::new(""));
            let path = place_of(folder(&document.file).unwrap_or_else(beside), text);
            if let Some(why) = unusable(&path) {
                problems.push(
                    Diagnostic::at(from.place(), why)
                        .help("a relative path starts at the folder of the spec file")
                        .of(document.key.clone()),
                );
            }
        }
    }
    problems
}

/// Where a path lies that a spec names whose relative paths start in a folder.
fn place_of(folder: &Path, text: &str) -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default();
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            home().join(rest.trim_start_matches('/'))
        }
        _ => folder.join(text.replace("$$", "$")),
    }
}

/// Why a file is no template, in the controller's words.
fn unusable(path: &Path) -> Option<String> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => None,
        Ok(_) => Some(format!("{shown} is not a regular file, and so not a template")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("there is no file {shown}"))
        }
        Err(error) => Some(format!("cannot look at {shown}: {error}")),
    }
}
