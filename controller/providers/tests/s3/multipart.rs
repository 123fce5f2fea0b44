//! Multipart uploads.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::harness::{Server, code, files, list, put, write_object};

const PART: usize = 5 << 20;

async fn begin(client: &Client, key: &str) -> String {
    let request = client.create_multipart_upload().bucket("b-1").key(key).content_type("video/x");
    request.metadata("k", "v").send().await.unwrap().upload_id.unwrap()
}

async fn part(client: &Client, key: &str, id: &str, number: i32, bytes: Vec<u8>) -> CompletedPart {
    let request = client.upload_part().bucket("b-1").key(key).upload_id(id).part_number(number);
    let answer = request.body(bytes.into()).send().await.unwrap();
    CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag).build()
}

fn parts(parts: Vec<CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts)).build()
}

#[tokio::test]
async fn parts_become_one_object() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    put(&client, "b-1", "source", "0123456789").await;
    let id = begin(&client, "film").await;
    let first = part(&client, "film", &id, 1, vec![1; PART]).await;
    // Sent again with other bytes: the last one counts.
    part(&client, "film", &id, 3, b"wrong".to_vec()).await;
    let third = part(&client, "film", &id, 3, b"end".to_vec()).await;
    let copy = client.upload_part_copy().bucket("b-1").key("film").upload_id(&id).part_number(4);
    let copied =
        copy.copy_source("b-1/source").copy_source_range("bytes=2-4").send().await.unwrap();
    let etag = copied.copy_part_result.unwrap().e_tag;
    let fourth = CompletedPart::builder().part_number(4).set_e_tag(etag).build();

    let listed = client.list_parts().bucket("b-1").key("film").upload_id(&id).send().await.unwrap();
    let numbers: Vec<_> = listed.parts().iter().map(|part| part.part_number().unwrap()).collect();
    assert_eq!(numbers, [1, 3, 4]);
    let uploads = client.list_multipart_uploads().bucket("b-1").send().await.unwrap();
    assert_eq!(uploads.uploads()[0].key(), Some("film"));
    assert_eq!(list(&client, "b-1").await, ["source"]);

    let complete = || client.complete_multipart_upload().bucket("b-1").key("film").upload_id(&id);
    let order = complete().multipart_upload(parts(vec![third.clone(), first.clone()])).send().await;
    assert_eq!(code(order), "InvalidPartOrder");
    let small = parts(vec![first.clone(), third.clone(), fourth.clone()]);
    assert_eq!(code(complete().multipart_upload(small).send().await), "EntityTooSmall");
    let unknown = CompletedPart::builder().part_number(9).e_tag("\"x\"").build();
    assert_eq!(code(complete().multipart_upload(parts(vec![unknown])).send().await), "InvalidPart");

    let done = complete().multipart_upload(parts(vec![first, fourth])).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let object = client.get_object().bucket("b-1").key("film").send().await.unwrap();
    assert_eq!((object.content_type(), object.e_tag()), (Some("video/x"), done.e_tag()));
    assert_eq!(object.metadata().unwrap()["k"], "v");
    let bytes = object.body.collect().await.unwrap().to_vec();
    assert_eq!((bytes.len(), &bytes[PART..]), (PART + 3, b"234".as_slice()));
    assert_eq!(files(&server.root().join("buckets/b-1/uploads")), 0);
    let again = client.list_parts().bucket("b-1").key("film").upload_id(&id).send().await;
    assert_eq!(code(again), "NoSuchUpload");
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let id = begin(&client, "film").await;
    part(&client, "film", &id, 1, vec![1; 1000]).await;
    let abort = |key: &str, id: &str| {
        client.abort_multipart_upload().bucket("b-1").key(key).upload_id(id).send()
    };
    assert_eq!(code(abort("other", &id).await), "NoSuchUpload");
    assert_eq!(code(abort("film", "../../tmp").await), "NoSuchUpload");
    abort("film", &id).await.unwrap();
    assert_eq!(files(&server.root().join("buckets/b-1/uploads")), 0);
    let late = client.upload_part().bucket("b-1").key("film").upload_id(&id).part_number(2);
    assert_eq!(code(late.body(b"x".to_vec().into()).send().await), "NoSuchUpload");
    assert!(list(&client, "b-1").await.is_empty());
}

/// As many as 10,000 parts may make an object, and a process has fewer descriptors than that.
#[tokio::test]
async fn an_upload_may_have_more_parts_than_a_process_open_files() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let id = begin(&client, "film").await;
    let folder = server.root().join("buckets/b-1/uploads").join(&id);
    let count = 40_i32;
    let named: Vec<_> = (1..=count)
        .map(|number| {
            let etag = format!("{number:032x}");
            let path = folder.join(format!("part-{number:05}"));
            write_object(&path, "", PART as u64, &etag, 0);
            CompletedPart::builder().part_number(number).e_tag(format!("\"{etag}\"")).build()
        })
        .collect();
    let few = Rlimit { current: Some(32), maximum: Some(32) };
    let pid = Pid::from_raw(server.pid().cast_signed());
    prlimit(pid, Resource::Nofile, few).unwrap();
    let complete = client.complete_multipart_upload().bucket("b-1").key("film").upload_id(&id);
    complete.multipart_upload(parts(named)).send().await.unwrap();
    let head = client.head_object().bucket("b-1").key("film").send().await.unwrap();
    assert_eq!(head.content_length(), Some(i64::from(count) * i64::try_from(PART).unwrap()));
    assert!(head.e_tag().unwrap().ends_with("-40\""));
}
