//! A bucket that carries the mark of an installation is found, and goes by its name alone, with its key.

use std::sync::Arc;

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::{Mark, Uid};
use agent_harness_model::kinds::bucket::Action;
use agent_harness_providers::s3::marked;

use super::super::harness::{INSTALLATION, put};
use super::super::provider::{id, want};
use super::server::{Minio, user};

#[tokio::test]
async fn a_bucket_is_found_and_removed_with_its_key_and_no_other() {
    let Some(server) = Minio::start() else { return };
    let (world, root, connection) = (server.world(), server.admin(), server.connection());
    for agent in [1, 2] {
        world.apply(&id(agent), Action::Create(Arc::new(want(agent)))).await.unwrap();
    }
    let bucket = want(1).place.bucket;
    put(&server.agent(1), &bucket, "note", "x").await;
    root.create_bucket().bucket("theirs").send().await.unwrap();
    let find = async || -> Vec<Found> {
        let mut found = marked::find(&connection, "shared", INSTALLATION).await.unwrap();
        found.sort_by(|a, b| a.thing.cmp(&b.thing));
        found
    };
    let found = |agent| Found {
        thing: Thing::Bucket { infra: "shared".into(), name: want(agent).place.bucket },
        owner: Owner::Incarnation(id(agent).uid),
        state: None,
    };
    assert_eq!(find().await, [found(1), found(2)]);

    let mark = |uid| Mark { installation: INSTALLATION.into(), uid };
    let stranger = mark(Uid::new("u-99999999"));
    let refused = marked::remove(&connection, &stranger, &bucket).await.unwrap_err();
    assert!(refused.to_string().contains("is not ours"), "{refused}");
    assert!(marked::remove(&connection, &stranger, "theirs").await.is_err());
    assert_eq!(find().await, [found(1), found(2)]);

    let other = user(&root, "key-2").await;
    marked::remove(&connection, &mark(id(1).uid), &bucket).await.unwrap();
    // Gone already.
    marked::remove(&connection, &mark(id(1).uid), &bucket).await.unwrap();
    assert_eq!(find().await, [found(2)]);
    assert_eq!(user(&root, "key-1").await, None, "its key has gone with it");
    assert_eq!(user(&root, "key-2").await, other);
}
