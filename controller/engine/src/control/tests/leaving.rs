//! `delete`, `undelete` and the trash.

use std::sync::Arc;

use agent_harness_model::api::LogFile;
use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_model::kinds::{Place, database};
use agent_harness_model::status::{Blocker, ConditionType, Truth};
use jiff::{SignedDuration, Timestamp};

use super::{AGENT, Applied, Deleted, Object, Site, fs, open, request};
use crate::ledger::{Deletion, ObjectRecord, Origin};
use crate::testing::Hall;

const PATH: &str = "/v1/objects/agent/agent-3";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_trash_can_be_purged() {
    let site = Site::start();
    site.apply(AGENT).await;
    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    site.until("the trash", async || !site.is_there(PATH).await).await;
    assert_eq!(site.refused("DELETE", PATH, b"").await.0, 404, "it is gone already");
    let purged: Deleted = site.ok("DELETE", &format!("{PATH}?purge=true"), b"").await;
    assert_eq!(purged.until, None);
    site.until("its end", async || !site.is_there(PATH).await).await;
    assert!(site.trash().await.is_empty());
    let key = ObjectKey::agent("agent-3");
    assert!(!site.engine.core().ledger().records().any(|record| record.key == key));
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_file_is_gone_can_be_deleted() {
    let site = Site::start();
    site.apply(AGENT).await;
    fs::remove_file_if_exists(site.spec("agent-3.yaml")).unwrap();
    let deleted: Deleted = site.ok("DELETE", PATH, b"").await;
    assert!(deleted.until.is_some());
    site.engine.stop().await;
}

/// A state folder that was over another specs folder before has objects of files that it does not watch now.
#[tokio::test(flavor = "multi_thread")]
async fn files_outside_of_the_watched_folder_are_not_touched() {
    let site = Site::start();
    site.apply(AGENT).await;
    let (before, specs) = (site.folder.path().join("before"), site.folder.path().join("specs"));
    let Site { folder, world, engine } = site;
    engine.stop().await;
    fs::rename(&specs, &before).unwrap();
    fs::create_dir_all(&specs, 0o755).unwrap();
    let other = AGENT.replace("agent-3", "agent-4");
    fs::write_atomic(specs.join("agent-4.yaml"), other, 0o644).unwrap();
    // The record still names the file where it lies now.
    let engine = open(folder.path(), &world);
    let uid = engine.core().ledger().live(&ObjectKey::agent("agent-3")).unwrap().uid.clone();
    let elsewhere = before.join("agent-3.yaml");
    let moved = |record: &mut ObjectRecord| record.origin.file.clone_from(&elsewhere);
    engine.core().ledger().update(&uid, moved).unwrap();
    engine.stop().await;
    let site = Site { engine: super::engine(folder.path(), &world), folder, world };
    let edited = AGENT.replace("{stack: s}", "{stack: s, id: 9}");
    site.apply(&edited).await;
    assert_eq!(fs::read_to_string(site.spec("agent-3.yaml")).unwrap(), edited);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), AGENT);
    let object: Object = site.ok("GET", PATH, b"").await;
    assert_eq!(object.metadata.uid, uid, "it is the same one");

    // And one that is only there.
    fs::remove_file_if_exists(site.spec("agent-3.yaml")).unwrap();
    site.engine.core().ledger().update(&uid, moved).unwrap();
    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), AGENT);
    site.engine.stop().await;
}

/// Nobody has to do anything about it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_users_to_be_out_says_so() {
    let site = Site::start();
    site.apply(AGENT).await;
    site.until("the process", async || site.world.running().len() == 1).await;
    site.world.close().await;
    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    let _: Deleted = site.ok("DELETE", "/v1/objects/stack/s", b"").await;
    site.until("the reason", async || {
        let stack: Object = site.ok("GET", "/v1/objects/stack/s", b"").await;
        let status = stack.status.unwrap();
        let blocked = status.condition(ConditionType::DeletionBlocked).unwrap();
        blocked.status == Truth::True && blocked.reason == Blocker::LeavingUsers.reason()
    })
    .await;
    site.world.open();
    site.until("its end", async || !site.is_there("/v1/objects/stack/s").await).await;
    site.engine.stop().await;
}

