//! A key that looks like ours and is not stays as it is.

use std::sync::Arc;

use agent_harness_model::id::{ResourceId, Uid};
use agent_harness_model::kinds::bucket::Action;
use agent_harness_model::kinds::{Target, bucket::Desired};
use agent_harness_model::world::Class;

use super::super::harness::{list, put};
use super::super::provider::{id, live, want};
use super::server::{Minio, admin, create, see_leaving, settle, user};

#[tokio::test]
async fn a_key_of_somebody_else_s_is_left_alone() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let root = server.admin();
    // Made for another incarnation: it has our name, and another's mark.
    let stranger = ResourceId { uid: Uid::new("u-99999999"), ..id(1) };
    let mut theirs = want(1);
    theirs.place.bucket = "theirs".into();
    world.apply(&stranger, Action::Create(Arc::new(theirs))).await.unwrap();
    let clear = "policyName=&userOrGroup=key-1&isGroup=false";
    let (id, want) = (id(1), want(1));
    for whose in ["its policy is agent-harness:i-test:u-99999999", "it has no policy"] {
        let before = user(&root, "key-1").await;
        let world = server.world();
        let create = Action::Create(Arc::new(want.clone()));
        let error = world.apply(&id, create.clone()).await.unwrap_err();
        assert_eq!(error.class, Class::Conflict);
        assert_eq!(
            error.message,
            format!(
                "the object store has a key key-1 that is not ours ({whose}) and is left alone; remove it there, or \
                 write `keys: shared` under the Infra's objectStore"
            )
        );
        // Neither on the way to the trash, nor for good.
        assert_eq!(world.see(&id, &want).await, live("its key is missing or another"));
        settle(&world, &id, &want, &Target::Trashed).await.unwrap();
        settle(&world, &id, &want, &Target::Gone).await.unwrap();
        assert_eq!(see_leaving(&world, &id, &want).await, None);
        assert_eq!(user(&root, "key-1").await, before);
        if whose != "it has no policy" {
            put(&server.agent(1), "theirs", "note", "x").await;
            admin(&root, "PUT", "set-user-or-group-policy", clear, "").await.unwrap();
            admin(
                &root,
                "DELETE",
                "remove-canned-policy",
                "name=agent-harness:i-test:u-99999999",
                "",
            )
            .await
            .unwrap();
        }
    }
    // Once it is out of the way, all is well.
    admin(&root, "DELETE", "remove-user", "accessKey=key-1", "").await.unwrap();
    create(&server.world(), 1).await;
    put(&server.agent(1), "agent-1", "note", "mine").await;
}

/// A bucket that became somebody else's is not opened, and our own key is taken back all the same.
#[tokio::test]
async fn a_foreign_bucket_keeps_no_agent_from_leaving() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let (id, want): (_, Desired) = create(&world, 1).await;
    server.admin().delete_bucket_tagging().bucket("agent-1").send().await.unwrap();
    put(&server.admin(), "agent-1", "note", "theirs").await;
    let world = server.world();
    settle(&world, &id, &want, &Target::Gone).await.unwrap();
    assert_eq!(user(&server.admin(), "key-1").await, None);
    assert_eq!(list(&server.admin(), "agent-1").await, ["note"]);
}
