//! A database whose next life is asked for: what uses it ends first, and what it is cloned from has to be there.

use super::*;

fn place() -> database::Place {
    database::Place { infra: "i".into(), database: "db".into(), role: "db".into(), kept: None }
}

fn kept(name: &str) -> ResourceId {
    id(ResourceKind::Database, &format!("db:{name}"))
}

/// The database is wanted in this life.
fn in_life(copy: Option<&str>, renews: bool) -> DesiredObject {
    let mut object = object();
    let wanted = object.resources.get_mut(&db()).unwrap();
    let AnyTarget::Present(Resource::Database(want)) = &wanted.target else { panic!() };
    let copy = copy.map(|name| database::Copy { place: place().kept_as(name), generation: None });
    let life = database::Life { id: "2".into(), aside: place().kept_as("before"), copy, renews };
    let want = database::Desired { life: Some(life), ..(**want).clone() };
    wanted.target = AnyTarget::Present(Resource::Database(Arc::new(want)));
    object
}

fn keeps(mut object: DesiredObject, name: &str) -> DesiredObject {
    let wanted = Wanted {
        target: AnyTarget::Trashed,
        place: Place::Database(place().kept_as(name)),
        after: Vec::new(),
        renewed_by: Vec::new(),
        source: None,
        parts: BTreeMap::new(),
    };
    object.resources.insert(kept(name), wanted);
    object
}

#[test]
fn a_reset_ends_what_uses_it_and_prepares_the_new_one() {
    assert_snapshot!(planned(in_life(None, true), &all()), @r#"
    #1 agent/a-1 process/api, stop, database/db is replaced
    #2 agent/a-1 process/web, stop, database/db is replaced
    #3 agent/a-1 setup/fix, forget, database/db is made anew
    [1,2,3] -> #4 agent/a-1 database/db, keep as before, another is to take its place
    [4] -> #5 agent/a-1 database/db, create, the one before is kept
    [5] -> #6 agent/a-1 setup/fix, run `fix`, what it prepared is made anew
    "#);
}

#[test]
fn a_save_prepares_nothing_anew() {
    assert_snapshot!(planned(in_life(Some("before"), false), &all()), @r#"
    #1 agent/a-1 process/api, stop, database/db is replaced
    #2 agent/a-1 process/web, stop, database/db is replaced
    [1,2] -> #3 agent/a-1 database/db, keep as before, another is to take its place
    [3] -> #4 agent/a-1 database/db, clone from before, the one before is kept
    "#);
}

#[test]
fn a_restore_waits_for_nothing_that_is_not_there() {
    let mut have = all();
    have.insert(kept("old"), Seen::Known(Some(Have::Database(database::Observed::Trashed))));
    let object = keeps(in_life(Some("old"), true), "old");
    assert_snapshot!(planned(object.clone(), &have), @r#"
    #1 agent/a-1 process/api, stop, database/db is replaced
    #2 agent/a-1 process/web, stop, database/db is replaced
    #3 agent/a-1 setup/fix, forget, database/db is made anew
    [1,2,3] -> #4 agent/a-1 database/db, keep as before, another is to take its place
    [4] -> #5 agent/a-1 database/db, clone from old, the one before is kept
    [5] -> #6 agent/a-1 setup/fix, run `fix`, what it prepared is made anew
    "#);
    have.insert(kept("old"), Seen::Known(None));
    assert_snapshot!(planned(object, &have), @"held agent/a-1 database/db, stays as it is: the kept database old is not there any more; `ctl db list` says which are");
    assert_snapshot!(planned(in_life(Some("old"), true), &all()), @"held agent/a-1 database/db, stays as it is: the kept database old is not there any more; `ctl db list` says which are");
}

#[test]
fn after_a_crash_it_goes_on_where_it_was() {
    // Everything has ended, nothing else was done.
    let mut have = all();
    for process in [api(), web()] {
        have.insert(process, Seen::Known(None));
    }
    assert_snapshot!(planned(in_life(None, true), &have), @r#"
    #1 agent/a-1 setup/fix, forget, database/db is made anew
    [1] -> #2 agent/a-1 database/db, keep as before, another is to take its place
    [2] -> #3 agent/a-1 database/db, create, the one before is kept
    [3] -> #4 agent/a-1 setup/fix, run `fix`, what it prepared is made anew
    [4] -> #5 agent/a-1 process/api, start, does not run
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready
    "#);
    // It was set aside.
    have.insert(db(), Seen::Known(None));
    assert_snapshot!(planned(in_life(None, true), &have), @r#"
    #1 agent/a-1 setup/fix, forget, database/db is made anew
    [1] -> #2 agent/a-1 database/db, create, does not exist
    [2] -> #3 agent/a-1 setup/fix, run `fix`, what it prepared is made anew
    [3] -> #4 agent/a-1 process/api, start, does not run
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready
    "#);
    // Another one is there.
    let live = database::Observed::Live { generation: None, life: Some("2".into()), role_ok: true };
    let mut have = all();
    have.insert(db(), Seen::Known(Some(Have::Database(live))));
    assert!(planned(in_life(None, true), &have).is_settled());
}

#[test]
fn what_prepared_it_runs_again_while_nobody_uses_it() {
    let mut have = all();
    let Seen::Known(Some(Have::Setup(ran))) = have.get(&fix()) else { panic!() };
    let moved = setup::Observed { inputs: "others".into(), ..ran.clone() };
    have.insert(fix(), Seen::Known(Some(Have::Setup(moved))));
    assert_snapshot!(planned(object(), &have), @r#"
    #1 agent/a-1 process/api, stop, setup/fix runs again
    #2 agent/a-1 process/web, stop, setup/fix runs again
    [1,2] -> #3 agent/a-1 setup/fix, run `fix`, its inputs changed
    "#);
}

#[test]
fn an_upgrade_runs_nothing_again() {
    let mut object = object();
    let wanted = object.resources.get_mut(&fix()).unwrap();
    let AnyTarget::Present(Resource::Setup(want)) = &wanted.target else { panic!() };
    let want =
        setup::Desired { inputs: vec!["migrations".into()], inherits: true, ..(**want).clone() };
    wanted.target = AnyTarget::Present(Resource::Setup(Arc::new(want)));
    let mut have = all();
    let Seen::Known(Some(Have::Setup(ran))) = have.get(&fix()) else { panic!() };
    let looked = setup::Observed { inputs: "some".into(), ..ran.clone() };
    have.insert(fix(), Seen::Known(Some(Have::Setup(looked))));
    assert!(planned(object, &have).is_settled());
}

#[test]
fn while_a_process_cannot_be_seen_nothing_is_taken_from_it() {
    let mut have = all();
    have.insert(web(), Seen::Unknown("no answer".into()));
    assert_snapshot!(planned(in_life(None, true), &have), @r#"
    held agent/a-1 database/db, waits until it can be seen whether process/web uses it
    held agent/a-1 process/web, cannot be seen: no answer
    "#);
}

#[test]
fn while_the_template_is_not_there_the_old_one_stays_in_use() {
    let template = id(ResourceKind::Template, "t");
    let mut object = in_life(None, true);
    let wanted = object.resources.get_mut(&db()).unwrap();
    wanted.after.push(Dependency { on: template.clone(), need: Need::Ready });
    let mut have = all();
    have.insert(template, Seen::Known(None));
    assert_snapshot!(planned(object, &have), @"held agent/a-1 database/db, waits for agent/a-1 template/t to be ready");
}
