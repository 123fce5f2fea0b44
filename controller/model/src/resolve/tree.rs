//! Where an agent's worktree must not lie: teardown moves the whole folder aside, and agents write what they like
//! in it.

use std::path::{Path, PathBuf};

use super::names::begins_at_root;
use crate::layout::normal;
use crate::template::outline;

/// What to write in place of a path that is [`misplaced`].
pub(crate) const HELP: &str = "write a folder of its own, such as `${harness.state}/worktrees/${agent.name}`; a \
    relative path starts at the folder of the spec file";

/// What a worktree must keep apart from.
pub(super) struct Surroundings<'a> {
    /// The spec files that it comes from.
    pub specs: Vec<&'a str>,
    /// Its repository.
    pub repo: &'a Path,
    /// The state folder.
    pub state: &'a Path,
    /// The user's home folder.
    pub home: &'a Path,
}

/// Why a worktree must not lie at `path`.
pub(super) fn misplaced(path: &Path, around: &Surroundings<'_>) -> Option<String> {
    let shown = path.display();
    let holds = |inner: &Path| inner.starts_with(path);
    for file in &around.specs {
        let Some(folder) = Path::new(file).parent().map(normal).filter(|it| it.is_absolute())
        else {
            continue;
        };
        if holds(&folder) {
            return Some(format!("the worktree {shown} would hold the spec file {file}"));
        }
        // Whoever keeps specs right in the home folder has everything in it.
        if path.starts_with(&folder) && !around.home.starts_with(&folder) {
            return Some(within_specs(&shown.to_string(), &folder.display().to_string()));
        }
    }
    let git = around.repo.join(".git");
    if holds(around.repo) {
        Some(format!(
            "the worktree {shown} would hold its own repository {}",
            around.repo.display()
        ))
    } else if path.starts_with(&git) {
        Some(format!("the worktree {shown} would lie in {}, which is git's own", git.display()))
    } else if holds(around.state) {
        Some(format!("the worktree {shown} would hold the state folder {}", around.state.display()))
    } else {
        None
    }
}

/// Why a path as it is written must not be a worktree's, wherever the spec file lies. `None` as well where that
/// depends on the host.
pub(crate) fn misplaced_below_specs(path: &str) -> Option<String> {
    if path.starts_with(['/', '~']) || begins_at_root(path) {
        return None;
    }
    let relative = normal_relative(&outline(path)?)?;
    Some(if relative.as_os_str().is_empty() {
        format!("the worktree {path:?} would hold its own spec file")
    } else {
        within_specs(&format!("{path:?}"), "the folder of its spec file")
    })
}

fn within_specs(tree: &str, folder: &str) -> String {
    format!(
        "the worktree {tree} would lie in {folder}, among the specs that the controller watches"
    )
}

/// A relative path without `.` and `..`; `None` when it leads out and into a folder beside.
fn normal_relative(path: &str) -> Option<PathBuf> {
    let (mut parts, mut up) = (Vec::new(), false);
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            up = true;
        }
    }
    (!up || parts.is_empty()).then(|| parts.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktree_keeps_apart() {
        let around = Surroundings {
            specs: vec!["/home/me/app/specs/stack.yaml", "/etc/specs/agent-1.yaml"],
            repo: Path::new("/home/me/app"),
            state: Path::new("/var/state"),
            home: Path::new("/home/me"),
        };
        let at = |path: &str| misplaced(Path::new(path), &around);
        for right in [
            "/home/me/worktrees/a",
            "/home/me/app/trees/a",
            "/var/state/worktrees/a",
            "/etc/specs-2",
        ] {
            assert_eq!(at(right), None);
        }
        let wrong = [
            "/",
            "/home/me/app",
            "/home/me/app/specs",
            "/home/me/app/specs/a",
            "/etc",
            "/etc/specs/a",
            "/home/me/app/.git",
            "/home/me/app/.git/a",
            "/var",
            "/var/state",
        ];
        let words: Vec<String> = wrong.into_iter().filter_map(at).collect();
        insta::assert_snapshot!(words.join("\n"), @"
        the worktree / would hold the spec file /home/me/app/specs/stack.yaml
        the worktree /home/me/app would hold the spec file /home/me/app/specs/stack.yaml
        the worktree /home/me/app/specs would hold the spec file /home/me/app/specs/stack.yaml
        the worktree /home/me/app/specs/a would lie in /home/me/app/specs, among the specs that the controller watches
        the worktree /etc would hold the spec file /etc/specs/agent-1.yaml
        the worktree /etc/specs/a would lie in /etc/specs, among the specs that the controller watches
        the worktree /home/me/app/.git would lie in /home/me/app/.git, which is git's own
        the worktree /home/me/app/.git/a would lie in /home/me/app/.git, which is git's own
        the worktree /var would hold the state folder /var/state
        the worktree /var/state would hold the state folder /var/state
        ");
    }

    #[test]
    fn specs_in_the_home_folder_leave_room_for_worktrees_in_it() {
        let around = Surroundings {
            specs: vec!["/home/me/agent-1.yaml"],
            repo: Path::new("/src"),
            state: Path::new("/var/state"),
            home: Path::new("/home/me"),
        };
        assert_eq!(misplaced(Path::new("/home/me/worktrees/agent-1"), &around), None);
        assert!(misplaced(Path::new("/home/me"), &around).is_some());
    }

    #[test]
    fn relative_paths_lead_out_of_the_specs_or_nowhere() {
        for right in ["../trees/a", "a/../../b", "/x", "~/x", "${home}/x"] {
            assert_eq!(misplaced_below_specs(right), None, "{right}");
        }
        let words: Vec<String> = ["x", "${agent.id}/y", "./x/y", "", ".", "..", "a/..", "../.."]
            .into_iter()
            .filter_map(misplaced_below_specs)
            .collect();
        insta::assert_snapshot!(words.join("\n"), @r#"
        the worktree "x" would lie in the folder of its spec file, among the specs that the controller watches
        the worktree "${agent.id}/y" would lie in the folder of its spec file, among the specs that the controller watches
        the worktree "./x/y" would lie in the folder of its spec file, among the specs that the controller watches
        the worktree "" would hold its own spec file
        the worktree "." would hold its own spec file
        the worktree ".." would hold its own spec file
        the worktree "a/.." would hold its own spec file
        the worktree "../.." would hold its own spec file
        "#);
    }
}
