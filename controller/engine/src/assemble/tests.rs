//! What becomes of what the ledger knows and nobody wants any more.

use agent_harness_model::kinds::{bucket, database, service, worktree};

use super::*;
use crate::ledger::Origin;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn record(key: ObjectKey, uid: &str) -> ObjectRecord {
    let origin =
        Origin { file: "/specs/x.yaml".into(), line: 1, text: String::new(), commit: None };
    ObjectRecord::new(key, Uid::new(uid), Timestamp::UNIX_EPOCH, origin)
}

fn service(name: &str) -> Place {
    let root = Some(format!("/state/{name}").into());
    Place::Service(service::Place { infra: "shared".into(), name: name.into(), root })
}

fn bucket(infra: &str) -> Place {
    let place = bucket::Place { infra: infra.into(), bucket: "results".into(), access_key: None };
    Place::Bucket(place)
}

fn database(infra: &str) -> Place {
    let name = || "agent_1".to_owned();
    Place::Database(database::Place {
        infra: infra.into(),
        database: name(),
        role: name(),
        kept: None,
    })
}

/// What is wanted of the resources of a record of which nothing is wanted any more.
fn targets(record: &ObjectRecord, now: Timestamp) -> Vec<String> {
    let mut resolution = Resolution::default();
    let key = (record.key.clone(), record.uid.clone());
    if record.deletion.is_none() {
        resolution.desired.objects.insert(key.clone(), DesiredObject::default());
    }
    add_leaving(&mut resolution, record, &Facts::default(), DAY, now);
    let desired = resolution.desired;
    let word = |target: &AnyTarget| match target {
        AnyTarget::Present(_) => "present",
        AnyTarget::Trashed => "trashed",
        AnyTarget::Gone => "gone",
    };
    let resources = desired.objects[&key].resources.iter();
    resources.map(|(id, wanted)| format!("{} {}", id.local(), word(&wanted.target))).collect()
}

fn leaving(purge: bool) -> Deletion {
    let until = if purge { Timestamp::UNIX_EPOCH } else { Timestamp::UNIX_EPOCH + DAY };
    Deletion { requested_at: Timestamp::UNIX_EPOCH, purge, trashed_at: None, until }
}

#[test]
fn a_server_that_an_infra_lost_stops_and_keeps_its_data() {
    let mut infra = record(ObjectKey::infra("shared"), "u-00000001");
    infra.claim("service/postgres", &service("postgres")).leaving_since =
        Some(Timestamp::UNIX_EPOCH);
    assert_eq!(targets(&infra, Timestamp::UNIX_EPOCH), ["service/postgres trashed"]);
    assert_eq!(targets(&infra, Timestamp::UNIX_EPOCH + DAY), ["service/postgres gone"]);
}

#[test]
fn shared_buckets_stop_stay_and_go_with_their_embedded_store() {
    let mut infra = record(ObjectKey::infra("shared"), "u-00000001");
    infra.claim("service/objectStore", &service("objectStore"));
    infra.claim("bucket/results", &bucket("shared"));
    infra.claim("bucket/elsewhere", &bucket("other"));
    infra.deletion = Some(leaving(false));
    assert_eq!(
        targets(&infra, Timestamp::UNIX_EPOCH),
        ["service/objectStore trashed", "bucket/elsewhere trashed"]
    );
    infra.deletion = Some(leaving(true));
    assert_eq!(
        targets(&infra, Timestamp::UNIX_EPOCH),
        ["service/objectStore gone", "bucket/elsewhere gone"]
    );
}

