//! Whether what the ledger knows is what is wanted now, although one of its paths is another: a repository or a
//! folder can be reached by a symlink or a second mount. What that takes is looked up by the caller, as all facts.

use std::collections::BTreeSet;
use std::path::Path;

use super::facts::{Facts, Need};
use crate::kinds::Place;

/// The answer to [`Need::Repository`] and [`Need::Folder`] for a path at which there is nothing.
pub const NOTHING: &str = "nothing";

/// Whether `known` is the thing outside that is wanted at `wanted`; `None`: not known, and then nothing may be done
/// about either by the name of the other.
pub fn is_alias(
    known: &Place,
    wanted: &Place,
    facts: &Facts,
    needs: &mut BTreeSet<Need>,
) -> Option<bool> {
    if known.is_known_as(wanted) {
        return Some(true);
    }
    let mut folder = |known: &Path, wanted: &Path| {
        is_one(known, wanted, facts, needs, |path| Need::Folder(path.to_path_buf()))
    };
    match (known, wanted) {
        // The repository is only asked for where that is all the difference.
        (Place::Worktree(known), Place::Worktree(wanted)) => {
            match folder(&known.path, &wanted.path) {
                Some(true) => is_one(&known.repo, &wanted.repo, facts, needs, |path| {
                    Need::Repository(path.to_path_buf())
                }),
                other => other,
            }
        }
        (Place::File(known), Place::File(wanted)) if known.path == wanted.path => {
            folder(&known.root, &wanted.root)
        }
        _ => Some(false),
    }
}

fn is_one(
    known: &Path,
    wanted: &Path,
    facts: &Facts,
    needs: &mut BTreeSet<Need>,
    need: impl Fn(&Path) -> Need,
) -> Option<bool> {
    if known == wanted {
        return Some(true);
    }
    let mut tell = |path: &Path| {
        let need = need(path);
        let answer = facts.answers.get(&need).and_then(|answer| answer.as_deref().ok());
        needs.insert(need);
        answer
    };
    match (tell(known), tell(wanted)) {
        // What is wanted may be the known one, which both paths led to until a volume was taken away.
        (_, None | Some(NOTHING)) | (None, _) => None,
        (Some(known), Some(wanted)) => Some(known == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{file, setup, worktree};

    fn tree(repo: &str, path: &str) -> Place {
        Place::Worktree(worktree::Place { repo: repo.into(), path: path.into() })
    }

    /// `/r` and its alias `/s`, another repository, one that is away, and one that cannot be looked at.
    fn facts() -> Facts {
        let mut facts = Facts::default();
        let repos = [("/r", "1"), ("/s", "1"), ("/other", "2"), ("/away", NOTHING)];
        let folders = [("/t/a", "5/a"), ("/u/a", "5/a"), ("/v/a", "6/a")];
        let repos = repos.map(|(path, id)| (Need::Repository(path.into()), Ok(id.into())));
        let folders = folders.map(|(path, id)| (Need::Folder(path.into()), Ok(id.into())));
        facts.answers.extend(repos.into_iter().chain(folders));
        let denied = Err("no permission".to_owned());
        facts.answers.insert(Need::Repository("/denied".into()), denied);
        facts
    }

    fn ask(known: &Place, wanted: &Place) -> (Option<bool>, usize) {
        let mut needs = BTreeSet::new();
        (is_alias(known, wanted, &facts(), &mut needs), needs.len())
    }

    #[test]
    fn a_tree_is_known_by_whatever_path_its_repository_is_reached() {
        let of = |repo: &str| tree(repo, "/t/a");
        assert_eq!(ask(&of("/r"), &of("/r")), (Some(true), 0), "nothing has to be looked up");
        assert_eq!(ask(&of("/r"), &of("/s")), (Some(true), 2));
        assert_eq!(ask(&of("/r"), &of("/other")), (Some(false), 2));
        for unknown in ["/denied", "/never-asked"] {
            assert_eq!(ask(&of("/r"), &of(unknown)), (None, 2));
            assert_eq!(ask(&of(unknown), &of("/r")), (None, 2));
        }
        assert_eq!(ask(&of("/r"), &of("/away")), (None, 2), "it may be the same when it is back");
        assert_eq!(ask(&of("/away"), &of("/r")), (Some(false), 2), "it has another name by now");
    }

    #[test]
    fn a_folder_is_known_by_whatever_path_it_is_reached() {
        assert_eq!(ask(&tree("/r", "/t/a"), &tree("/r", "/u/a")), (Some(true), 2));
        assert_eq!(ask(&tree("/r", "/t/a"), &tree("/s", "/u/a")), (Some(true), 4));
        assert_eq!(ask(&tree("/r", "/t/a"), &tree("/s", "/v/a")), (Some(false), 2));
        let file = |root: &str| Place::File(file::Place { root: root.into(), path: "f".into() });
        assert_eq!(ask(&file("/t/a"), &file("/u/a")), (Some(true), 2));
        assert_eq!(ask(&file("/t/a"), &file("/v/a")), (Some(false), 2));
    }

    #[test]
    fn what_is_known_by_its_name_has_no_alias() {
        let run = Place::Setup(setup::Place { root: "/t/a".into() });
        assert_eq!(ask(&run, &run), (Some(false), 0));
        assert_eq!(ask(&run, &tree("/r", "/t/a")), (Some(false), 0));
    }
}
