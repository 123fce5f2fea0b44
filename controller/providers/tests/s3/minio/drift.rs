//! What somebody does to a key of ours by hand is seen and put right.

use std::sync::Arc;

use agent_harness_model::kinds::Target;

use super::super::harness::{code, put};
use super::super::provider::live;
use super::server::{Minio, admin, create, settle, user};

const MARK: &str = "agent-harness:i-test:u-00000001";
const OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::*"]}]}"#;

#[tokio::test]
async fn what_was_changed_by_hand_is_put_right() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, want) = create(&world, 1).await;
    create(&world, 2).await;
    let root = server.admin();
    let policy = |name: &str| format!("policyName={name}&userOrGroup=key-1&isGroup=false");
    let document = format!("name={MARK}");
    let (other, none) = (policy("readwrite"), policy(""));
    let more = policy(&format!("{MARK},readwrite"));
    let group = r#"{"group":"all","members":["key-1"],"isRemove":false,"groupStatus":"enabled"}"#;
    for (what, method, name, query, body) in [
        ("the key is deleted", "DELETE", "remove-user", "accessKey=key-1", ""),
        ("it is disabled", "PUT", "set-user-status", "accessKey=key-1&status=disabled", ""),
        ("its policy opens all buckets", "PUT", "add-canned-policy", document.as_str(), OPEN),
        ("it has a second policy", "PUT", "set-user-or-group-policy", more.as_str(), ""),
        ("it has another policy", "PUT", "set-user-or-group-policy", other.as_str(), ""),
        ("it has no policy", "PUT", "set-user-or-group-policy", none.as_str(), ""),
        ("it is in a group", "PUT", "update-group-members", "", group),
    ] {
        admin(&root, method, name, query, body).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        // A look of its own: what was seen within the last minute is believed.
        let world = server.world();
        assert_eq!(world.see(&id, &want).await, live("its key is missing or another"), "{what}");
        let present = Target::Present(Arc::new(want.clone()));
        assert_eq!(settle(&world, &id, &want, &present).await.unwrap(), 1, "{what}");
        put(&server.agent(1), "agent-1", "note", what).await;
        let denied = server.agent(1).list_objects_v2().bucket("agent-2").send().await;
        assert_eq!(code(denied), "AccessDenied", "{what}");
        let now = user(&root, "key-1").await.unwrap();
        assert_eq!(
            (&now["policyName"], &now["memberOf"]),
            (&MARK.into(), &serde_json::Value::Null)
        );
    }
}

/// A key that is there again while its bucket is in the trash is locked again.
#[tokio::test]
async fn a_key_that_opens_the_trash_is_locked_again() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, want) = create(&world, 1).await;
    let tags = server.admin().get_bucket_tagging().bucket("agent-1").send().await.unwrap();
    settle(&world, &id, &want, &Target::Trashed).await.unwrap();
    // Live and in the trash the bucket carries other tags: those of its life make the key again, and then it is trash.
    let trash = server.admin().get_bucket_tagging().bucket("agent-1").send().await.unwrap();
    let retag = |set| {
        let tagging = aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(set)).build().unwrap();
        server.admin().put_bucket_tagging().bucket("agent-1").tagging(tagging).send()
    };
    retag(tags.tag_set).await.unwrap();
    let present = Target::Present(Arc::new(want.clone()));
    settle(&server.world(), &id, &want, &present).await.unwrap();
    retag(trash.tag_set).await.unwrap();

    let world = server.world();
    assert_eq!(settle(&world, &id, &want, &Target::Trashed).await.unwrap(), 1);
    assert_eq!(user(&server.admin(), "key-1").await, None);
}
