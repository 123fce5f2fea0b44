//! What somebody changed or removed: put right, told, or left, by the policy of its kind.

use super::*;
use crate::drift::Past;
use crate::kinds::{bucket, file};
use crate::spec::{Drift, OnDrift};

fn env() -> ResourceId {
    id(ResourceKind::File, ".env")
}

fn pail() -> ResourceId {
    id(ResourceKind::Bucket, "pail")
}

/// The same object, with a file in its worktree and a bucket.
fn more(drift: Drift) -> DesiredObject {
    let file = Resource::File(Arc::new(file::Desired {
        place: file::Place { root: "/t".into(), path: ".env".into() },
        fingerprint: "e".into(),
        content: "A=1\n".into(),
        mode: 0o600,
    }));
    let mut file = Wanted::present(file);
    file.after = vec![Dependency { on: tree(), need: Need::Exists }];
    let place =
        bucket::Place { infra: "i".into(), bucket: "pail".into(), access_key: Some("k".into()) };
    let bucket = Resource::Bucket(Arc::new(bucket::Desired {
        place,
        fingerprint: "p".into(),
        key: None,
        expire_after_s: None,
        cors: None,
    }));
    let mut object = DesiredObject { drift, ..object() };
    object.resources.extend([(env(), file), (pail(), Wanted::present(bucket))]);
    object
}

fn all_there() -> Observed {
    let mut have = all();
    have.insert(env(), written("e", true));
    have.insert(pail(), settings("p"));
    have
}

fn written(fingerprint: &str, ours: bool) -> Seen<Option<Have>> {
    let fingerprint = fingerprint.to_owned();
    Seen::Known(Some(Have::File(file::Observed::Present { fingerprint, mode: 0o600, ours })))
}

fn settings(settings: &str) -> Seen<Option<Have>> {
    Seen::Known(Some(Have::Bucket(bucket::Observed::Live { settings: settings.into() })))
}

/// All of it was brought about as it is wanted.
fn brought_about() -> Past {
    let applied = [(tree(), "t"), (db(), "d"), (env(), "e"), (pail(), "p")];
    Past {
        applied: applied.into_iter().map(|(id, it)| (id, it.to_owned())).collect(),
        ..Past::default()
    }
}

/// The plan, with what of it puts something right.
fn told(object: DesiredObject, have: &Observed, past: &Past) -> String {
    let mut desired = Desired::default();
    let (key, uid) = (ObjectKey::agent("a-1"), Uid::new("u"));
    desired.objects.insert((key.clone(), uid.clone()), object);
    let plan = plan_object(&desired, have, past, &key, &uid);
    let drifted = plan.drifted.iter().map(|(id, what)| format!("drifted {}, {what}\n", id.local()));
    format!("{plan}{}", drifted.collect::<String>())
}

fn everywhere(on: OnDrift) -> Drift {
    Drift { worktree: Some(on), file: Some(on), database: Some(on), bucket: Some(on) }
}

/// A file edited, a role changed, a bucket gone.
fn tampered() -> Observed {
    let mut have = all_there();
    have.insert(env(), written("theirs", false));
    let role_changed = database::Observed::Live { generation: None, life: None, role_ok: false };
    have.insert(db(), Seen::Known(Some(Have::Database(role_changed))));
    have.insert(pail(), Seen::Known(None));
    have
}

