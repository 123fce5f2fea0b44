//! Plans, compared as text: one object with a worktree, a database, a setup step on it and two processes.

use std::collections::BTreeMap;
use std::sync::Arc;

use insta::assert_snapshot;

use super::*;
use crate::desired::{Dependency, DesiredObject, Wanted};
use crate::id::ResourceKind;
use crate::kinds::command::Command;
use crate::kinds::{
    AnyTarget, Have, Need, Place, Readiness, Resource, database, process, setup, worktree,
};
use crate::secret::Secret;
use crate::world::Seen;

mod drift;
mod ended;
mod lives;
mod room;

fn id(kind: ResourceKind, name: &str) -> ResourceId {
    let owner = ObjectKey::agent("a-1");
    ResourceId { owner, uid: Uid::new("u"), kind, name: name.into() }
}

fn tree() -> ResourceId {
    id(ResourceKind::Worktree, "/t")
}

fn db() -> ResourceId {
    id(ResourceKind::Database, "db")
}

fn fix() -> ResourceId {
    id(ResourceKind::Setup, "fix")
}

fn api() -> ResourceId {
    id(ResourceKind::Process, "api")
}

fn web() -> ResourceId {
    id(ResourceKind::Process, "web")
}

fn command(word: &str) -> Command {
    Command { argv: vec![word.into()], cwd: "/t".into(), env: BTreeMap::new() }
}

fn process(name: &str) -> Resource {
    Resource::Process(Arc::new(process::Desired {
        place: process::Place { stop_signal: "SIGTERM".into(), stop_grace_ms: 5000 },
        fingerprint: format!("{name}-1"),
        command: command(name),
        ports: Vec::new(),
        startup: None,
        ready: None,
        live: None,
        watch: None,
        restart: process::Restart::Always,
        limits: process::Limits::default(),
        budget: process::Budget::default(),
    }))
}

/// Everything is wanted.
fn object() -> DesiredObject {
    let on = |on: ResourceId, need| Dependency { on, need };
    let tree_want = Resource::Worktree(Arc::new(worktree::Desired {
        place: worktree::Place { repo: "/r".into(), path: "/t".into() },
        fingerprint: "t".into(),
        checkout: worktree::Checkout::Branch { branch: "b".into(), base: "main".into() },
        exclude: Vec::new(),
    }));
    let db_want = Resource::Database(Arc::new(database::Desired {
        place: database::Place {
            infra: "i".into(),
            database: "db".into(),
            role: "db".into(),
            kept: None,
        },
        fingerprint: "d".into(),
        password: Secret::new("x"),
        template: None,
        strategy: database::Strategy::Auto,
        life: None,
    }));
    let fix_want = Resource::Setup(Arc::new(setup::Desired {
        place: setup::Place { root: "/t".into() },
        fingerprint: "f".into(),
        command: command("fix"),
        inputs: Vec::new(),
        inherits: false,
        creates: None,
        timeout_s: 60,
    }));
    let mut fix_wanted = Wanted::present(fix_want);
    fix_wanted.after = vec![on(tree(), Need::Exists), on(db(), Need::Exists)];
    fix_wanted.renewed_by = vec![db()];
    let mut api_wanted = Wanted::present(process("api"));
    api_wanted.after = vec![on(fix(), Need::Succeeded)];
    let mut web_wanted = Wanted::present(process("web"));
    web_wanted.after = vec![on(api(), Need::Ready)];
    DesiredObject {
        resources: [
            (tree(), Wanted::present(tree_want)),
            (db(), Wanted::present(db_want)),
            (fix(), fix_wanted),
            (api(), api_wanted),
            (web(), web_wanted),
        ]
        .into(),
        ..DesiredObject::default()
    }
}

fn leaving(target: &AnyTarget) -> DesiredObject {
    let mut object = object();
    object.deleting = true;
    for wanted in object.resources.values_mut() {
        wanted.target = target.clone();
        wanted.after.clear();
    }
    object
}

fn running(fingerprint: &str, ready: Readiness) -> Have {
    Have::Process(process::Observed::Running {
        fingerprint: fingerprint.into(),
        pid: 7,
        ready,
        restarts: 0,
        age_ms: 1,
        folder_gone: false,
        hopeless: None,
        changed: None,
    })
}

