//! The `Bucket` kind against our own store and against the same server as if somebody else ran it.

use std::sync::Arc;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId, ResourceKind, Uid};
use agent_harness_model::kinds::bucket::{Action, Bucket, Cors, Desired, Key, Observed, Place};
use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::kinds::{self, Have, Kind as _, Resource, Target, Verdict};
use agent_harness_model::secret::Secret;
use agent_harness_model::world::{ApplyError, Ask, Record, Seen};
use agent_harness_providers::object_store::BucketKey;
use agent_harness_providers::provider::{Context, Provider as _};
use agent_harness_providers::s3::S3Provider;

use aws_sdk_s3::types::Tag;

use super::harness::{INSTALLATION, Server, code, get, list, put};

/// A provider with one Infra, `shared`.
pub struct World {
    pub provider: S3Provider,
    connections: Connections,
}

impl World {
    pub fn new(connection: StoreConnection) -> Self {
        let mut connections = Connections::default();
        connections.stores.insert("shared".into(), connection);
        Self { provider: S3Provider::new(), connections }
    }

    pub fn context(&self) -> Context<'_> {
        Context::new(&self.connections, INSTALLATION)
    }

    pub async fn apply(&self, id: &ResourceId, action: Action) -> Result<(), ApplyError> {
        self.provider.apply(&self.context(), id, &kinds::Action::Bucket(action)).await
    }

    pub async fn see(&self, id: &ResourceId, want: &Desired) -> Seen<Option<Observed>> {
        self.see_with(id, want, &Record::default()).await
    }

    pub async fn see_with(
        &self,
        id: &ResourceId,
        want: &Desired,
        record: &Record,
    ) -> Seen<Option<Observed>> {
        let place = kinds::Place::Bucket(want.place.clone());
        let resource = Resource::Bucket(Arc::new(want.clone()));
        let ask = Ask { id, place: &place, want: Some(&resource), record };
        let observed = self.provider.observe(&self.context(), &[ask]).await;
        match observed.get(id) {
            Seen::Known(Some(Have::Bucket(have))) => Seen::Known(Some(have.clone())),
            Seen::Known(None) => Seen::Known(None),
            Seen::Known(Some(other)) => panic!("{other:?}"),
            Seen::Unknown(why) => Seen::Unknown(why),
        }
    }
}

pub fn id(agent: u32) -> ResourceId {
    ResourceId {
        owner: ObjectKey::agent(format!("agent-{agent}")),
        uid: Uid::new(format!("u-0000000{agent}")),
        kind: ResourceKind::Bucket,
        name: "bucket".into(),
    }
}

pub fn want(agent: u32) -> Desired {
    let access_key = format!("key-{agent}");
    let secret_key = Secret::new(format!("secret-{agent}"));
    Desired {
        place: Place {
            infra: "shared".into(),
            bucket: format!("agent-{agent}"),
            access_key: Some(access_key.clone()),
        },
        fingerprint: "f1".into(),
        key: Some(Key { access_key, secret_key, shared: Vec::new() }),
        expire_after_s: None,
        cors: None,
    }
}

pub fn live(settings: &str) -> Seen<Option<Observed>> {
    Seen::Known(Some(Observed::Live { settings: settings.into() }))
}

const TRASHED: Seen<Option<Observed>> = Seen::Known(Some(Observed::Trashed));
pub const ABSENT: Seen<Option<Observed>> = Seen::Known(None);

pub fn agent(server: &Server, agent: u32) -> aws_sdk_s3::Client {
    server.client_of(&BucketKey {
        access_key: format!("key-{agent}"),
        secret_key: agent_harness_providers::object_store::SecretText::new(format!(
            "secret-{agent}"
        )),
        bucket: String::new(),
    })
}

