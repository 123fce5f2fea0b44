//! What an entry of the ledger is to what is wanted now: the same thing, also by another name, or something else
//! that is to leave. And what the ledger has to note of it. Pure.

use std::collections::BTreeSet;

use agent_harness_model::desired::{Desired, DesiredObject};
use agent_harness_model::kinds::Place;
use agent_harness_model::resolve::{Facts, Need, is_alias};

use crate::ledger::ObjectRecord;

/// What an entry is to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is what is wanted under this name, at this place.
    Wanted(String, Place),
    /// It may be what is wanted: that cannot be seen now, so nothing is done about it.
    Unsure,
    /// It is something else.
    Apart,
}

/// What the thing at `place` is to what is wanted of its object. Adds what has to be looked up for that.
pub fn standing(
    object: &DesiredObject,
    place: &Place,
    facts: &Facts,
    needs: &mut BTreeSet<Need>,
) -> Standing {
    let mut standing = Standing::Apart;
    for (id, wanted) in &object.resources {
        if wanted.target.leaves() {
            continue;
        }
        match is_alias(place, &wanted.place, facts, needs) {
            Some(true) => return Standing::Wanted(id.local(), wanted.place.clone()),
            Some(false) => {}
            None => standing = Standing::Unsure,
        }
    }
    standing
}

/// What the ledger has to note of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Something else is wanted under its name, at this place.
    Apart(Place),
    /// It is what is wanted under this name, at this place.
    Renamed(String, Place),
}

/// The entries of a record that are not called or not placed as what is wanted.
pub fn moved(record: &ObjectRecord, desired: &Desired, facts: &Facts) -> Vec<(String, Move)> {
    let Some(object) = desired.objects.get(&(record.key.clone(), record.uid.clone())) else {
        return Vec::new();
    };
    // All that there is to look up was asked for when the entry was found to leave or not.
    let mut asked = BTreeSet::new();
    let note = |(local, place): (&String, &Place)| match standing(object, place, facts, &mut asked)
    {
        // Under another name it waits until its own is free, see `ObjectRecord::set_apart`.
        Standing::Wanted(_, at) if at.is_same_thing(place) => None,
        Standing::Wanted(name, at) => Some((local.clone(), Move::Renamed(name, at))),
        Standing::Unsure => None,
        Standing::Apart => {
            let wanted = object.resources.get(&record.resource_id(local, place))?;
            let stays = place.is_same_thing(&wanted.place);
            (!stays).then(|| (local.clone(), Move::Apart(wanted.place.clone())))
        }
    };
    record.resources.iter().map(|(local, entry)| (local, &entry.place)).filter_map(note).collect()
}