fn live_tree() -> Have {
    let branch = Some("b".to_owned());
    Have::Worktree(worktree::Observed::Live {
        asked: branch.clone(),
        branch,
        head: "h".into(),
        busy: None,
        excluded: true,
    })
}

fn live_db() -> Have {
    Have::Database(database::Observed::Live { generation: None, life: None, role_ok: true })
}

fn fixed() -> Have {
    let run = setup::Run {
        fingerprint: "f".into(),
        inputs: "i".into(),
        inherits: false,
        success: true,
        how: "exit code 0".into(),
    };
    Have::Setup(setup::Observed { last: Some(run), inputs: "i".into(), output_missing: false })
}

/// Everything is as wanted.
fn all() -> Observed {
    [
        (tree(), live_tree()),
        (db(), live_db()),
        (fix(), fixed()),
        (api(), running("api-1", Readiness::Ready)),
        (web(), running("web-1", Readiness::Ready)),
    ]
    .into_iter()
    .map(|(id, have)| (id, Seen::Known(Some(have))))
    .collect()
}

fn nothing() -> Observed {
    [tree(), db(), fix(), api(), web()].into_iter().map(|id| (id, Seen::Known(None))).collect()
}

fn planned(object: DesiredObject, have: &Observed) -> Plan {
    let mut desired = Desired::default();
    desired.objects.insert((ObjectKey::agent("a-1"), Uid::new("u")), object);
    plan(&desired, have)
}