/// The trash of an agent lies in the servers of its Infra, and would go with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_servers_takes_no_trash_along() {
    let site = Site::start();
    let infra = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {name: i}\n\
                 spec: {postgres: {embedded: {}}}\n";
    site.apply(infra).await;
    // There is no database in this world: at the first look the entry would go.
    site.world.close().await;
    let now = Timestamp::now();
    let origin =
        Origin { file: "/x/agent-3.yaml".into(), line: 1, text: AGENT.into(), commit: None };
    let mut record = ObjectRecord::new(ObjectKey::agent("agent-3"), Uid::new("u1"), now, origin);
    let until = now + SignedDuration::from_hours(24);
    record.deletion =
        Some(Deletion { requested_at: now, purge: false, trashed_at: Some(now), until });
    let database = || "agent_3".to_owned();
    let place =
        database::Place { infra: "i".into(), database: database(), role: database(), kept: None };
    record.claim("database/agent_3", &Place::Database(place));
    site.engine.core().ledger().save(record).unwrap();

    let path = "/v1/objects/infra/i?purge=true";
    let (status, refusal) = site.refused("DELETE", path, b"").await;
    assert_eq!(
        (status, refusal.message.as_str()),
        (
            409,
            "infra/i still holds database/agent_3 of agent/agent-3 (no longer wanted, kept until its retention \
             ends); purge these first with `ctl delete NAME --purge`"
        )
    );
    assert!(site.is_there("/v1/objects/infra/i").await);
    assert!(fs::read_to_string(site.spec("i.yaml")).is_ok(), "its file as well");
    // Nor does an edit, and a diff says so before.
    for request_path in ["/v1/diff", "/v1/apply"] {
        let other = infra.replace("postgres", "objectStore");
        let (status, refusal) = site.refused("POST", request_path, &request(&other)).await;
        let why = refusal.diagnostics.concat();
        assert_eq!(status, 422, "{}", refusal.message);
        assert!(why.contains("`postgres` cannot go while it holds database/agent_3"), "{why}");
        assert_eq!(fs::read_to_string(site.spec("i.yaml")).unwrap(), infra);
    }
    // An earlier incarnation takes nothing along: its server is that of the live one.
    let origin = Origin { file: "/x/i.yaml".into(), line: 1, text: infra.into(), commit: None };
    let mut earlier = ObjectRecord::new(ObjectKey::infra("i"), Uid::new("u0"), now, origin);
    earlier.deletion =
        Some(Deletion { requested_at: now, purge: false, trashed_at: Some(now), until });
    site.engine.core().ledger().save(earlier).unwrap();
    let purged: Deleted = site.ok("DELETE", &format!("{path}&uid=u0"), b"").await;
    assert_eq!(purged.uids, [Uid::new("u0")]);
    site.world.open();
    let gone = async || site.engine.core().ledger().get(&Uid::new("u0")).is_none();
    site.until("its end", gone).await;
    let purge = |record: &mut ObjectRecord| record.deletion.as_mut().unwrap().purge = true;
    site.engine.core().ledger().update(&Uid::new("u1"), purge).unwrap();
    let _: Deleted = site.ok("DELETE", path, b"").await;
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_destroyed_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Hall::default());
    let key = ObjectKey::agent("agent-3");
    let now = Timestamp::now();
    let add = |uid: &str, age_hours: i64, purge| {
        let requested_at = now - SignedDuration::from_hours(age_hours);
        let origin =
            Origin { file: "/x/agent-3.yaml".into(), line: 1, text: AGENT.into(), commit: None };
        let mut record = ObjectRecord::new(key.clone(), Uid::new(uid), requested_at, origin);
        let until = requested_at + SignedDuration::from_hours(24);
        record.deletion = Some(Deletion { requested_at, purge, trashed_at: None, until });
        engine.core().ledger().save(record).unwrap();
    };
    let restorable = || {
        let found = crate::control::leave::restorable(engine.core(), &key, None, now);
        found.map(|record| record.uid.to_string()).map_err(|error| error.to_string())
    };
    assert_eq!(restorable(), Err("agent/agent-3 is not in the trash".into()));
    add("uid-00000001", 25, false);
    let late = restorable().unwrap_err();
    assert!(late.starts_with("agent/agent-3 could be brought back until 2"), "{late}");
    add("uid-00000002", 3, true);
    assert_eq!(
        restorable(),
        Err("agent/agent-3 was purged: what it made is being destroyed and does not come back"
            .into())
    );
    add("uid-00000003", 5, false);
    assert_eq!(restorable(), Ok("uid-00000003".into()), "an older one still can");
    engine.stop().await;
}