#[tokio::test]
async fn a_bucket_lives_goes_to_the_trash_comes_back_and_is_purged() {
    let server = Server::start();
    let world = World::new(server.connection());
    let (id, want) = (id(1), want(1));
    assert_eq!(world.see(&id, &want).await, ABSENT);
    let create = || Action::Create(Arc::new(want.clone()));
    world.apply(&id, create()).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
    world.apply(&id, create()).await.unwrap();
    let client = agent(&server, 1);
    put(&client, "agent-1", "note", "mine").await;

    world.apply(&id, Action::Trash(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, TRASHED);
    world.apply(&id, Action::Trash(want.place.clone())).await.unwrap();
    assert_eq!(code(client.list_objects_v2().bucket("agent-1").send().await), "InvalidAccessKeyId");
    assert_eq!(list(&server.admin(), "trash-00000001-agent-1").await, ["note"]);

    world.apply(&id, Action::Restore(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
    assert_eq!(get(&client, "agent-1", "note").await, "mine");
    world.apply(&id, Action::Restore(Arc::new(want.clone()))).await.unwrap();

    world.apply(&id, Action::Trash(want.place.clone())).await.unwrap();
    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, ABSENT);
    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert!(server.admin().list_buckets().send().await.unwrap().buckets().is_empty());
    assert_eq!(BucketKey::list(&server.root()).unwrap(), []);
}

#[tokio::test]
async fn settings_that_somebody_changed_are_seen_and_set_again() {
    let server = Server::start();
    let world = World::new(server.connection());
    let id = id(1);
    let mut want = want(1);
    want.expire_after_s = Some(3600);
    want.cors = Some(Cors {
        origins: vec!["http://localhost:3030".into()],
        methods: vec!["GET".into()],
        headers: vec!["*".into()],
        expose_headers: vec!["ETag".into()],
        max_age_s: 60,
    });
    let admin = server.admin();
    let configure = || Action::Configure(Arc::new(want.clone()));
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
    let rules = admin.get_bucket_lifecycle_configuration().bucket("agent-1").send().await.unwrap();
    assert_eq!(rules.rules()[0].id(), Some("harness-expire-3600s"));
    assert_eq!(rules.rules()[0].expiration().unwrap().days(), Some(1));

    admin.delete_bucket_cors().bucket("agent-1").send().await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("changed by somebody else"));
    world.apply(&id, configure()).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));

    admin.delete_bucket_lifecycle().bucket("agent-1").send().await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("changed by somebody else"));
    world.apply(&id, configure()).await.unwrap();

    BucketKey::remove(&server.root(), "key-1").unwrap();
    assert_eq!(world.see(&id, &want).await, live("its key is missing or another"));
    world.apply(&id, configure()).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));

    let mut plain = super::provider::want(1);
    plain.fingerprint = "f2".into();
    world.apply(&id, Action::Configure(Arc::new(plain.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &plain).await, live("f2"));
    assert_eq!(
        code(admin.get_bucket_cors().bucket("agent-1").send().await),
        "NoSuchCORSConfiguration"
    );
}

#[tokio::test]
async fn a_store_of_somebody_else_s_is_used_without_keys_and_renames() {
    let server = Server::start();
    let world = World::new(server.external());
    let id = id(1);
    let mut want = want(1);
    want.key = None;
    want.expire_after_s = Some(3600);
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
    let endpoint = server.external().endpoint;
    assert_eq!(
        world.provider.warnings()[&id],
        [
            format!(
                "the object store at {endpoint} gives no keys of its own to agents: all of them share the key of its \
                 Infra (a MinIO can, with `keys: own` under `objectStore`)"
            ),
            "the object store knows whole days only: expireAfter is rounded up".to_owned(),
        ]
    );
    put(&server.admin(), "agent-1", "note", "mine").await;

    world.apply(&id, Action::Trash(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, TRASHED);
    assert_eq!(list(&server.admin(), "agent-1").await, ["note"]);
    world.apply(&id, Action::Restore(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));

    world.apply(&id, Action::Trash(want.place.clone())).await.unwrap();
    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, ABSENT);
}