#[test]
fn what_somebody_changed_is_put_right_and_named() {
    assert_snapshot!(told(more(Drift::default()), &tampered(), &brought_about()), @"
    #1 agent/a-1 file/.env, keep the edited one aside and write, was edited by somebody else
    #2 agent/a-1 database/db, repair role, its role was changed
    #3 agent/a-1 bucket/pail, create, does not exist
    drifted file/.env, was edited by somebody else
    drifted database/db, its role was changed
    drifted bucket/pail, was removed by somebody
    ");
}

#[test]
fn with_warn_it_is_told_and_left() {
    assert_snapshot!(told(more(everywhere(OnDrift::Warn)), &tampered(), &brought_about()), @"
    held agent/a-1 file/.env, drifted: was edited by somebody else, and stays so: its spec says `drift: warn`
    held agent/a-1 database/db, drifted: its role was changed, and stays so: its spec says `drift: warn`
    held agent/a-1 bucket/pail, drifted: was removed by somebody, and stays so: its spec says `drift: warn`
    ");
}

#[test]
fn with_ignore_it_is_left_and_not_told() {
    assert_eq!(told(more(everywhere(OnDrift::Ignore)), &tampered(), &brought_about()), "");
}

#[test]
fn what_was_never_brought_about_is_no_drift() {
    let warn = || more(everywhere(OnDrift::Warn));
    let mut missing = tampered();
    missing.insert(db(), Seen::Known(None));
    let plan = told(warn(), &missing, &Past::default());
    assert_eq!(plan, told(more(Drift::default()), &missing, &Past::default()));
    assert!(!plan.contains("drifted"), "{plan}");
}

#[test]
fn another_wish_is_no_drift() {
    let mut past = brought_about();
    past.applied.insert(env(), "before".into());
    past.applied.insert(pail(), "before".into());
    let mut have = all_there();
    have.insert(env(), written("before", true));
    have.insert(pail(), settings("before"));
    assert_snapshot!(told(more(everywhere(OnDrift::Warn)), &have, &past), @"
    #1 agent/a-1 file/.env, write, its content is to be another
    #2 agent/a-1 bucket/pail, configure, its key, expiry or CORS differ
    ");
}

#[test]
fn what_lies_in_a_worktree_that_is_gone_is_made_with_it() {
    let mut have = all_there();
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Missing))));
    have.insert(env(), Seen::Known(None));
    let file_alone = Drift { file: Some(OnDrift::Warn), ..Drift::default() };
    assert_snapshot!(told(more(file_alone), &have, &brought_about()), @"
    #1 agent/a-1 worktree//t, add b from main, its folder was deleted
    [1] -> #2 agent/a-1 file/.env, write, does not exist
    drifted worktree//t, was removed by somebody
    ");
    let tree_too = Drift { worktree: Some(OnDrift::Warn), ..Drift::default() };
    assert_snapshot!(told(more(tree_too), &have, &brought_about()), @"
    held agent/a-1 worktree//t, drifted: was removed by somebody, and stays so: its spec says `drift: warn`
    held agent/a-1 file/.env, waits for agent/a-1 worktree//t to exist (worktree//t drifted: was removed by somebody, and stays so: its spec says `drift: warn`)
    ");
}

#[test]
fn what_comes_again_and_again_is_left_for_a_while() {
    let mut past = brought_about();
    past.flapping.insert(env(), "was corrected too often".into());
    let mut have = all_there();
    have.insert(env(), Seen::Known(None));
    assert_snapshot!(told(more(Drift::default()), &have, &past), @"held agent/a-1 file/.env, drifted: was removed by somebody; was corrected too often");
    // It is no reason to leave a new wish undone.
    past.applied.insert(env(), "before".into());
    assert_snapshot!(told(more(Drift::default()), &have, &past), @"#1 agent/a-1 file/.env, write, does not exist");
}

#[test]
fn a_switched_worktree_is_not_even_told_with_ignore() {
    let mut have = all_there();
    have.insert(
        tree(),
        Seen::Known(Some(Have::Worktree(worktree::Observed::Live {
            branch: Some("mine".into()),
            asked: Some("b".into()),
            head: "h".into(),
            busy: None,
            excluded: true,
        }))),
    );
    assert!(told(more(Drift::default()), &have, &brought_about()).contains("switched by hand"));
    assert_eq!(told(more(everywhere(OnDrift::Ignore)), &have, &brought_about()), "");
}
