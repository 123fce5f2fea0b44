//! Where things lie that the controller and `ctl` both look for: the state folder, the parts of it that both read,
//! and the spec files of a folder. Pure: what the environment says is an argument.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The control socket, in the state folder.
pub const SOCKET: &str = "control.sock";

/// The folder of status files.
pub const STATUS: &str = "status";

/// The folder of what happened.
pub const EVENTS: &str = "events";

/// The folder of logs, with one folder for each object.
pub const LOGS: &str = "logs";

/// What is wrong with specs and is in no object's status.
pub const PROBLEMS: &str = "problems.yaml";

/// The state folder that was named, else `$XDG_STATE_HOME/agent-harness`, else `~/.local/state/agent-harness`. What is
/// empty counts as not said, and XDG has relative paths ignored.
pub fn state_folder(
    named: Option<PathBuf>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    let said = |path: &PathBuf| !path.as_os_str().is_empty();
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(said);
    named.filter(said).or_else(|| {
        let base = folder("XDG_STATE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".local/state")))?;
        Some(base.join("agent-harness"))
    })
}

/// `.` and `..` taken out without looking at the disk.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether a file of that name is read as a spec: `*.yaml` and `*.yml`, no dot-files.
pub fn is_spec_name(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().first() == Some(&b'.'));
    !hidden && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_one_named_else_it_follows_xdg() {
        let folder = |named: Option<&str>, xdg: Option<&str>, home: Option<&str>| {
            state_folder(named.map(PathBuf::from), |name| match name {
                "XDG_STATE_HOME" => xdg.map(OsString::from),
                _ => home.map(OsString::from),
            })
        };
        assert_eq!(folder(Some("s"), Some("/x"), Some("/h")), Some("s".into()));
        for named in [None, Some("")] {
            assert_eq!(folder(named, Some("/x"), Some("/h")), Some("/x/agent-harness".into()));
            for xdg in [None, Some(""), Some("x")] {
                let ours = Some("/h/.local/state/agent-harness".into());
                assert_eq!(folder(named, xdg, Some("/h")), ours);
                assert_eq!(folder(named, xdg, None), None);
                assert_eq!(folder(named, xdg, Some("")), None);
            }
        }
    }
}
