//! What is said where keys cannot be made: a wrong key, one with too few rights, and a store that has no such API.

use std::sync::Arc;

use agent_harness_model::kinds::bucket::{Action, Desired};
use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::secret::Secret;
use agent_harness_model::world::{Class, Seen};

use super::super::harness::Server;
use super::super::provider::{ABSENT, World, id, live, want};
use super::server::{Minio, admin, create};

fn create_of(want: &Desired) -> Action {
    Action::Create(Arc::new(want.clone()))
}

#[tokio::test]
async fn a_wrong_key_of_the_administrator_is_said() {
    let Some(server) = Minio::start() else { return };
    let secret_key = Secret::new("wrong-secret");
    let world = World::new(StoreConnection { secret_key, ..server.connection() });
    let seen = world.see(&id(1), &want(1)).await;
    let Seen::Unknown(why) = seen else { panic!("{seen:?}") };
    assert!(why.contains("check the secret key of the Infra's objectStore"), "{why}");
    let error = world.apply(&id(1), create_of(&want(1))).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal);
    assert!(!error.message.contains("wrong-secret"), "{error}");
}

/// It may do all with buckets and nothing with keys.
#[tokio::test]
async fn an_administrator_with_too_few_rights_is_told_so() {
    let Some(server) = Minio::start() else { return };
    create(&server.world(), 7).await;
    let root = server.admin();
    let query = "policyName=readwrite&userOrGroup=key-7&isGroup=false";
    admin(&root, "PUT", "set-user-or-group-policy", query, "").await.unwrap();
    let world = World::new(StoreConnection {
        access_key: "key-7".into(),
        secret_key: Secret::new("secret-7"),
        ..server.connection()
    });
    let error = world.apply(&id(1), create_of(&want(1))).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal);
    for part in ["may not manage keys", "consoleAdmin", "`keys: shared`", "`look at key key-1`"] {
        assert!(error.message.contains(part), "{error}");
    }
    // It is said on the bucket for as long as it is so.
    assert_eq!(world.see(&id(1), &want(1)).await, live("its key cannot be looked at"));
    let again = world.apply(&id(1), Action::Configure(Arc::new(want(1)))).await.unwrap_err();
    assert_eq!(again.message, error.message);
    // What it says to do helps, one way and the other.
    let mut shared = Desired { key: None, ..want(1) };
    shared.place.access_key = None;
    let error = world.apply(&id(1), Action::Configure(Arc::new(shared.clone()))).await;
    assert!(error.is_err_and(|error| error.message.contains("consoleAdmin")), "a key may be left");
    let world = server.world();
    world.apply(&id(1), Action::Configure(Arc::new(shared.clone()))).await.unwrap();
    assert_eq!(world.see(&id(1), &shared).await, live("f1"));
}

/// Our own store, as if somebody else ran it, speaks S3 and nothing of MinIO.
#[tokio::test]
async fn a_store_without_the_admin_api_is_told_from_a_minio() {
    let server = Server::start();
    let world = World::new(server.external());
    let error = world.apply(&id(1), create_of(&want(1))).await.unwrap_err();
    assert_eq!(error.class, Class::Terminal);
    let endpoint = server.external().endpoint;
    assert_eq!(
        error.message,
        format!(
            "the object store at {endpoint} has no admin API as a MinIO has it (HTTP 404), so it cannot give each agent \
             a key of its own; write `keys: shared` under the Infra's objectStore"
        )
    );
    assert_eq!(world.see(&id(1), &want(1)).await, live("its key cannot be looked at"));
    // The remedy works, and so does leaving.
    let mut shared = Desired { key: None, ..want(1) };
    shared.place.access_key = None;
    world.apply(&id(1), Action::Configure(Arc::new(shared.clone()))).await.unwrap();
    assert_eq!(world.see(&id(1), &shared).await, live("f1"));
    world.apply(&id(1), Action::Trash(want(1).place)).await.unwrap();
    world.apply(&id(1), Action::Purge(want(1).place)).await.unwrap();
    assert_eq!(world.see(&id(1), &want(1)).await, ABSENT);
}
