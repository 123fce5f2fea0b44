//! A key opens its own bucket and no other one.

use agent_harness_providers::object_store::BucketKey;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};

use super::harness::{Server, code, get, list, put};

#[tokio::test]
async fn a_bucket_key_opens_its_own_bucket_alone() {
    let (_server, admin, one) = Server::with_two_buckets().await;

    assert_eq!(get(&one, "agent-1", "note").await, "agent-1");
    put(&one, "agent-1", "mine", "yes").await;
    assert_eq!(list(&one, "agent-1").await, ["mine", "note"]);
    one.delete_object().bucket("agent-1").key("mine").send().await.unwrap();
    one.head_bucket().bucket("agent-1").send().await.unwrap();

    let denied = "AccessDenied";
    assert_eq!(code(one.get_object().bucket("agent-2").key("note").send().await), denied);
    assert_eq!(code(one.put_object().bucket("agent-2").key("x").send().await), denied);
    assert_eq!(code(one.delete_object().bucket("agent-2").key("note").send().await), denied);
    assert_eq!(code(one.list_objects_v2().bucket("agent-2").send().await), denied);
    assert_eq!(code(one.list_multipart_uploads().bucket("agent-2").send().await), denied);
    assert_eq!(code(one.head_bucket().bucket("agent-2").send().await), "403");
    assert_eq!(code(one.create_bucket().bucket("agent-9").send().await), denied);
    assert_eq!(code(one.delete_bucket().bucket("agent-1").send().await), denied);
    let steal = one.copy_object().bucket("agent-1").key("x").copy_source("agent-2/note");
    assert_eq!(code(steal.send().await), denied);
    let tagging =
        Tagging::builder().tag_set(Tag::builder().key("a").value("b").build().unwrap()).build();
    let strip = one.put_bucket_tagging().bucket("agent-1").tagging(tagging.unwrap());
    assert_eq!(code(strip.send().await), denied);

    let names: Vec<_> = one.list_buckets().send().await.unwrap().buckets.unwrap_or_default();
    let names: Vec<_> = names.into_iter().map(|bucket| bucket.name.unwrap()).collect();
    assert_eq!(names, ["agent-1"]);
    assert_eq!(get(&admin, "agent-2", "note").await, "agent-2");
}

#[tokio::test]
async fn a_bucket_key_uploads_and_removes_nothing_elsewhere() {
    let (_server, admin, one) = Server::with_two_buckets().await;
    let begin = |client: &Client, bucket: &str| {
        client.create_multipart_upload().bucket(bucket).key("film").send()
    };
    let own = begin(&one, "agent-1").await.unwrap().upload_id.unwrap();
    let foreign = begin(&admin, "agent-2").await.unwrap().upload_id.unwrap();

    let denied = "AccessDenied";
    assert_eq!(code(begin(&one, "agent-2").await), denied);
    let steal = one.upload_part_copy().bucket("agent-1").key("film").upload_id(&own).part_number(1);
    assert_eq!(code(steal.copy_source("agent-2/note").send().await), denied);
    let parts = one.list_parts().bucket("agent-2").key("film").upload_id(&foreign);
    assert_eq!(code(parts.send().await), denied);
    let part = one.upload_part().bucket("agent-2").key("film").upload_id(&foreign).part_number(1);
    assert_eq!(code(part.body(b"x".to_vec().into()).send().await), denied);
    let abort = one.abort_multipart_upload().bucket("agent-2").key("film").upload_id(&foreign);
    assert_eq!(code(abort.send().await), denied);
    let delete = |bucket: &str| {
        let note = ObjectIdentifier::builder().key("note").build().unwrap();
        let delete = Delete::builder().objects(note).build().unwrap();
        one.delete_objects().bucket(bucket).delete(delete).send()
    };
    assert_eq!(code(delete("agent-2").await), denied);

    assert_eq!(get(&admin, "agent-2", "note").await, "agent-2");
    let uploads = admin.list_multipart_uploads().bucket("agent-2").send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 1);
    delete("agent-1").await.unwrap();
    assert!(list(&one, "agent-1").await.is_empty());
}

#[tokio::test]
async fn a_key_climbs_out_of_its_bucket_by_no_name() {
    let server = Server::start();
    let admin = server.admin();
    for bucket in ["agent-1", "agent-2"] {
        admin.create_bucket().bucket(bucket).send().await.unwrap();
    }
    put(&admin, "agent-2", "note", "secret").await;
    let one = server.key("key-1", "agent-1");
    for key in ["../agent-2/note", "../../etc/passwd", "a/../../agent-2/note", "./x", "..", "/abs"]
    {
        assert_eq!(
            code(one.get_object().bucket("agent-1").key(key).send().await),
            "NoSuchKey",
            "{key}"
        );
        put(&one, "agent-1", key, key).await;
        assert_eq!(get(&one, "agent-1", key).await, key);
    }
    assert_eq!(get(&admin, "agent-2", "note").await, "secret");
    assert_eq!(list(&admin, "agent-2").await, ["note"]);
    assert_eq!(list(&one, "agent-1").await.len(), 6);
}

#[tokio::test]
async fn keys_count_from_the_moment_they_are_written_until_they_are_removed() {
    let server = Server::start();
    let admin = server.admin();
    admin.create_bucket().bucket("agent-1").send().await.unwrap();
    let key = BucketKey {
        access_key: "late".into(),
        secret_key: agent_harness_providers::object_store::SecretText::random(),
        bucket: "agent-1".into(),
    };
    let late = server.client_of(&key);
    assert_eq!(code(late.list_objects_v2().bucket("agent-1").send().await), "InvalidAccessKeyId");
    key.write(&server.root()).unwrap();
    assert!(list(&late, "agent-1").await.is_empty());

    let other = BucketKey {
        secret_key: agent_harness_providers::object_store::SecretText::random(),
        ..key.clone()
    };
    let wrong = server.client_of(&other);
    assert_eq!(
        code(wrong.list_objects_v2().bucket("agent-1").send().await),
        "SignatureDoesNotMatch"
    );

    assert!(BucketKey::remove(&server.root(), "late").unwrap());
    assert_eq!(code(late.list_objects_v2().bucket("agent-1").send().await), "InvalidAccessKeyId");
}

#[tokio::test]
async fn an_app_may_make_its_bucket_again() {
    let server = Server::start();
    server.admin().create_bucket().bucket("agent-1").send().await.unwrap();
    let one = server.key("key-1", "agent-1");
    let again = one.create_bucket().bucket("agent-1").send().await;
    assert_eq!(code(again), "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn nothing_is_answered_without_a_signature() {
    let server = Server::start();
    server.admin().create_bucket().bucket("agent-1").send().await.unwrap();
    for path in ["/", "/agent-1", "/agent-1/x", "/.harness/admin/buckets"] {
        let answer = server
            .raw(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn secrets_are_for_the_owner_of_the_files_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start();
    server.key("key-1", "agent-1");
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.root().join(".harness/keys/key-1.json")), 0o600);
    assert_eq!(mode(server.folder.path().join("root-key.json")), 0o600);
    assert_eq!(mode(server.root()), 0o700);
    assert_eq!(
        format!("{:?}", BucketKey::read(&server.root(), "key-1").unwrap().unwrap().secret_key),
        "(secret)"
    );
}
