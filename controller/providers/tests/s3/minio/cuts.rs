//! Cut off before any call that changes something, all comes to the same end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::bucket::{Action, Desired};
use agent_harness_model::kinds::service::StoreConnection;

use super::super::harness::{get, proxy, put};
use super::super::provider::{World, id, want};
use super::server::{Minio, create, policies, settle, user};

/// A way to the server on which the calls after the first few that change something are cut.
fn cut_after(server: &Minio, left: Arc<AtomicUsize>) -> World {
    let port = proxy(server.port, move |request| {
        let reads = ["GET", "HEAD"].iter().any(|method| request.starts_with(method));
        let spent =
            || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_err();
        (!reads && spent()).then(String::new)
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    World::new(StoreConnection { endpoint, ..server.connection() })
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Create,
    Trash,
    Restore,
    Purge,
}

#[tokio::test]
async fn every_way_that_was_cut_comes_to_its_end() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let left = Arc::new(AtomicUsize::new(0));
    let cut = cut_after(&server, Arc::clone(&left));
    let mut agent = 10;
    for (way, calls) in [(Way::Create, 6), (Way::Trash, 3), (Way::Restore, 5), (Way::Purge, 4)] {
        for first in 0..=calls {
            agent += 1;
            let (id, want) = (id(agent), want(agent));
            let bucket = want.place.bucket.clone();
            let action = before(&world, way, agent, &want).await;
            left.store(first, Ordering::SeqCst);
            let done = cut.apply(&id, action).await;
            assert_eq!(done.is_ok(), first == calls, "{way:?} {first}: {done:?}");
            // Another process, which knows nothing of the one before.
            let world = server.world();
            let target = match way {
                Way::Create | Way::Restore => Target::Present(Arc::new(want.clone())),
                Way::Trash => Target::Trashed,
                Way::Purge => Target::Gone,
            };
            settle(&world, &id, &want, &target).await.unwrap();
            let client = server.agent(agent);
            match way {
                Way::Create => put(&client, &bucket, "note", "mine").await,
                Way::Restore => assert_eq!(get(&client, &bucket, "note").await, "mine"),
                Way::Trash => {
                    assert_eq!(user(&server.admin(), &format!("key-{agent}")).await, None);
                    assert_eq!(get(&server.admin(), &bucket, "note").await, "mine");
                }
                Way::Purge => {
                    assert_eq!(user(&server.admin(), &format!("key-{agent}")).await, None);
                    let left = server.admin().head_bucket().bucket(&bucket).send().await;
                    assert!(left.is_err());
                }
            }
            settle(&world, &id, &want, &Target::Gone).await.unwrap();
            assert_eq!(policies(&server.admin()).await, [""; 0], "{way:?} {first}");
        }
    }
}

/// What is there before, and the action that is cut.
async fn before(world: &World, way: Way, agent: u32, want: &Desired) -> Action {
    let (id, wanted) = (id(agent), Arc::new(want.clone()));
    if matches!(way, Way::Create) {
        return Action::Create(wanted);
    }
    create(world, agent).await;
    let client = agent_harness_providers::s3::client(&world.context().connections.stores["shared"]);
    put(&client, &want.place.bucket, "note", "mine").await;
    match way {
        Way::Create | Way::Restore => {
            settle(world, &id, want, &Target::Trashed).await.unwrap();
            Action::Restore(wanted)
        }
        Way::Trash => Action::Trash(want.place.clone()),
        Way::Purge => Action::Purge(want.place.clone()),
    }
}
