//! What an agent's key opens, and what it does not.

use std::sync::Arc;

use agent_harness_model::id::ObjectKey;
use agent_harness_model::kinds::bucket::{Action, Desired};

use super::super::harness::{code, get, list, put};
use super::super::provider::{id, live, want};
use super::server::{Minio, admin, create, user};

#[tokio::test]
async fn no_agent_reaches_the_bucket_of_another() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    for number in [1, 2] {
        let (id, want) = create(&world, number).await;
        assert_eq!(world.see(&id, &want).await, live("f1"));
        assert_eq!(world.provider.warnings().get(&id), None);
        put(&server.agent(number), &want.place.bucket, "note", &format!("of {number}")).await;
    }
    for (own, other) in [(1, "agent-2"), (2, "agent-1")] {
        let client = server.agent(own);
        let bucket = format!("agent-{own}");
        assert_eq!(get(&client, &bucket, "note").await, format!("of {own}"));
        let listed = client.list_buckets().send().await.unwrap();
        let names: Vec<_> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
        assert_eq!(names, [bucket.as_str()]);

        let denied = "AccessDenied";
        assert_eq!(code(client.list_objects_v2().bucket(other).send().await), denied);
        assert_eq!(code(client.get_object().bucket(other).key("note").send().await), denied);
        let put = client.put_object().bucket(other).key("new").body(b"x".to_vec().into());
        assert_eq!(code(put.send().await), denied);
        assert_eq!(code(client.delete_object().bucket(other).key("note").send().await), denied);
        let copy = client.copy_object().copy_source(format!("{other}/note"));
        assert_eq!(code(copy.bucket(&bucket).key("stolen").send().await), denied);

        // What the controller has set is not the agent's to change, and a second bucket not its to make.
        assert_eq!(code(client.delete_bucket().bucket(&bucket).send().await), denied);
        assert_eq!(code(client.delete_bucket_tagging().bucket(&bucket).send().await), denied);
        assert_eq!(code(client.create_bucket().bucket("another").send().await), denied);
        let again = client.create_bucket().bucket(&bucket).send().await;
        assert_eq!(code(again), "BucketAlreadyOwnedByYou");
    }
    assert_eq!(list(&server.admin(), "agent-1").await, ["note"]);
    // The secret of one is no secret of another.
    let mut mixed = server.connection();
    mixed.access_key = "key-1".into();
    mixed.secret_key = agent_harness_model::secret::Secret::new("secret-2");
    let mixed = agent_harness_providers::s3::client(&mixed);
    let refused = mixed.list_objects_v2().bucket("agent-1").send().await;
    assert_eq!(code(refused), "SignatureDoesNotMatch");
}

/// Neither to see who else is there, nor to take keys away or make more of them.
#[tokio::test]
async fn no_agent_administers_the_store() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    for number in [1, 2] {
        create(&world, number).await;
    }
    let client = server.agent(1);
    let policy = "policyName=readwrite&userOrGroup=key-1&isGroup=false";
    for (method, name, query) in [
        ("GET", "list-users", ""),
        ("GET", "list-canned-policies", ""),
        ("GET", "user-info", "accessKey=key-2"),
        ("DELETE", "remove-user", "accessKey=key-2"),
        ("DELETE", "remove-canned-policy", "name=agent-harness:i-test:u-00000002"),
        ("PUT", "set-user-or-group-policy", policy),
        ("PUT", "add-canned-policy", "name=agent-harness:i-test:u-00000001"),
        ("PUT", "add-user", "accessKey=key-1"),
    ] {
        let refused = admin(&client, method, name, query, "{}").await.unwrap_err();
        assert_eq!(refused, "AccessDenied", "{name}");
    }
    assert!(user(&server.admin(), "key-2").await.is_some());
    list(&server.agent(2), "agent-2").await;
}

/// The buckets of the Infra are for all agents.
#[tokio::test]
async fn shared_buckets_are_open_to_all_agents() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let mut infra = id(9);
    infra.owner = ObjectKey::infra("shared");
    let mut results = Desired { key: None, ..want(9) };
    results.place.bucket = "results".into();
    results.place.access_key = None;
    world.apply(&infra, Action::Create(Arc::new(results.clone()))).await.unwrap();
    assert_eq!(world.see(&infra, &results).await, live("f1"));
    let (id, mut want) = create(&world, 1).await;
    let closed = server.agent(1).list_objects_v2().bucket("results").send().await;
    assert_eq!(code(closed), "AccessDenied");

    want.key.as_mut().unwrap().shared = vec!["results".into()];
    assert_eq!(world.see(&id, &want).await, live("its key is missing or another"));
    world.apply(&id, Action::Configure(Arc::new(want.clone()))).await.unwrap();
    assert_eq!(world.see(&id, &want).await, live("f1"));
    put(&server.agent(1), "results", "r", "shared").await;
    assert_eq!(get(&server.admin(), "results", "r").await, "shared");
    let denied = server.agent(1).delete_bucket().bucket("results").send().await;
    assert_eq!(code(denied), "AccessDenied");
}