/// What carries the name alone does not go over to the next one of that name.
#[tokio::test(flavor = "multi_thread")]
async fn a_successor_gets_neither_logs_nor_secrets() {
    let site = Site::start();
    let state = site.folder.path().join("state");
    let log = state.join("logs/agent-agent-3/process/main.log");
    let logs = async || -> Vec<LogFile> { site.ok("GET", &format!("{PATH}/logs"), b"").await };
    let come = async |said: &str| {
        site.apply(AGENT).await;
        let object: Object = site.ok("GET", PATH, b"").await;
        let uid = object.metadata.uid;
        let secret = state.join(format!("secrets/agent-agent-3-{}-database", uid.short()));
        for (path, text) in [(&log, said), (&secret, "s3cret")] {
            fs::create_dir_all(path.parent().unwrap(), 0o700).unwrap();
            fs::write_atomic(path, text, 0o600).unwrap();
        }
        secret
    };
    let leave = async |query: &str| {
        let _: Deleted = site.ok("DELETE", &format!("{PATH}{query}"), b"").await;
        site.until("its end", async || !site.is_there(PATH).await).await;
    };
    let first = come("of the first").await;
    leave("").await;
    let kept = logs().await;
    assert_eq!(fs::read_to_string(kept[0].path.as_ref().unwrap()).unwrap(), "of the first");
    site.apply(AGENT).await;
    assert!(logs().await.is_empty(), "the second has said nothing yet");
    let second = come("of the second").await;
    leave("").await;
    // The first comes back with its own, and goes for good.
    let old = site.trash().await[0].uid.clone();
    let _: Applied = site.ok("POST", &format!("{PATH}/undelete?uid={old}"), b"").await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "of the first");
    assert!(first.exists());
    leave(&format!("?purge=true&uid={old}")).await;
    let there = (log.exists(), first.exists(), second.exists());
    assert_eq!(there, (false, false, true));
    leave("?purge=true").await;
    assert!(!second.exists());
    assert!(fs::list_dir(state.join("logs")).unwrap().is_empty());
    site.engine.stop().await;
}

/// A plan of before the purge writes down what it is about to make after the purge's own view was made.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_overtaken_plan_wrote_down_does_not_hold_up_a_purge() {
    let site = Site::start();
    site.apply(AGENT).await;
    site.until("the process", async || site.world.running().len() == 1).await;
    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    site.until("the trash", async || !site.is_there(PATH).await).await;
    let uid = site.trash().await[0].uid.clone();
    site.world.close().await;
    let asked = site.world.asked().len();
    let _: Applied = site.ok("POST", &format!("{PATH}/undelete"), b"").await;
    site.until("the look for a plan", async || site.world.asked().len() > asked).await;
    let _: Deleted = site.ok("DELETE", &format!("{PATH}?purge=true"), b"").await;
    let (key, core) = (ObjectKey::agent("agent-3"), Arc::clone(site.engine.core()));
    let leaves = async || core.view().object(&key, &uid).is_some_and(|object| object.deleting);
    site.until("the view of the purge", leaves).await;
    site.world.open();
    site.until("its end", async || !site.is_there(PATH).await).await;
    assert!(site.world.running().is_empty());
    site.engine.stop().await;
}