/// In a store that cannot rename, what is in the trash keeps its name: its successor is told whose it is.
#[tokio::test]
async fn a_name_that_the_trash_holds_is_told_from_a_stranger_s() {
    let server = Server::start();
    let world = World::new(server.external());
    let (old, want) = (id(1), Desired { key: None, ..want(1) });
    let new = ResourceId { uid: Uid::new("u-99999999"), ..old.clone() };
    world.apply(&old, Action::Create(Arc::new(want.clone()))).await.unwrap();
    let seen = world.see(&new, &want).await;
    assert!(matches!(seen, Seen::Known(Some(Observed::Foreign(_)))), "it lives: {seen:?}");
    world.apply(&old, Action::Trash(want.place.clone())).await.unwrap();
    let seen = Observed::Taken(old.uid.clone());
    assert_eq!(world.see(&new, &want).await, Seen::Known(Some(seen.clone())));
    let verdict = Bucket::diff(&Target::Present(Arc::new(want.clone())), &want.place, Some(&seen));
    assert_eq!(
        verdict,
        Verdict::Conflict(
            "the bucket agent-1 lies in the trash and keeps its name there; `ctl delete NAME --purge --uid u-00000001` \
             destroys it, or choose another name (`ctl trash` says whose it is)"
                .into()
        )
    );
    world.apply(&old, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&new, &want).await, ABSENT);
}

#[tokio::test]
async fn a_creation_cut_off_before_the_mark_is_finished() {
    let server = Server::start();
    let world = World::new(server.external());
    let (id, want) = (id(1), Desired { key: None, ..want(1) });
    server.admin().create_bucket().bucket("agent-1").send().await.unwrap();
    let begun = Record { applied: None, intended: Some("f1".into()) };
    assert_eq!(world.see_with(&id, &want, &begun).await, ABSENT);
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
}

#[tokio::test]
async fn the_infra_s_buckets_are_open_to_all_agents() {
    let server = Server::start();
    let world = World::new(server.connection());
    let mut shared = want(1);
    shared.place.bucket = "results".into();
    shared.place.access_key = None;
    shared.key = None;
    let mut infra = id(9);
    infra.owner = ObjectKey::infra("shared");
    world.apply(&infra, Action::Create(Arc::new(shared.clone()))).await.unwrap();
    assert_eq!(world.see(&infra, &shared).await, live("f1"));
    for number in [1, 2] {
        world.apply(&id(number), Action::Create(Arc::new(want(number)))).await.unwrap();
    }
    put(&agent(&server, 1), "results", "r", "shared").await;
    assert_eq!(get(&agent(&server, 2), "results", "r").await, "shared");
    let listed = agent(&server, 2).list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["agent-2", "results"]);
    let denied = agent(&server, 2).delete_bucket().bucket("results").send().await;
    assert_eq!(code(denied), "AccessDenied");

    world.apply(&infra, Action::Trash(shared.place.clone())).await.unwrap();
    let trash = agent(&server, 1).list_objects_v2().bucket("trash-00000009-results").send().await;
    assert_eq!(code(trash), "AccessDenied");

    // A restore that was cut off right after the rename.
    server.admin_request("POST", "/.harness/admin/rename?from=trash-00000009-results&to=results");
    let closed = live("not open to all agents");
    assert_eq!(world.see(&infra, &shared).await, closed);
    let tags = server.admin().get_bucket_tagging().bucket("results").send().await.unwrap();
    let tags: Vec<_> = tags.tag_set().iter().map(Tag::key).collect();
    assert_eq!(tags, ["agent-harness"], "its settings are no longer claimed to be in force");
    world.apply(&infra, Action::Configure(Arc::new(shared.clone()))).await.unwrap();
    assert_eq!(world.see(&infra, &shared).await, live("f1"));
    assert_eq!(get(&agent(&server, 2), "results", "r").await, "shared");
}

