//! Buckets themselves: making, marking, renaming, expiring and deleting them.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, Tag, Tagging,
};

use super::harness::{Server, code, file_name, files, get, list, put, wait_for, write_object};

#[tokio::test]
async fn a_bucket_is_made_once_and_deleted_only_when_empty() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let again = client.create_bucket().bucket("b-1").send().await;
    assert_eq!(code(again), "BucketAlreadyOwnedByYou");
    put(&client, "b-1", "x", "x").await;
    assert_eq!(code(client.delete_bucket().bucket("b-1").send().await), "BucketNotEmpty");
    assert_eq!(get(&client, "b-1", "x").await, "x");
    client.delete_object().bucket("b-1").key("x").send().await.unwrap();
    client.delete_bucket().bucket("b-1").send().await.unwrap();
    assert_eq!(code(client.delete_bucket().bucket("b-1").send().await), "NoSuchBucket");
    client.create_bucket().bucket("b-1").send().await.unwrap();
    assert!(list(&client, "b-1").await.is_empty());
}

#[tokio::test]
async fn tags_stay_with_the_bucket() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    assert_eq!(code(client.get_bucket_tagging().bucket("b-1").send().await), "NoSuchTagSet");
    let tag = Tag::builder().key("mark").value("agent-harness:i:u").build().unwrap();
    let tagging = Tagging::builder().tag_set(tag.clone()).build().unwrap();
    client.put_bucket_tagging().bucket("b-1").tagging(tagging).send().await.unwrap();
    server.kill();
    server.run();
    // The old client holds a connection to the killed server.
    let client = server.admin();
    let tags = client.get_bucket_tagging().bucket("b-1").send().await.unwrap();
    assert_eq!(tags.tag_set(), [tag]);
    client.delete_bucket_tagging().bucket("b-1").send().await.unwrap();
    assert_eq!(code(client.get_bucket_tagging().bucket("b-1").send().await), "NoSuchTagSet");
}

#[tokio::test]
async fn a_bucket_removed_by_hand_is_gone() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    put(&client, "b-1", "x", "x").await;
    std::fs::remove_dir_all(server.root().join("buckets/b-1")).unwrap();
    assert_eq!(code(client.list_objects_v2().bucket("b-1").send().await), "NoSuchBucket");
    assert_eq!(code(client.put_object().bucket("b-1").key("x").send().await), "NoSuchBucket");
    client.create_bucket().bucket("b-1").send().await.unwrap();
    assert!(list(&client, "b-1").await.is_empty());
}

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
        .expiration(LifecycleExpiration::builder().days(1).build())
        .build()
        .unwrap()
}

#[tokio::test]
async fn expired_objects_go_and_others_stay() {
    let server = Server::start_with_sweep(20);
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    client.create_bucket().bucket("b-2").send().await.unwrap();
    for (bucket, key) in [("b-1", "tmp/old"), ("b-1", "keep"), ("b-2", "tmp/old")] {
        put(&client, bucket, key, key).await;
    }
    let configuration = BucketLifecycleConfiguration::builder()
        .rules(rule("harness-expire-1s", "tmp/"))
        .rules(rule("daily", ""))
        .build()
        .unwrap();
    let request = client.put_bucket_lifecycle_configuration().bucket("b-1");
    request.lifecycle_configuration(configuration).send().await.unwrap();
    let rules = client.get_bucket_lifecycle_configuration().bucket("b-1").send().await.unwrap();
    assert_eq!(rules.rules().len(), 2);

    let objects = server.root().join("buckets/b-1/objects");
    wait_for("the object expires", || files(&objects) == 1);
    assert_eq!(list(&client, "b-1").await, ["keep"]);
    assert_eq!(list(&client, "b-2").await, ["tmp/old"]);
}