#[test]
fn from_nothing_what_can_be_done_now_is_planned_and_the_rest_is_held() {
    assert_snapshot!(planned(object(), &nothing()), @r#"
    #1 agent/a-1 worktree//t, add b from main, does not exist
    #2 agent/a-1 database/db, create, does not exist
    [1,2] -> #3 agent/a-1 setup/fix, run `fix`, was not run yet
    [3] -> #4 agent/a-1 process/api, start, does not run
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready
    "#);
}

#[test]
fn as_wanted_is_nothing_to_do() {
    assert!(planned(object(), &all()).is_settled());
}

#[test]
fn a_dropped_database_is_made_again_and_prepared_again() {
    let mut have = all();
    have.insert(db(), Seen::Known(None));
    assert_snapshot!(planned(object(), &have), @r#"
    #1 agent/a-1 setup/fix, forget, database/db is made anew
    [1] -> #2 agent/a-1 database/db, create, does not exist
    [2] -> #3 agent/a-1 setup/fix, run `fix`, what it prepared is made anew
    "#);
}

#[test]
fn what_cannot_be_seen_is_neither_made_nor_removed_and_holds_only_its_dependants() {
    let mut have = nothing();
    have.insert(db(), Seen::Unknown("connection refused".into()));
    assert_snapshot!(planned(object(), &have), @r#"
    #1 agent/a-1 worktree//t, add b from main, does not exist
    held agent/a-1 database/db, cannot be seen: connection refused
    held agent/a-1 setup/fix, waits for agent/a-1 database/db to exist (database/db cannot be seen: connection refused)
    held agent/a-1 process/api, waits for agent/a-1 setup/fix to succeed (database/db cannot be seen: connection refused)
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready (database/db cannot be seen: connection refused)
    "#);
    let mut have = all();
    have.insert(db(), Seen::Unknown("connection refused".into()));
    assert_snapshot!(planned(leaving(&AnyTarget::Trashed), &have), @r#"
    #1 agent/a-1 process/api, stop, no longer wanted
    #2 agent/a-1 process/web, stop, no longer wanted
    [1,2] -> #3 agent/a-1 worktree//t, move to trash, no longer wanted; kept until its retention ends
    held agent/a-1 database/db, cannot be seen: connection refused
    "#);
}

#[test]
fn running_processes_outlive_an_unseen_database() {
    let mut have = all();
    have.insert(db(), Seen::Unknown("connection refused".into()));
    assert_snapshot!(planned(object(), &have), @"held agent/a-1 database/db, cannot be seen: connection refused");
}

#[test]
fn a_changed_process_is_respawned_alone() {
    let mut have = all();
    have.insert(api(), Seen::Known(Some(running("api-0", Readiness::Ready))));
    assert_snapshot!(planned(object(), &have), @"#1 agent/a-1 process/api, respawn, its command, environment, ports or limits changed");
}

#[test]
fn one_that_runs_and_does_no_work_is_ended() {
    let mut have = all();
    let mut dead = running("api-1", Readiness::NotReady("answered 500".into()));
    let Have::Process(process::Observed::Running { hopeless, .. }) = &mut dead else { panic!() };
    *hopeless = Some("its `live` check failed 3 times in a row: answered 500".into());
    have.insert(api(), Seen::Known(Some(dead)));
    assert_snapshot!(planned(object(), &have), @"#1 agent/a-1 process/api, end, its `live` check failed 3 times in a row: answered 500");
}

#[test]
fn one_whose_files_changed_is_started_again() {
    let mut have = all();
    let mut old = running("api-1", Readiness::Ready);
    let Have::Process(process::Observed::Running { changed, .. }) = &mut old else { panic!() };
    *changed = Some("src/main.ts".into());
    have.insert(api(), Seen::Known(Some(old)));
    assert_snapshot!(planned(object(), &have), @"#1 agent/a-1 process/api, respawn, src/main.ts has changed");
}

#[test]
fn a_tree_follows_a_changed_wish_and_not_an_agent_that_left_its_branch() {
    let on = |branch: &str, asked: Option<&str>| {
        let mut have = all();
        have.insert(
            tree(),
            Seen::Known(Some(Have::Worktree(worktree::Observed::Live {
                branch: Some(branch.into()),
                head: "h".into(),
                asked: asked.map(str::to_owned),
                busy: None,
                excluded: true,
            }))),
        );
        planned(object(), &have)
    };
    assert_snapshot!(on("fix/x", Some("b")), @"held agent/a-1 worktree//t, drifted: is on fix/x instead of b, and stays there, because it was switched by hand: go back with `git -C /t switch b`, or set worktree.branch to fix/x");
    assert_snapshot!(on("before", Some("before")), @"#1 agent/a-1 worktree//t, switch to b from main, is on before");
    assert_snapshot!(on("before", None), @"#1 agent/a-1 worktree//t, switch to b from main, is on before");
    assert_snapshot!(on("b", Some("before")), @"#1 agent/a-1 worktree//t, note its branch, its branch is not on record");
}

#[test]
fn somebody_elses_database_is_a_conflict() {
    let mut have = all();
    let foreign = Have::Database(database::Observed::Foreign("alice".into()));
    have.insert(db(), Seen::Known(Some(foreign)));
    assert_snapshot!(planned(object(), &have), @"held agent/a-1 database/db, conflict: db is there already, belongs to alice and is not ours; choose another name");
    assert_snapshot!(planned(leaving(&AnyTarget::Gone), &have), @r#"
    #1 agent/a-1 process/api, stop, no longer wanted
    #2 agent/a-1 process/web, stop, no longer wanted
    [1,2] -> #3 agent/a-1 worktree//t, purge, to be purged
    [1,2] -> #4 agent/a-1 setup/fix, forget, no longer wanted
    "#);
}

#[test]
fn teardown_stops_processes_first_and_keeps_the_data() {
    assert_snapshot!(planned(leaving(&AnyTarget::Trashed), &all()), @r#"
    #1 agent/a-1 process/api, stop, no longer wanted
    #2 agent/a-1 process/web, stop, no longer wanted
    [1,2] -> #3 agent/a-1 worktree//t, move to trash, no longer wanted; kept until its retention ends
    [1,2] -> #4 agent/a-1 database/db, move to trash, no longer wanted; kept until its retention ends
    "#);
}

#[test]
fn a_purge_is_final() {
    let plan = planned(leaving(&AnyTarget::Gone), &all());
    assert_snapshot!(plan, @r#"
    #1 agent/a-1 process/api, stop, no longer wanted
    #2 agent/a-1 process/web, stop, no longer wanted
    [1,2] -> #3 agent/a-1 worktree//t, purge, to be purged
    [1,2] -> #4 agent/a-1 database/db, purge, to be purged
    [1,2] -> #5 agent/a-1 setup/fix, forget, no longer wanted
    "#);
    let last = plan.steps.iter().filter(|step| step.reversibility() == Reversibility::Final);
    assert_eq!(last.count(), 2);
}

#[test]
fn what_is_in_the_trash_comes_back() {
    let mut have = nothing();
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    have.insert(db(), Seen::Known(Some(Have::Database(database::Observed::Trashed))));
    have.insert(fix(), Seen::Known(Some(fixed())));
    assert_snapshot!(planned(object(), &have), @r#"
    #1 agent/a-1 worktree//t, restore, is in the trash and is wanted again
    #2 agent/a-1 database/db, restore, is in the trash and is wanted again
    #3 agent/a-1 process/api, start, does not run
    held agent/a-1 process/web, waits for agent/a-1 process/api to be ready
    "#);
}

#[test]
fn a_worktree_without_its_folder_is_not_purged_before_its_time() {
    let mut have = nothing();
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Missing))));
    let plan = planned(leaving(&AnyTarget::Trashed), &have);
    assert_snapshot!(plan, @"#1 agent/a-1 worktree//t, move to trash, its folder is gone; what git knows of it is kept until its retention ends");
    assert!(plan.steps.iter().all(|step| step.reversibility() != Reversibility::Final));
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    assert!(planned(leaving(&AnyTarget::Trashed), &have).is_settled());
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Missing))));
    assert_snapshot!(planned(leaving(&AnyTarget::Gone), &have), @"#1 agent/a-1 worktree//t, purge, its folder is gone already");
}