#[test]
fn a_stack_and_its_infra_are_needed_until_all_agents_are_out() {
    let state = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(state.path()).unwrap();
    let keys = [ObjectKey::infra("shared"), ObjectKey::stack("app"), ObjectKey::agent("agent-1")];
    for (key, uid) in keys.iter().zip(["u-00000001", "u-00000002", "u-00000003"]) {
        let mut record = record(key.clone(), uid);
        record.deletion = Some(leaving(false));
        ledger.save(record).unwrap();
    }
    let needed = |ledger: &Ledger| -> Vec<String> {
        let needed = still_needed(ledger).into_iter();
        needed.map(|(record, users)| format!("{} by {}", record.key, users.join(" "))).collect()
    };
    assert_eq!(
        needed(&ledger),
        ["infra/shared by agent/agent-1 stack/app", "stack/app by agent/agent-1"]
    );
    let out = |ledger: &mut Ledger, uid: &str| {
        let at = Some(Timestamp::UNIX_EPOCH);
        let set = |record: &mut ObjectRecord| {
            record.deletion.as_mut().unwrap().trashed_at = at;
        };
        ledger.update(&Uid::new(uid), set).unwrap();
    };
    out(&mut ledger, "u-00000003");
    assert_eq!(needed(&ledger), ["infra/shared by stack/app"]);
    out(&mut ledger, "u-00000002");
    assert!(needed(&ledger).is_empty());
}

#[test]
fn what_moved_to_another_place_leaves_the_old_one() {
    let state = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(state.path()).unwrap();
    let mut agent = record(ObjectKey::agent("agent-1"), "u-00000001");
    let tree = |repo: &str| {
        Place::Worktree(worktree::Place { repo: repo.into(), path: "/trees/agent-1".into() })
    };
    agent.claim("database/agent_1", &database("a"));
    agent.claim("worktree//trees/agent-1", &tree("/repo/a"));
    ledger.save(agent.clone()).unwrap();

    let mut object = DesiredObject::default();
    for (local, place) in
        [("database/agent_1", database("b")), ("worktree//trees/agent-1", tree("/repo/b"))]
    {
        let wanted = Wanted {
            target: AnyTarget::Trashed,
            place: place.clone(),
            after: Vec::new(),
            renewed_by: Vec::new(),
            source: None,
            parts: BTreeMap::new(),
        };
        object.resources.insert(agent.resource_id(local, &place), wanted);
    }
    let mut desired = Desired::default();
    desired.objects.insert((agent.key.clone(), agent.uid.clone()), object);
    let facts = Facts::default();
    assert!(set_apart_moved(&mut ledger, &desired, &facts).unwrap());
    assert!(!set_apart_moved(&mut ledger, &desired, &facts).unwrap(), "once is enough");
    let moved = ledger.get(&agent.uid).unwrap();
    assert_eq!(
        targets(moved, Timestamp::UNIX_EPOCH)
            .iter()
            .map(|line| line.split('@').next().unwrap().to_owned())
            .collect::<Vec<_>>(),
        // A tree of the new repository may be there already.
        ["worktree//trees/agent-1 trashed", "worktree//trees/agent-1", "database/agent_1"]
    );
}

/// A Stack with a template that is kept for an hour.
fn stack() -> Document {
    let text = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                spec: {infra: i, worktree: {repo: /r}, database: {template: {name: t, retain: 1h}}}\n";
    let mut parsed = agent_harness_model::spec::parse::parse("s.yaml", text.as_bytes());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    parsed.documents.remove(0)
}

#[test]
fn a_generation_goes_when_nobody_uses_it_and_its_retention_has_ended() {
    let state = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::open(state.path()).unwrap();
    let place = agent_harness_model::kinds::template::Place {
        infra: "i".into(),
        database: "t_00000001".into(),
    };
    let hour = SignedDuration::from_hours(1);
    let after = |time: SignedDuration| Timestamp::UNIX_EPOCH.checked_add(time).unwrap();
    let mut of_stack = record(ObjectKey::stack("s"), "u-00000001");
    let entry = of_stack.claim("template/t_00000001", &Place::Template(place));
    entry.record.applied = Some("1-g1".into());
    entry.leaving_since = Some(Timestamp::UNIX_EPOCH);
    let (key, uid) = (of_stack.key.clone(), of_stack.uid.clone());
    ledger.save(of_stack).unwrap();
    let documents = [(key.clone(), stack())].into();
    let goes = |ledger: &Ledger, now: Timestamp| {
        let mut resolution = Resolution::default();
        let id = (key.clone(), uid.clone());
        resolution.desired.objects.insert(id.clone(), DesiredObject::default());
        add_known(&mut resolution, &documents, ledger, &Facts::default(), DAY, now);
        !resolution.desired.objects[&id].resources.is_empty()
    };
    assert!(!goes(&ledger, after(hour / 2)));
    assert!(goes(&ledger, after(hour)), "its own retention, not that of the trash");

    // In use, about to be, or in the trash with its agent.
    let mut agent = record(ObjectKey::agent("agent-1"), "u-00000002");
    agent.claim("database/agent_1", &database("i")).generation = Some("1-g1".into());
    ledger.save(agent.clone()).unwrap();
    assert!(!goes(&ledger, after(DAY)));
    begin_deletion(&mut ledger, &agent.uid, false, DAY, after(hour)).unwrap();
    assert!(!goes(&ledger, after(DAY)));
    // Reset to another one: what is kept of it needs no template.
    agent.claim("database/agent_1", &database("i")).generation = Some("1-g2".into());
    ledger.save(agent).unwrap();
    assert!(goes(&ledger, after(DAY)));
}

