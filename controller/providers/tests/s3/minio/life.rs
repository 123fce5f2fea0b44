//! A key comes with its bucket, leaves with it, and comes back.

use std::sync::Arc;

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::bucket::{Action, Observed};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use super::super::harness::{code, get, put};
use super::super::provider::{ABSENT, live};
use super::server::{Minio, admin, create, policies, see_leaving, settle, user};

#[tokio::test]
async fn in_the_trash_a_bucket_is_locked_and_comes_back_with_its_key() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, want) = create(&world, 1).await;
    create(&world, 2).await;
    let client = server.agent(1);
    put(&client, "agent-1", "note", "mine").await;
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();

    assert_eq!(settle(&world, &id, &want, &Target::Trashed).await.unwrap(), 1);
    assert_eq!(see_leaving(&world, &id, &want).await, Some(Observed::Trashed));
    let refused = client.get_object().bucket("agent-1").key("note").send().await;
    assert_eq!(code(refused), "InvalidAccessKeyId");
    assert_eq!(policies(&server.admin()).await, ["agent-harness:i-test:u-00000002"]);

    let present = Target::Present(Arc::new(want.clone()));
    assert_eq!(settle(&world, &id, &want, &present).await.unwrap(), 1);
    assert_eq!(get(&client, "agent-1", "note").await, "mine");
    assert_eq!(world.see(&id, &want).await, live("f1"));

    settle(&world, &id, &want, &Target::Trashed).await.unwrap();
    assert_eq!(settle(&world, &id, &want, &Target::Gone).await.unwrap(), 1);
    assert_eq!(world.see(&id, &want).await, ABSENT);
    assert_eq!(user(&server.admin(), "key-1").await, None);
    assert_eq!(settle(&world, &id, &want, &Target::Gone).await.unwrap(), 0);
    // Nobody else's was touched.
    put(&server.agent(2), "agent-2", "note", "x").await;
}

/// A bucket that somebody removed leaves no key behind, which would open the next one of its name.
#[tokio::test]
async fn a_key_without_its_bucket_goes_too() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    for (agent, target) in [(1, Target::Trashed), (2, Target::Gone)] {
        let (id, want) = create(&world, agent).await;
        server.admin().delete_bucket().bucket(&want.place.bucket).send().await.unwrap();
        assert_eq!(settle(&world, &id, &want, &target).await.unwrap(), 1);
        assert_eq!(see_leaving(&world, &id, &want).await, None);
        assert_eq!(user(&server.admin(), &format!("key-{agent}")).await, None);
    }
    assert_eq!(policies(&server.admin()).await, [""; 0]);
}

/// Where the spec goes over to the shared key, the own one is taken away, and comes again.
#[tokio::test]
async fn a_change_to_the_shared_key_and_back() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, own) = create(&world, 1).await;
    let mut shared = own.clone();
    shared.key = None;
    shared.place.access_key = None;
    shared.fingerprint = "shared".into();
    let present = Target::Present(Arc::new(shared.clone()));
    assert_eq!(settle(&world, &id, &shared, &present).await.unwrap(), 1);
    assert_eq!(user(&server.admin(), "key-1").await, None);
    assert_eq!(world.see(&id, &shared).await, live("shared"));
    assert!(world.provider.warnings()[&id][0].contains("keys: own"));

    let present = Target::Present(Arc::new(own.clone()));
    assert_eq!(settle(&world, &id, &own, &present).await.unwrap(), 1);
    put(&server.agent(1), "agent-1", "note", "mine").await;
    assert_eq!(world.provider.warnings().get(&id), None);
}

#[tokio::test]
async fn a_purge_takes_versions_and_uploads_along() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, want) = create(&world, 1).await;
    let (root, client) = (server.admin(), server.agent(1));
    let versioning =
        VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
    let request = root.put_bucket_versioning().bucket("agent-1");
    request.versioning_configuration(versioning).send().await.unwrap();
    for text in ["one", "two"] {
        for key in ["a/b", "gone ü+%", "stays"] {
            put(&client, "agent-1", key, text).await;
        }
    }
    client.delete_object().bucket("agent-1").key("gone ü+%").send().await.unwrap();
    let upload = client.create_multipart_upload().bucket("agent-1").key("film");
    let upload = upload.send().await.unwrap();
    let part = client.upload_part().bucket("agent-1").key("film").part_number(1);
    part.set_upload_id(upload.upload_id).body(b"x".to_vec().into()).send().await.unwrap();

    assert_eq!(settle(&world, &id, &want, &Target::Gone).await.unwrap(), 1);
    assert!(root.list_buckets().send().await.unwrap().buckets().is_empty());
    assert_eq!(code(root.head_bucket().bucket("agent-1").send().await), "NotFound");
    let users = admin(&root, "GET", "list-canned-policies", "", "").await.unwrap();
    assert!(!users.contains("agent-harness"), "{users}");
}
