//! The files that are written into a worktree: where they lie, and who may write to them.

use std::collections::BTreeMap;

use super::lint::Lint;
use crate::spec::File;

/// Everything that is wrong with them.
pub(super) fn check(lint: &mut Lint<'_>, files: &BTreeMap<String, File>) {
    let mut paths: BTreeMap<String, &str> = BTreeMap::new();
    for (name, file) in files {
        lint.exactly_one(&["files", name], &["from", "content"]);
        let path = ["files", name.as_str()];
        let plain = without_detours(name);
        if plain.is_empty() || name.starts_with('~') || name.starts_with('/') || climbs(name) {
            lint.key(
                &path,
                format!("the file {name:?} would lie outside of the worktree"),
                "write a path relative to the worktree, without `..`",
            );
        } else if name.contains(char::is_control) {
            lint.key(
                &path,
                format!("{name:?} is no path: it contains a control character"),
                "write the path in one line of plain text",
            );
        } else if plain == ".git" || plain.starts_with(".git/") {
            lint.key(&path, "files inside `.git` are git's own", "choose another path");
        } else if let Some(other) = paths.insert(plain, name) {
            lint.key(
                &path,
                format!("`{name}` and `{other}` are the same file"),
                "remove one of them",
            );
        }
        if file.mode.is_some_and(|mode| mode.0 & 0o002 != 0) {
            lint.value(
                &["files", name, "mode"],
                "everybody on this host could write to the file",
                "write a mode such as \"0644\" or \"0600\"",
            );
        }
    }
    for (plain, name) in &paths {
        if let Some(outer) = folders(plain).find_map(|folder| paths.get(folder)) {
            lint.key(&["files", name], folder_message(name, outer), FOLDER_HELP);
        }
    }
}

/// That a mode shows a secret to everybody.
pub(crate) const OPEN_SECRET: &str = "the file holds a secret, and everybody could read it";

/// What to do about it.
pub(crate) const OPEN_SECRET_HELP: &str = "write mode \"0600\", or leave it out";

/// What to do about a file in the place of a folder.
pub(crate) const FOLDER_HELP: &str = "rename one of them, or move it to another folder";

/// That the file `outer` stands where `name` needs a folder.
pub(crate) fn folder_message(name: &str, outer: &str) -> String {
    format!("`{name}` cannot lie in `{outer}`, which is a file here and not a folder")
}

/// The folders that a path lies in, the outermost first.
pub(crate) fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| &path[..end])
}

/// A relative path without `.` and doubled `/`.
pub(crate) fn without_detours(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}