/// While it is still leaving, what it says goes to where it always did.
#[tokio::test(flavor = "multi_thread")]
async fn an_undelete_that_fails_leaves_the_logs_where_they_are() {
    let site = Site::start();
    site.apply(AGENT).await;
    site.until("the process", async || site.world.running().len() == 1).await;
    let log = site.folder.path().join("state/logs/agent-agent-3/process/main.log");
    fs::create_dir_all(log.parent().unwrap(), 0o700).unwrap();
    fs::write_atomic(&log, "said", 0o600).unwrap();
    site.world.close().await;
    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    let (specs, away) = (site.spec(""), site.folder.path().join("away"));
    fs::rename(&specs, &away).unwrap();
    let (status, body) = site.refused("POST", &format!("{PATH}/undelete"), b"").await;
    assert_eq!(status, 500, "{}", body.message);
    assert_eq!(fs::read_to_string(&log).unwrap(), "said");
    fs::rename(&away, &specs).unwrap();
    let _: Applied = site.ok("POST", &format!("{PATH}/undelete"), b"").await;
    assert_eq!(fs::read_to_string(&log).unwrap(), "said");
    site.world.open();
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_everything_leaves_what_names_the_folder_and_what_a_person_wrote() {
    let site = Site::start();
    site.apply(AGENT).await;
    let state = site.folder.path().join("state");
    let ours =
        ["secrets/infra-i-postgres", "logs/stack-s@12345678/template/x.log", "setup/a/b.lock"];
    for path in ours.into_iter().chain(["secrets/spec-mine"]) {
        fs::create_dir_all(state.join(path).parent().unwrap(), 0o700).unwrap();
        fs::write_atomic(state.join(path), "x", 0o600).unwrap();
    }
    site.until("the process", async || site.world.running().len() == 1).await;
    let (one, other) = tokio::join!(site.engine.down(true), site.engine.down(true));
    one.and(other).unwrap();
    site.engine.stop().await;
    let mut names: Vec<_> = fs::list_dir(&state).unwrap();
    // An empty folder says nothing about anybody.
    names.retain(|path| path.is_file() || !fs::list_dir(path).unwrap().is_empty());
    let left = ["environment.json", "installation", "lock", "secrets"];
    assert_eq!(names, left.map(|name| state.join(name)));
    let mine = [state.join("secrets/spec-mine"), state.join("environment.json")];
    assert_eq!(fs::list_dir(state.join("secrets")).unwrap(), mine[..1]);
    assert_eq!(crate::leftovers::kept(&state), mine);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_of_everything_asks_about_who_is_protected() {
    let site = Site::start();
    site.apply(&AGENT.replace("{stack: s}", "{stack: s, deletion: {protect: true}}")).await;
    site.until("the process", async || site.world.running().len() == 1).await;
    let error = site.engine.down(true).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "nothing was ended: agent/agent-3 is protected; take `deletion: {protect: true}` out of the spec, or of its \
         Stack's, first"
    );
    assert_eq!(site.world.running().len(), 1);
    site.apply(AGENT).await;
    site.engine.down(true).await.unwrap();
    assert!(site.world.running().is_empty());
    site.engine.stop().await;
}

/// Two of one name in the trash: which of them is meant is said by its uid.
#[tokio::test(flavor = "multi_thread")]
async fn each_incarnation_in_the_trash_can_be_named() {
    let site = Site::start();
    let twice = async || {
        site.apply(AGENT).await;
        let deleted: Deleted = site.ok("DELETE", PATH, b"").await;
        site.until("the trash", async || !site.is_there(PATH).await).await;
        deleted.uids[0].clone()
    };
    let (old, new) = (twice().await, twice().await);
    let (status, body) = site.refused("DELETE", &format!("{PATH}?purge=true"), b"").await;
    assert_eq!(status, 409);
    for word in [old.short(), new.short(), "kept until", "--uid UID", "--all"] {
        assert!(body.message.contains(word), "{word}: {}", body.message);
    }
    assert_eq!(site.trash().await.len(), 2, "nothing was destroyed");
    let undelete = |uid: &str| format!("{PATH}/undelete?uid={uid}");
    let (status, body) = site.refused("POST", &undelete("zzz"), b"").await;
    assert_eq!(status, 404);
    assert!(body.message.contains("begins with `zzz`; there are:"), "{}", body.message);
    // Made one after the other, their long forms begin the same.
    let (status, body) = site.refused("POST", &undelete(&old.as_str()[..4]), b"").await;
    assert_eq!(status, 409);
    assert!(body.message.contains("more than one uid"), "{}", body.message);
    let _: Applied = site.ok("POST", &undelete(old.short()), b"").await;
    let object: Object = site.ok("GET", PATH, b"").await;
    assert_eq!(object.metadata.uid, old);

    // A live one and one in the trash.
    assert_eq!(site.refused("DELETE", &format!("{PATH}?purge=true"), b"").await.0, 409);
    assert!(site.is_there(PATH).await);
    let path = format!("{PATH}?uid={}", new.short());
    assert_eq!(site.refused("DELETE", &path, b"").await.0, 409, "it has left already");
    let _: Deleted = site.ok("DELETE", &format!("{path}&purge=true"), b"").await;
    site.until("its end", async || site.trash().await.is_empty()).await;
    let object: Object = site.ok("GET", PATH, b"").await;
    assert_eq!(object.metadata.uid, old, "the other one stays");

    let _: Deleted = site.ok("DELETE", PATH, b"").await;
    site.until("the trash", async || !site.is_there(PATH).await).await;
    twice().await;
    let incarnation = |uid: &Uid| format!("{PATH}?uid={uid}");
    assert!(site.is_there(&incarnation(&old)).await, "in the trash, and not gone");
    let both: Deleted = site.ok("DELETE", &format!("{PATH}?purge=true&all=true"), b"").await;
    assert_eq!(both.uids.len(), 2);
    assert!(both.uids.contains(&old), "{both:?}");
    for uid in &both.uids {
        site.until("its end", async || !site.is_there(&incarnation(uid)).await).await;
    }
    assert!(site.trash().await.is_empty());
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_object_put_aside_is_in_the_trash_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path(), &Hall::default());
    let since = Timestamp::now() - SignedDuration::from_hours(3);
    let origin =
        Origin { file: "/x/agent-3.yaml".into(), line: 1, text: AGENT.into(), commit: None };
    let mut record = ObjectRecord::new(ObjectKey::agent("agent-3"), Uid::new("u1"), since, origin);
    for (name, left) in [("old", true), ("new", false)] {
        let database = || name.to_owned();
        let place = database::Place {
            infra: "i".into(),
            database: database(),
            role: database(),
            kept: None,
        };
        let entry = record.claim(&format!("database/{name}"), &Place::Database(place));
        entry.leaving_since = left.then_some(since);
    }
    engine.core().ledger().save(record).unwrap();
    let retention = engine.core().config.retention;
    let trash = crate::control::trash::trashed(&engine.core().ledger(), retention);
    let [one] = trash.as_slice() else { panic!("{trash:?}") };
    assert_eq!((one.live, &one.resources), (true, &vec!["database/old".to_owned()]));
    assert_eq!((one.since, one.until), (since, since + retention));
    engine.stop().await;
}
