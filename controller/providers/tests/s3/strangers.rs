//! What is not ours is left alone, and what cannot be looked at is unknown.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use agent_harness_model::id::Uid;
use agent_harness_model::kinds::bucket::{Action, Observed};
use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::secret::Secret;
use agent_harness_model::world::{Class, Record, Seen};
use aws_sdk_s3::types::{Tag, Tagging};

use super::harness::{Server, free_port, get, list, put};
use super::provider::{World, id, want};

async fn tag(server: &Server, bucket: &str, mark: &str) {
    let tag = Tag::builder().key("agent-harness").value(mark).build().unwrap();
    let tagging = Tagging::builder().tag_set(tag).build().unwrap();
    server.admin().put_bucket_tagging().bucket(bucket).tagging(tagging).send().await.unwrap();
}

#[tokio::test]
async fn look_alikes_are_not_touched() {
    for mark in [
        None,
        Some("agent-harness:i-other:u-00000001"),
        Some("agent-harness:i-test:u-00000009"),
        Some("agent-harness:i-test:u-00000001:more"),
    ] {
        for external in [false, true] {
            let server = Server::start();
            let connection = if external { server.external() } else { server.connection() };
            let world = World::new(connection);
            let (id, want) = (id(1), want(1));
            let admin = server.admin();
            admin.create_bucket().bucket("agent-1").send().await.unwrap();
            put(&admin, "agent-1", "theirs", "precious").await;
            if let Some(mark) = mark {
                tag(&server, "agent-1", mark).await;
            }
            let begun = Record { applied: None, intended: Some("f1".into()) };
            let seen = world.see_with(&id, &want, &begun).await;
            assert!(matches!(seen, Seen::Known(Some(Observed::Foreign(_)))), "{mark:?}: {seen:?}");
            for action in [
                Action::Create(Arc::new(want.clone())),
                Action::Configure(Arc::new(want.clone())),
                Action::Restore(Arc::new(want.clone())),
            ] {
                let error = world.apply(&id, action).await.unwrap_err();
                assert_eq!(error.class, Class::Conflict, "{error}");
            }
            assert!(world.apply(&id, Action::Trash(want.place.clone())).await.is_err());
            // Nothing of ours is there to purge.
            world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
            assert_eq!(get(&admin, "agent-1", "theirs").await, "precious");
            assert_eq!(list(&admin, "agent-1").await, ["theirs"]);
        }
    }
}

#[tokio::test]
async fn an_incarnation_does_not_touch_its_successor() {
    let server = Server::start();
    let world = World::new(server.connection());
    let (old, want) = (id(1), want(1));
    let mut new = old.clone();
    new.uid = Uid::new("u-99999999");
    world.apply(&old, Action::Create(Arc::new(want.clone()))).await.unwrap();
    put(&server.admin(), "agent-1", "old", "old").await;
    world.apply(&old, Action::Trash(want.place.clone())).await.unwrap();
    world.apply(&new, Action::Create(Arc::new(want.clone()))).await.unwrap();
    put(&server.admin(), "agent-1", "new", "new").await;

    let error = world.apply(&old, Action::Restore(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict, "{error}");
    world.apply(&old, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(list(&server.admin(), "agent-1").await, ["new"]);
    assert_eq!(world.see(&new, &want).await, super::provider::live("f1"));
}

#[tokio::test]
async fn a_store_that_is_down_is_unknown_and_comes_back() {
    let mut server = Server::start();
    let world = World::new(server.connection());
    let (id, want) = (id(1), want(1));
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    server.kill();
    let endpoint = server.connection().endpoint;
    let why = format!(
        "cannot reach the object store at {endpoint} (`ctl describe infra/shared` says why): \
         Connection refused (os error 111)"
    );
    assert_eq!(world.see(&id, &want).await, Seen::Unknown(why.clone()));
    let error = world.apply(&id, Action::Purge(want.place.clone())).await.unwrap_err();
    assert_eq!((error.class, error.message), (Class::Transient, why));
    let external = World::new(server.external());
    let told = format!(
        "cannot reach the object store at {endpoint} (see that it runs, and that \
         `objectStore` of the Infra says where): "
    );
    let seen = external.see(&id, &want).await;
    assert!(matches!(&seen, Seen::Unknown(why) if why.starts_with(&told)), "{seen:?}");
    let error = external.apply(&id, Action::Purge(want.place.clone())).await.unwrap_err();
    assert_eq!(error.class, Class::Transient, "{error}");
    server.run();
    assert_eq!(world.see(&id, &want).await, super::provider::live("f1"));

    // Purged with all its data: then its buckets are gone for certain.
    server.kill();
    std::fs::remove_dir_all(server.root()).unwrap();
    assert_eq!(world.see(&id, &want).await, Seen::Known(None));
}

#[tokio::test]
async fn a_server_that_is_not_ours_is_noticed() {
    let server = Server::start();
    let (id, want) = (id(1), want(1));
    let wrong_key = StoreConnection { secret_key: Secret::new("another"), ..server.connection() };
    let endpoint = &wrong_key.endpoint;
    let world = World::new(wrong_key.clone());
    assert_eq!(
        world.see(&id, &want).await,
        Seen::Unknown(format!(
            "{endpoint} is answered by another program than our object store (it does not hold our root key); \
             `ctl describe infra/shared` says why"
        ))
    );
    let error = world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Conflict);

    let external = World::new(StoreConnection { embedded_root: None, ..wrong_key });
    let error = external.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal, "{error}");
    assert!(error.message.contains("check the secret key"), "{error}");
    assert!(!error.message.contains("another"), "{error}");
}

#[tokio::test]
async fn any_other_program_on_the_port_is_noticed() {
    let port = free_port();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection {
        endpoint: endpoint.clone(),
        region: "us-east-1".into(),
        access_key: "root".into(),
        secret_key: Secret::new("root-secret"),
        embedded_root: Some("/".into()),
    });
    assert_eq!(
        world.see(&id(1), &want(1)).await,
        Seen::Unknown(format!(
            "{endpoint} is answered by another program than our object store (it does not say who it is); \
             `ctl describe infra/shared` says why"
        ))
    );
}

/// The request went out and no answer came: nobody knows whether it was done.
#[tokio::test]
async fn a_lost_answer_to_a_change_is_indeterminate() {
    let server = Server::start();
    let (id, want) = (id(1), want(1));
    let cut = |request: &str| request.starts_with("PUT ").then(String::new);
    let port = super::harness::proxy(server.port, cut);
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection { endpoint, ..server.external() });
    let error = world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap_err();
    assert_eq!(error.class, Class::Indeterminate, "{error}");
}