/// The sweep takes its time over many objects, and apps go on writing.
#[tokio::test]
async fn what_is_written_anew_while_the_sweep_is_at_it_stays() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let rules = BucketLifecycleConfiguration::builder().rules(rule("daily", "")).build().unwrap();
    let request = client.put_bucket_lifecycle_configuration().bucket("b-1");
    request.lifecycle_configuration(rules).send().await.unwrap();
    server.kill();
    let objects = server.root().join("buckets/b-1/objects");
    for number in 0..3000 {
        let key = format!("{number:04}");
        write_object(&objects.join(file_name(&key)), &key, 0, "e", 0);
    }
    server.run();
    let (client, first) = (server.admin(), objects.join(file_name("0000")));
    tokio::task::spawn_blocking(move || {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while first.exists() {
            assert!(std::time::Instant::now() < deadline, "the sweep does not begin");
        }
    })
    .await
    .unwrap();
    put(&client, "b-1", "2999", "new").await;
    wait_for("the old ones are gone", || files(&objects) <= 1);
    assert_eq!(list(&client, "b-1").await, ["2999"]);
    assert_eq!(get(&client, "b-1", "2999").await, "new");
}

#[tokio::test]
async fn unfinished_uploads_expire_with_the_objects() {
    let server = Server::start_with_sweep(20);
    let client = server.admin();
    for bucket in ["b-1", "b-2"] {
        client.create_bucket().bucket(bucket).send().await.unwrap();
        let upload = client.create_multipart_upload().bucket(bucket).key("x").send().await.unwrap();
        let part = client.upload_part().bucket(bucket).key("x").part_number(1);
        let part = part.set_upload_id(upload.upload_id).body(b"x".to_vec().into());
        part.send().await.unwrap();
    }
    let rules = BucketLifecycleConfiguration::builder().rules(rule("harness-expire-1s", ""));
    let request = client.put_bucket_lifecycle_configuration().bucket("b-1");
    request.lifecycle_configuration(rules.build().unwrap()).send().await.unwrap();
    let uploads = |bucket: &str| files(&server.root().join("buckets").join(bucket).join("uploads"));
    wait_for("the upload expires", || uploads("b-1") == 0);
    assert_eq!(uploads("b-2"), 2);
}

/// A file whose opening takes until somebody writes to it.
fn fifo(path: &std::path::Path) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

/// Two renames wait for a bucket that reads its index: one of them is done. Other buckets do not wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_reads_its_index_keeps_nobody_else_waiting() {
    let server = std::sync::Arc::new(Server::start());
    let client = server.admin();
    for bucket in ["slow", "fast"] {
        client.create_bucket().bucket(bucket).send().await.unwrap();
    }
    let objects = server.root().join("buckets/slow/objects");
    let (first, second) = (objects.join("1"), objects.join("2"));
    fifo(&first);
    fifo(&second);
    let listing = tokio::spawn({
        let client = client.clone();
        async move { client.list_objects_v2().bucket("slow").send().await.is_ok() }
    });
    // Returns when the server has opened the first one; then it waits at the second one.
    let open = |path| move || std::fs::File::options().write(true).open(path).unwrap();
    tokio::task::spawn_blocking(open(first)).await.unwrap();
    let rename = |to: &'static str| {
        let server = std::sync::Arc::clone(&server);
        tokio::task::spawn_blocking(move || {
            let path = format!("/.harness/admin/rename?from=slow&to={to}");
            (to, server.admin_request("POST", &path).starts_with("HTTP/1.1 200 "))
        })
    };
    let renames = [rename("left"), rename("right")];
    for round in ["once", "twice"] {
        put(&client, "fast", "x", round).await;
        assert_eq!(get(&client, "fast", "x").await, round);
    }
    tokio::task::spawn_blocking(open(second)).await.unwrap();
    assert!(listing.await.unwrap());
    let mut done = Vec::new();
    for rename in renames {
        let (to, renamed) = rename.await.unwrap();
        done.extend(renamed.then_some(to));
    }
    assert_eq!(done.len(), 1, "{done:?}");
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["fast", done[0]]);
    assert!(list(&client, done[0]).await.is_empty());
}

#[tokio::test]
async fn a_rule_that_the_sweep_cannot_follow_is_refused() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let tag = Tag::builder().key("a").value("b").build().unwrap();
    let tagged = LifecycleRule::builder()
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().tag(tag).build())
        .expiration(LifecycleExpiration::builder().days(1).build())
        .build()
        .unwrap();
    let configuration = BucketLifecycleConfiguration::builder().rules(tagged).build().unwrap();
    let request = client.put_bucket_lifecycle_configuration().bucket("b-1");
    let refused = request.lifecycle_configuration(configuration).send().await;
    assert_eq!(code(refused), "NotImplemented");
}
