//! Tags of objects: kept with them, and held to S3's limits.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, MetadataDirective, Tag, Tagging, TaggingDirective,
};

use super::harness::{Server, code, get, put};

fn tagging(tags: &[(&str, &str)]) -> Tagging {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().unwrap();
    Tagging::builder().set_tag_set(Some(tags.iter().map(tag).collect())).build().unwrap()
}

async fn tags(client: &Client, bucket: &str, key: &str) -> String {
    let answer = client.get_object_tagging().bucket(bucket).key(key).send().await.unwrap();
    let tags: Vec<_> =
        answer.tag_set.iter().map(|tag| format!("{}={}", tag.key, tag.value)).collect();
    tags.join(" ")
}

#[tokio::test]
async fn an_object_keeps_the_tags_that_it_is_given() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let request = client.put_object().bucket("b-1").key("x").tagging("team=a%20b&draft");
    request.content_type("text/x").body(b"data".to_vec().into()).send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "x").await, "draft= team=a b");
    let before = client.head_object().bucket("b-1").key("x").send().await.unwrap();
    assert_eq!(before.tag_count(), Some(2));
    let read = client.get_object().bucket("b-1").key("x").send().await.unwrap();
    assert_eq!(read.tag_count(), Some(2));

    // Set anew: all of them, and nothing else of the object.
    let set = client.put_object_tagging().bucket("b-1").key("x");
    set.tagging(tagging(&[("one", "1")])).send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "x").await, "one=1");
    let after = client.head_object().bucket("b-1").key("x").send().await.unwrap();
    assert_eq!(
        (after.e_tag(), after.last_modified(), after.content_type(), after.content_length()),
        (before.e_tag(), before.last_modified(), Some("text/x"), Some(4))
    );
    assert_eq!(get(&client, "b-1", "x").await, "data");
    server.kill();
    server.run();
    let client = server.admin();
    assert_eq!(tags(&client, "b-1", "x").await, "one=1");

    client.delete_object_tagging().bucket("b-1").key("x").send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "x").await, "");
    let head = client.head_object().bucket("b-1").key("x").send().await.unwrap();
    assert_eq!(head.tag_count(), None);
    // Written anew, it has those of the new one.
    let set = client.put_object_tagging().bucket("b-1").key("x");
    set.tagging(tagging(&[("one", "1")])).send().await.unwrap();
    put(&client, "b-1", "x", "other").await;
    assert_eq!(tags(&client, "b-1", "x").await, "");

    for (bucket, key, why) in [("b-1", "none", "NoSuchKey"), ("b-9", "x", "NoSuchBucket")] {
        let read = client.get_object_tagging().bucket(bucket).key(key).send().await;
        assert_eq!(code(read), why);
        let set = client.put_object_tagging().bucket(bucket).key(key).tagging(tagging(&[]));
        assert_eq!(code(set.send().await), why);
        let delete = client.delete_object_tagging().bucket(bucket).key(key).send().await;
        assert_eq!(code(delete), why);
    }
    let old = client.get_object_tagging().bucket("b-1").key("x").version_id("v-1").send().await;
    assert_eq!(code(old), "NoSuchVersion");
}

#[tokio::test]
async fn tags_past_the_limits_are_refused_and_leave_nothing() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let eleven: Vec<String> = (0..11).map(|number| format!("k{number}")).collect();
    let eleven: Vec<_> = eleven.iter().map(|key| (key.as_str(), "v")).collect();
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    for wrong in [&eleven[..], &[(&key, "v")], &[("k", &value)], &[("k", "1"), ("k", "2")]] {
        let header: Vec<_> = wrong.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let header = header.join("&");
        let refused = client.put_object().bucket("b-1").key("new").tagging(&header).send().await;
        assert_eq!(code(refused), "InvalidTag", "{header}");
        let begin = client.create_multipart_upload().bucket("b-1").key("new").tagging(&header);
        assert_eq!(code(begin.send().await), "InvalidTag", "{header}");
        put(&client, "b-1", "x", "data").await;
        let set = client.put_object_tagging().bucket("b-1").key("x").tagging(tagging(wrong));
        assert_eq!(code(set.send().await), "InvalidTag", "{header}");
        let copy = client.copy_object().bucket("b-1").key("new").copy_source("b-1/x");
        let copy = copy.tagging_directive(TaggingDirective::Replace).tagging(&header);
        assert_eq!(code(copy.send().await), "InvalidTag", "{header}");
    }
    assert_eq!(super::harness::list(&client, "b-1").await, ["x"]);
    assert_eq!(tags(&client, "b-1", "x").await, "");
}

#[tokio::test]
async fn copies_and_uploads_in_parts_have_theirs() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let request = client.put_object().bucket("b-1").key("from").tagging("a=1");
    request.body(b"data".to_vec().into()).send().await.unwrap();
    let copy = |key: &str| client.copy_object().bucket("b-1").key(key).copy_source("b-1/from");
    copy("kept").send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "kept").await, "a=1");
    // Each directive is about its own.
    let replaced = copy("metadata").metadata_directive(MetadataDirective::Replace);
    replaced.metadata("k", "v").send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "metadata").await, "a=1");
    let replaced = copy("tags").tagging_directive(TaggingDirective::Replace).tagging("b=2");
    replaced.send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "tags").await, "b=2");
    copy("none").tagging_directive(TaggingDirective::Replace).send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "none").await, "");

    let upload = client.create_multipart_upload().bucket("b-1").key("parts").tagging("c=3");
    let upload = upload.send().await.unwrap().upload_id;
    let part = client.upload_part().bucket("b-1").key("parts").part_number(1);
    let part = part.set_upload_id(upload.clone()).body(b"data".to_vec().into());
    let part = part.send().await.unwrap().e_tag;
    let part = CompletedPart::builder().part_number(1).set_e_tag(part).build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client.complete_multipart_upload().bucket("b-1").key("parts");
    complete.set_upload_id(upload).multipart_upload(parts).send().await.unwrap();
    assert_eq!(tags(&client, "b-1", "parts").await, "c=3");
    let set = client.put_object_tagging().bucket("b-1").key("parts");
    set.tagging(tagging(&[("d", "4")])).send().await.unwrap();
    let head = client.head_object().bucket("b-1").key("parts").send().await.unwrap();
    assert!(head.e_tag().unwrap().ends_with("-1\""), "{head:?}");
}

#[tokio::test]
async fn a_bucket_key_tags_the_objects_of_its_own_bucket_alone() {
    let (_server, _admin, one) = Server::with_two_buckets().await;
    let set = |bucket: &str| {
        one.put_object_tagging().bucket(bucket).key("note").tagging(tagging(&[("a", "1")])).send()
    };
    set("agent-1").await.unwrap();
    assert_eq!(tags(&one, "agent-1", "note").await, "a=1");
    one.delete_object_tagging().bucket("agent-1").key("note").send().await.unwrap();

    assert_eq!(code(set("agent-2").await), "AccessDenied");
    let read = one.get_object_tagging().bucket("agent-2").key("note").send().await;
    assert_eq!(code(read), "AccessDenied");
    let delete = one.delete_object_tagging().bucket("agent-2").key("note").send().await;
    assert_eq!(code(delete), "AccessDenied");
}
