//! The names that things have outside, and in the trash; and which backend has to be up for a look at them.

use std::path::{Path, PathBuf};

use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::Place;

/// The name of a thing outside.
pub(super) fn name(place: &Place, id: &ResourceId) -> String {
    match place {
        Place::Service(place) => format!("service:{}/{}", place.infra, place.name),
        Place::Container(place) => format!("container:{}", place.container),
        Place::Worktree(place) => format!("worktree:{}", place.path.display()),
        Place::File(place) => format!("file:{}", place.root.join(&place.path).display()),
        Place::Template(place) => format!("database:{}/{}", place.infra, place.database),
        Place::Database(place) => {
            let kept = place.kept.as_ref().map_or_else(String::new, |kept| format!("~{kept}"));
            format!("database:{}/{}{kept}", place.infra, place.database)
        }
        Place::Bucket(place) => format!("bucket:{}/{}", place.infra, place.bucket),
        Place::Setup(_) => format!("setup:{}/{}", id.uid, id.name),
        Place::Process(_) => format!("process:{}/{}", id.uid, id.name),
    }
}

/// Its name in the trash, where things of several incarnations and repositories are side by side.
pub(super) fn trash_name(place: &Place, id: &ResourceId) -> String {
    let of = repo(place).map_or_else(String::new, |repo| format!("{}:", repo.display()));
    format!("trash/{}/{of}{}", id.uid, name(place, id))
}

/// The repository that a thing belongs to.
pub(super) fn repo(place: &Place) -> Option<PathBuf> {
    match place {
        Place::Worktree(place) => Some(real(&place.repo).to_path_buf()),
        _ => None,
    }
}

/// Where a repository is: `/alias` is a symlink to `/repo`.
pub fn real(repo: &Path) -> &Path {
    if repo == Path::new("/alias") { Path::new("/repo") } else { repo }
}

/// Without which a thing can neither be seen nor changed.
pub(super) fn backend(place: &Place) -> &'static str {
    match place {
        Place::Template(_) | Place::Database(_) => "postgres",
        Place::Bucket(_) => "objectStore",
        Place::Service(_) => "servers",
        Place::Container(_) => "docker",
        Place::Worktree(_) | Place::File(_) | Place::Setup(_) | Place::Process(_) => "host",
    }
}
