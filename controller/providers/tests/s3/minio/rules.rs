//! Expiry and CORS on a real MinIO: the one works, and the other has no effect, which is said.

use std::sync::Arc;

use agent_harness_model::kinds::Target;
use agent_harness_model::kinds::bucket::{Cors, Desired};

use super::super::provider::{id, live, want};
use super::server::{Minio, settle};

#[tokio::test]
async fn expiry_is_set_and_cors_is_a_warning() {
    let Some(server) = Minio::start() else { return };
    let world = server.world();
    let cors = Cors {
        origins: vec!["http://localhost:3030".into()],
        methods: vec!["GET".into()],
        headers: vec!["*".into()],
        expose_headers: vec!["ETag".into()],
        max_age_s: 60,
    };
    let (id, want) =
        (id(1), Desired { expire_after_s: Some(2 * 86_400), cors: Some(cors), ..want(1) });
    let target = Target::Present(Arc::new(want.clone()));
    assert_eq!(settle(&world, &id, &want, &target).await.unwrap(), 1);
    assert_eq!(world.see(&id, &want).await, live("f1"));
    assert_eq!(
        world.provider.warnings()[&id],
        ["the object store does not support cors: it has no effect"]
    );
    let root = server.admin();
    let rules = root.get_bucket_lifecycle_configuration().bucket("agent-1").send().await.unwrap();
    assert_eq!(rules.rules()[0].id(), Some("harness-expire-172800s"));
    assert_eq!(rules.rules()[0].expiration().unwrap().days(), Some(2));

    let plain = Desired { fingerprint: "f2".into(), ..super::super::provider::want(1) };
    let target = Target::Present(Arc::new(plain.clone()));
    assert_eq!(settle(&world, &id, &plain, &target).await.unwrap(), 1);
    assert_eq!(world.provider.warnings().get(&id), None);
    let none = root.get_bucket_lifecycle_configuration().bucket("agent-1").send().await;
    assert_eq!(super::super::harness::code(none), "NoSuchLifecycleConfiguration");
}