#[test]
fn what_a_reset_set_aside_goes_after_its_retention_and_what_was_saved_stays() {
    let mut agent = record(ObjectKey::agent("agent-1"), "u-00000001");
    agent.claim("database/agent_1", &database("i"));
    let want = database_wanted();
    for (name, saved) in [("reset-1", false), ("mine", true)] {
        let entry = agent.resources.get_mut("database/agent_1").unwrap();
        entry.life = Some(life(name, saved));
        agent.note_replaced("database/agent_1", &want, Timestamp::UNIX_EPOCH);
    }
    let shown = |hours: i64| {
        let now = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(hours)).unwrap();
        let mut targets = targets(&agent, now);
        targets.retain(|line| line.contains(':'));
        targets.join(", ")
    };
    assert_eq!(shown(1), "database/agent_1:mine trashed, database/agent_1:reset-1 trashed");
    assert_eq!(shown(25), "database/agent_1:mine trashed, database/agent_1:reset-1 gone");
}

fn life(aside: &str, saved: bool) -> crate::ledger::Life {
    crate::ledger::Life {
        id: aside.into(),
        aside: aside.into(),
        saved,
        copy: None,
        renews: !saved,
        done: false,
    }
}

fn database_wanted() -> agent_harness_model::kinds::database::Desired {
    let Place::Database(place) = database("i") else { panic!() };
    agent_harness_model::kinds::database::Desired {
        place,
        fingerprint: "f".into(),
        password: agent_harness_model::secret::Secret::new("x"),
        template: None,
        strategy: agent_harness_model::kinds::database::Strategy::Auto,
        life: None,
    }
}

#[test]
fn a_life_that_came_about_is_made_of_the_template_from_then_on() {
    let mut agent = record(ObjectKey::agent("agent-1"), "u-00000001");
    agent.claim("database/agent_1", &database("i"));
    let want = database_wanted();
    let entry = agent.resources.get_mut("database/agent_1").unwrap();
    let copy = Some("mine".to_owned());
    entry.life = Some(crate::ledger::Life { copy, ..life("mine", true) });
    let lives = |agent: &ObjectRecord| {
        let id = agent.resource_id("database/agent_1", &database("i"));
        let resource = agent_harness_model::kinds::Resource::Database(want.clone().into());
        let mut object = DesiredObject::default();
        object.resources.insert(id.clone(), Wanted::present(resource));
        agent.add_lives(&mut object);
        let AnyTarget::Present(agent_harness_model::kinds::Resource::Database(want)) =
            &object.resources[&id].target
        else {
            panic!()
        };
        want.life.clone().unwrap()
    };
    let before = lives(&agent);
    let from = before.copy.expect("it is cloned from what is kept");
    assert_eq!((from.place, before.renews), (before.aside, false));
    agent.resources.get_mut("database/agent_1").unwrap().life.as_mut().unwrap().done = true;
    let after = lives(&agent);
    assert_eq!((after.id, after.copy, after.renews), ("mine".to_owned(), None, true));
}