/// What is damaged is unknown, and nobody else's bucket is.
#[tokio::test]
async fn one_damaged_file_says_nothing_of_other_buckets() {
    let server = Server::start();
    let world = World::new(server.connection());
    for number in [1, 2] {
        world.apply(&id(number), Action::Create(Arc::new(want(number)))).await.unwrap();
    }
    std::fs::write(server.root().join("buckets/agent-2/bucket.json"), "{").unwrap();
    std::fs::write(server.root().join(".harness/keys/key-2.json"), "{").unwrap();
    std::fs::create_dir(server.root().join(".harness/keys/folder.json")).unwrap();
    let seen = world.see(&id(2), &want(2)).await;
    assert!(matches!(&seen, Seen::Unknown(why) if why.contains("agent-2/bucket.json")), "{seen:?}");
    assert_eq!(world.see(&id(1), &want(1)).await, live("f1"));
    let listed = server.admin().list_buckets().send().await.unwrap();
    let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["agent-1", "agent-2"]);
    let listed = agent(&server, 1).list_buckets().send().await.unwrap();
    assert_eq!(listed.buckets().len(), 1);

    world.apply(&id(1), Action::Configure(Arc::new(want(1)))).await.unwrap();
    // Its own key is removed, whatever is in the file.
    std::fs::write(server.root().join(".harness/keys/key-1.json"), "{").unwrap();
    world.apply(&id(1), Action::Trash(want(1).place)).await.unwrap();
    assert_eq!(BucketKey::read(&server.root(), "key-1").unwrap(), None);
    world.apply(&id(1), Action::Purge(want(1).place)).await.unwrap();
    assert_eq!(world.see(&id(1), &want(1)).await, ABSENT);
}

/// One that refuses the rules has the bucket all the same, and is quoted.
#[tokio::test]
async fn what_a_store_refuses_of_the_settings_is_a_warning() {
    use std::sync::atomic::{AtomicU16, Ordering};
    let server = Server::start();
    let status = Arc::new(AtomicU16::new(400));
    let answered = Arc::clone(&status);
    let port = super::harness::proxy(server.port, move |request| {
        let line = request.lines().next().unwrap_or_default();
        let status = answered.load(Ordering::SeqCst);
        (line.starts_with("PUT") && line.contains("cors") && status > 0).then(|| {
            let (code, message) = match status {
                403 => ("AccessDenied", "no"),
                _ => ("InvalidRequest", "only one method, please"),
            };
            let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        })
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection { endpoint, ..server.external() });
    let mut infra = id(1);
    infra.owner = ObjectKey::infra("shared");
    let want = Desired {
        key: None,
        cors: Some(Cors {
            origins: vec!["*".into()],
            methods: vec!["GET".into(), "PUT".into()],
            headers: Vec::new(),
            expose_headers: Vec::new(),
            max_age_s: 60,
        }),
        ..want(1)
    };
    world.apply(&infra, Action::Create(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&infra, &want).await, live("f1"));
    assert_eq!(
        world.provider.warnings()[&infra],
        [
            "the object store refuses cors, which has no effect: InvalidRequest: only one method please"
        ]
    );
    // A key that may not do it is something else.
    status.store(403, Ordering::SeqCst);
    let again = Action::Configure(Arc::new(want.clone()));
    let error = world.apply(&infra, again.clone()).await.unwrap_err();
    assert!(error.message.contains("AccessDenied"), "{error}");
    status.store(0, Ordering::SeqCst);
    world.apply(&infra, again).await.unwrap();
    assert_eq!(world.see(&infra, &want).await, live("f1"));
    assert_eq!(world.provider.warnings().get(&infra), None);
}

/// Rules that a store does not know have no effect, and that is said.
#[tokio::test]
async fn what_a_store_does_not_offer_is_a_warning() {
    let server = Server::start();
    let port = super::harness::proxy(server.port, |request| {
        let line = request.lines().next().unwrap_or_default();
        let unknown = line.contains("lifecycle") || line.contains("cors");
        unknown.then(|| "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n".to_owned())
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection { endpoint, ..server.external() });
    let mut infra = id(1);
    infra.owner = ObjectKey::infra("shared");
    let mut want = want(1);
    want.key = None;
    want.expire_after_s = Some(86_400);
    world.apply(&infra, Action::Create(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&infra, &want).await, live("f1"));
    assert_eq!(
        world.provider.warnings()[&infra],
        ["the object store does not support expireAfter: it has no effect"]
    );
}
