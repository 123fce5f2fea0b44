//! Worktrees of two repositories at one path, one of which is to leave: neither can be there while the other
//! is, and what passes for two may be one tree by two names. Here is who waits for whom; that no process outlasts
//! the exchange is seen to in `build`.

use super::Hold;
use crate::desired::{DesiredObject, Wanted};
use crate::id::ResourceId;
use crate::kinds::worktree::Observed as Tree;
use crate::kinds::{AnyTarget, Have, Place};
use crate::world::{Observed, Seen};

/// Whether a worktree leaves from a path at which one of another repository is wanted.
pub(super) fn makes_room(object: &DesiredObject, old: &Wanted) -> bool {
    leaves(old) && others(object, old).next().is_some()
}

/// What is to become of a resource for now. A tree that stands where another is wanted is never deleted there: in
/// the trash it is seen whether they are two.
pub(super) fn target<'a>(
    object: &DesiredObject,
    wanted: &'a Wanted,
    have: Option<&Have>,
) -> &'a AnyTarget {
    match (&wanted.target, have) {
        (AnyTarget::Gone, Some(Have::Worktree(Tree::Live { .. })))
            if makes_room(object, wanted) =>
        {
            &AnyTarget::Trashed
        }
        (target, _) => target,
    }
}

/// Why a worktree that is not as it is to be has to wait for another at its path.
pub(super) fn hold(
    object: &DesiredObject,
    have: &Observed,
    id: &ResourceId,
    wanted: &Wanted,
) -> Option<Hold> {
    let this = seen(have, id);
    others(object, wanted)
        .find_map(|(other, _)| {
            let name = other.local();
            let other = seen(have, other);
            if leaves(wanted) {
                stays(&this, &name, &other)
            } else {
                needs_room(&this, &name, &other)
            }
        })
        .map(Hold::Wait)
}

/// Why a wanted tree does not come yet, because of one that is to leave.
fn needs_room(new: &Seen<Option<Tree>>, name: &str, old: &Seen<Option<Tree>>) -> Option<String> {
    match new {
        // What is in place needs no room, and without its repository all the room is of no use.
        Seen::Known(Some(Tree::Live { .. } | Tree::Unusable(_))) | Seen::Unknown(_) => None,
        Seen::Known(None | Some(Tree::Missing | Tree::Trashed | Tree::Foreign(_))) => {
            is_live(old).then(|| format!("waits until {name} has left its place"))
        }
    }
}

/// Why a tree does not leave yet, because of the one that is wanted. A repository can have two names, and then both
/// are one tree: whatever is done to one of them, it has to be sure that they are not.
fn stays(old: &Seen<Option<Tree>>, name: &str, new: &Seen<Option<Tree>>) -> Option<String> {
    match new {
        Seen::Unknown(_) | Seen::Known(Some(Tree::Unusable(_))) => {
            Some(format!("stays until {name} can be looked at"))
        }
        // Two cannot be in one place.
        Seen::Known(Some(Tree::Live { .. })) if is_live(old) => {
            Some(format!("stays: it is {name} itself, by another name of its repository"))
        }
        Seen::Known(None | Some(Tree::Live { .. })) => None,
        // One tree would be seen in one place.
        Seen::Known(Some(Tree::Missing | Tree::Trashed | Tree::Foreign(_))) if is_live(old) => None,
        Seen::Known(Some(Tree::Missing | Tree::Trashed | Tree::Foreign(_))) => {
            Some(format!("stays until {name} is in its place"))
        }
    }
}

fn is_live(tree: &Seen<Option<Tree>>) -> bool {
    matches!(tree, Seen::Known(Some(Tree::Live { .. })))
}

/// The worktrees at the same path of which the opposite is wanted.
fn others<'a>(
    object: &'a DesiredObject,
    this: &'a Wanted,
) -> impl Iterator<Item = (&'a ResourceId, &'a Wanted)> {
    let is_other = |one: &Wanted| match (&this.place, &one.place) {
        (Place::Worktree(this), Place::Worktree(one)) => one.path == this.path && one != this,
        _ => false,
    };
    let all = object.resources.iter();
    all.filter(move |(_, one)| leaves(one) != leaves(this) && is_other(one))
}

fn leaves(wanted: &Wanted) -> bool {
    match wanted.target {
        AnyTarget::Present(_) => false,
        AnyTarget::Trashed | AnyTarget::Gone => true,
    }
}

fn seen(have: &Observed, id: &ResourceId) -> Seen<Option<Tree>> {
    match have.get(id) {
        Seen::Known(Some(Have::Worktree(tree))) => Seen::Known(Some(tree.clone())),
        Seen::Known(None) => Seen::Known(None),
        Seen::Known(Some(_)) => Seen::Unknown("something of another kind".into()),
        Seen::Unknown(why) => Seen::Unknown(why),
    }
}