/// Notes it.
pub fn note_moved(record: &mut ObjectRecord, moved: &[(String, Move)]) {
    for (local, how) in moved {
        match how {
            // A tree may have been moved there by hand: then no step would ever make an entry for it.
            Move::Apart(place @ Place::Worktree(_)) => drop(record.claim(local, place)),
            Move::Apart(place) => record.set_apart(local, place),
            Move::Renamed(name, place) => record.rename(local, name, place),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agent_harness_model::desired::Wanted;
    use agent_harness_model::id::{ObjectKey, Uid};
    use agent_harness_model::kinds::{AnyTarget, Resource, worktree};
    use agent_harness_model::resolve::{NOTHING, Resolution};
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::assemble::{add_leaving, note_leaving};
    use crate::ledger::{Ledger, Origin};

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn tree(repo: &str, path: &str) -> worktree::Place {
        worktree::Place { repo: repo.into(), path: path.into() }
    }

    fn record(entries: &[(&str, worktree::Place)]) -> ObjectRecord {
        let origin =
            Origin { file: "/specs/x.yaml".into(), line: 1, text: String::new(), commit: None };
        let (key, uid) = (ObjectKey::agent("agent-1"), Uid::new("u-00000001"));
        let mut record = ObjectRecord::new(key, uid, Timestamp::UNIX_EPOCH, origin);
        for (local, place) in entries {
            record.claim(local, &Place::Worktree(place.clone()));
        }
        record
    }

    /// Nothing but this worktree is wanted.
    fn wanted(record: &ObjectRecord, place: worktree::Place) -> Resolution {
        let local = format!("worktree/{}", place.path.display());
        let id = record.resource_id(&local, &Place::Worktree(place.clone()));
        let checkout = worktree::Checkout::Detached { commit: String::new() };
        let fingerprint = String::new();
        let want = worktree::Desired { place, fingerprint, checkout, exclude: Vec::new() };
        let wanted = Wanted::present(Resource::Worktree(Arc::new(want)));
        let object = DesiredObject { resources: [(id, wanted)].into(), ..DesiredObject::default() };
        let mut resolution = Resolution::default();
        resolution.desired.objects.insert((record.key.clone(), record.uid.clone()), object);
        resolution
    }

    fn facts(answers: &[(Need, &str)]) -> Facts {
        let mut facts = Facts::default();
        facts.answers.extend(answers.iter().map(|(need, is)| (need.clone(), Ok((*is).to_owned()))));
        facts
    }

    fn repos(known: &str, wanted: &str) -> Facts {
        let need = |path: &str| Need::Repository(path.into());
        facts(&[(need("/repo"), known), (need("/alias"), wanted)])
    }

    /// Notes what moved; then the entries with the repository or path of each, and what is to leave.
    fn settled(record: &mut ObjectRecord, want: worktree::Place, facts: &Facts) -> Vec<String> {
        let mut resolution = wanted(record, want);
        let moved = moved(record, &resolution.desired, facts);
        note_moved(record, &moved);
        add_leaving(&mut resolution, record, facts, DAY, Timestamp::UNIX_EPOCH);
        let object = &resolution.desired.objects[&(record.key.clone(), record.uid.clone())];
        let line = |(local, entry): (&String, &crate::ledger::Entry)| {
            let Place::Worktree(place) = &entry.place else { panic!("{local}") };
            let id = record.resource_id(local, &entry.place);
            let target = match object.resources.get(&id).map(|wanted| &wanted.target) {
                Some(AnyTarget::Present(_)) => "wanted",
                Some(_) => "leaves",
                None => "left alone",
            };
            let local = local.split('@').next().unwrap_or(local);
            format!("{local} of {}: {target}", place.repo.display())
        };
        record.resources.iter().map(line).collect()
    }

    /// The record, once it was noted since when what is not wanted leaves.
    fn noted(record: ObjectRecord, want: worktree::Place, facts: &Facts) -> ObjectRecord {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        let desired = wanted(&record, want).desired;
        let uid = record.uid.clone();
        ledger.save(record).unwrap();
        note_leaving(&mut ledger, &desired, facts, Timestamp::UNIX_EPOCH).unwrap();
        ledger.get(&uid).unwrap().clone()
    }

    fn is_leaving(record: &ObjectRecord) -> bool {
        record.resources.values().any(|entry| entry.leaving_since.is_some())
    }

    #[test]
    fn a_tree_whose_repository_got_another_name_is_what_is_wanted() {
        let mut record = record(&[("worktree//t/a", tree("/repo", "/t/a"))]);
        let now = settled(&mut record, tree("/alias", "/t/a"), &repos("1", "1"));
        assert_eq!(now, ["worktree//t/a of /alias: wanted"]);
    }

    #[test]
    fn a_tree_of_another_repository_leaves() {
        let mut record = record(&[("worktree//t/a", tree("/repo", "/t/a"))]);
        let now = settled(&mut record, tree("/alias", "/t/a"), &repos("1", "2"));
        assert_eq!(now, ["worktree//t/a of /alias: wanted", "worktree//t/a of /repo: leaves"]);
    }

    #[test]
    fn while_the_wanted_repository_is_away_nothing_leaves_and_no_retention_runs() {
        for facts in [Facts::default(), repos("1", NOTHING)] {
            let mut record = record(&[("worktree//t/a", tree("/repo", "/t/a"))]);
            let want = || tree("/alias", "/t/a");
            let now = settled(&mut record, want(), &facts);
            assert_eq!(now, ["worktree//t/a of /repo: wanted"], "under its own name, as it was");
            // As a step of this moment would note it.
            record.claim("worktree//t/a", &Place::Worktree(want()));
            let now = settled(&mut record, want(), &facts);
            let alone = ["worktree//t/a of /alias: wanted", "worktree//t/a of /repo: left alone"];
            assert_eq!(now, alone);

            assert!(!is_leaving(&noted(record, want(), &facts)));
        }
    }

    #[test]
    fn two_entries_of_one_tree_become_one() {
        let entries =
            [("worktree//t/a", tree("/repo", "/t/a")), ("worktree//t/a", tree("/alias", "/t/a"))];
        for repo in ["/repo", "/alias"] {
            let mut record = record(&entries);
            assert_eq!(record.resources.len(), 2, "an older version set the first one apart");
            for entry in record.resources.values_mut() {
                entry.leaving_since = Some(Timestamp::UNIX_EPOCH);
            }
            // Neither is in the trash: they are what is wanted.
            assert!(!is_leaving(&noted(record.clone(), tree(repo, "/t/a"), &repos("1", "1"))));
            settled(&mut record, tree(repo, "/t/a"), &repos("1", "1"));
            let now = settled(&mut record, tree(repo, "/t/a"), &repos("1", "1"));
            assert_eq!(now, [format!("worktree//t/a of {repo}: wanted")]);
        }
    }

    #[test]
    fn a_tree_whose_folder_got_another_name_is_what_is_wanted() {
        let need = |path: &str| Need::Folder(path.into());
        let facts = facts(&[(need("/t/a"), "1/a"), (need("/u/a"), "1/a"), (need("/v/a"), "2/a")]);
        let mut record = record(&[("worktree//t/a", tree("/repo", "/t/a"))]);
        let now = settled(&mut record, tree("/repo", "/u/a"), &facts);
        assert_eq!(now, ["worktree//u/a of /repo: wanted"]);
        let now = settled(&mut record, tree("/repo", "/v/a"), &facts);
        assert_eq!(now, ["worktree//u/a of /repo: leaves"]);
    }
}