#[test]
fn a_place_of_another_kind_is_never_acted_upon() {
    let mut object = object();
    if let Some(wanted) = object.resources.get_mut(&db()) {
        wanted.place = Place::Setup(setup::Place { root: "/t".into() });
    }
    assert!(planned(object, &all()).steps.is_empty());
}

#[test]
fn data_does_not_move_under_a_process_that_still_runs_on_it() {
    // The worktree moved, and something stands where it is to be.
    let old = id(ResourceKind::Worktree, "/old");
    let mut object = object();
    let mut gone = object.resources[&tree()].clone();
    gone.target = AnyTarget::Trashed;
    object.resources.insert(old.clone(), gone);
    let mut have = all();
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Foreign("x".into())))));
    have.insert(old.clone(), Seen::Known(Some(live_tree())));
    have.insert(fix(), Seen::Known(None));
    have.insert(api(), Seen::Known(Some(running("api-0", Readiness::Ready))));
    assert_snapshot!(planned(object.clone(), &have), @"
    held agent/a-1 worktree//old, waits until process/api does not run with it any more
    held agent/a-1 worktree//t, conflict: x
    held agent/a-1 setup/fix, waits for agent/a-1 worktree//t to exist (worktree//t conflict: x)
    held agent/a-1 process/api, waits for agent/a-1 setup/fix to succeed (worktree//t conflict: x)
    ");

    // Nobody can see whether it runs.
    let mut have = all();
    have.insert(old, Seen::Known(Some(live_tree())));
    have.insert(web(), Seen::Unknown("permission denied".into()));
    assert_snapshot!(planned(object, &have), @"
    held agent/a-1 worktree//old, waits until process/web does not run with it any more
    held agent/a-1 process/web, cannot be seen: permission denied
    ");
}

#[test]
fn nothing_is_done_about_a_suspended_object_until_it_leaves() {
    let mut suspended = object();
    suspended.suspended = Some("spec.suspend is true".into());
    assert!(planned(suspended.clone(), &nothing()).is_settled());
    assert!(planned(suspended, &all()).is_settled());
    let mut object = leaving(&AnyTarget::Trashed);
    object.suspended = Some("spec.suspend is true".into());
    assert_eq!(planned(object, &all()).steps.len(), 4);
}

#[test]
fn worktrees_of_two_repositories_are_exchanged_at_one_path() {
    let old = id(ResourceKind::Worktree, "/t@old");
    let place = worktree::Place { repo: "/before".into(), path: "/t".into() };
    let mut object = object();
    let gone = Wanted {
        target: AnyTarget::Trashed,
        place: Place::Worktree(place),
        ..object.resources[&tree()].clone()
    };
    object.resources.insert(old.clone(), gone);
    let mut have = all();
    have.insert(old.clone(), Seen::Known(Some(live_tree())));
    // The new one was never there, or waits in the trash since an earlier exchange.
    let seen = [worktree::Observed::Foreign("x".into()), worktree::Observed::Trashed];
    insta::allow_duplicates! {
        for seen in seen {
            have.insert(tree(), Seen::Known(Some(Have::Worktree(seen))));
            assert_snapshot!(planned(object.clone(), &have), @"
            #1 agent/a-1 process/api, stop, its worktree is exchanged for that of another repository
            #2 agent/a-1 process/web, stop, its worktree is exchanged for that of another repository
            [1,2] -> #3 agent/a-1 worktree//t@old, move to trash, no longer wanted; kept until its retention ends
            held agent/a-1 worktree//t, waits until worktree//t@old has left its place
            ");
        }
    }
    // Where the new one cannot serve, or nobody can see it, there is no exchange.
    let unusable = Seen::Known(Some(Have::Worktree(worktree::Observed::Unusable("x".into()))));
    have.insert(tree(), unusable);
    assert_snapshot!(planned(object.clone(), &have), @"
    held agent/a-1 worktree//t, conflict: x
    held agent/a-1 worktree//t@old, stays until worktree//t can be looked at
    ");
    have.insert(tree(), Seen::Unknown("x".into()));
    assert_snapshot!(planned(object.clone(), &have), @"
    held agent/a-1 worktree//t, cannot be seen: x
    held agent/a-1 worktree//t@old, stays until worktree//t can be looked at
    ");
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    // Once there is room it comes.
    have.insert(old, Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    assert_snapshot!(planned(object, &have), @"#1 agent/a-1 worktree//t, restore, is in the trash and is wanted again");
}

#[test]
fn one_tree_by_two_names_of_its_repository_goes_nowhere() {
    let old = id(ResourceKind::Worktree, "/t@old");
    let place = worktree::Place { repo: "/alias".into(), path: "/t".into() };
    let planned_of = |target: AnyTarget, seen: Have| {
        let mut object = object();
        let gone = Wanted {
            target,
            place: Place::Worktree(place.clone()),
            ..object.resources[&tree()].clone()
        };
        object.resources.insert(old.clone(), gone);
        let mut have = all();
        have.insert(tree(), Seen::Known(Some(seen.clone())));
        have.insert(old.clone(), Seen::Known(Some(seen)));
        planned(object, &have).to_string()
    };
    insta::allow_duplicates! {
        for target in [AnyTarget::Trashed, AnyTarget::Gone] {
            assert_snapshot!(planned_of(target, live_tree()), @"held agent/a-1 worktree//t@old, stays: it is worktree//t itself, by another name of its repository");
        }
    }
    // From the trash it comes back whole, and only then it is seen whether they are two.
    let trashed = Have::Worktree(worktree::Observed::Trashed);
    assert_snapshot!(planned_of(AnyTarget::Gone, trashed), @"
    #1 agent/a-1 worktree//t, restore, is in the trash and is wanted again
    held agent/a-1 worktree//t@old, stays until worktree//t is in its place
    ");
    let missing = || Have::Worktree(worktree::Observed::Missing);
    insta::allow_duplicates! {
        for target in [AnyTarget::Trashed, AnyTarget::Gone] {
            let steps = planned_of(target, missing());
            assert_snapshot!(steps.lines().last().unwrap_or_default(), @"held agent/a-1 worktree//t@old, stays until worktree//t is in its place");
        }
    }
}

#[test]
fn what_stands_where_another_is_wanted_is_purged_by_way_of_the_trash() {
    let old = id(ResourceKind::Worktree, "/t@old");
    let place = worktree::Place { repo: "/before".into(), path: "/t".into() };
    let mut object = object();
    let gone = Wanted {
        target: AnyTarget::Gone,
        place: Place::Worktree(place),
        ..object.resources[&tree()].clone()
    };
    object.resources.insert(old.clone(), gone);
    let mut have = all();
    for process in [api(), web()] {
        object.resources.remove(&process);
    }
    have.insert(tree(), Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    have.insert(old.clone(), Seen::Known(Some(live_tree())));
    assert_snapshot!(planned(object.clone(), &have), @"
    #1 agent/a-1 worktree//t@old, move to trash, no longer wanted; kept until its retention ends
    held agent/a-1 worktree//t, waits until worktree//t@old has left its place
    ");
    have.insert(tree(), Seen::Known(Some(live_tree())));
    have.insert(old, Seen::Known(Some(Have::Worktree(worktree::Observed::Trashed))));
    assert_snapshot!(planned(object, &have), @"#1 agent/a-1 worktree//t@old, purge, to be purged");
}
