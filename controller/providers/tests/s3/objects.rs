//! Objects come back as they went in.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, MetadataDirective,
};

use super::harness::{Server, code, get, list, put};

#[tokio::test]
async fn an_object_keeps_its_type_metadata_and_bytes() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    client
        .put_object()
        .bucket("b-1")
        .key("dir/photo")
        .body(bytes.clone().into())
        .content_type("image/png")
        .cache_control("max-age=60")
        .content_disposition("attachment")
        .metadata("author", "somebody")
        .send()
        .await
        .unwrap();

    let answer = client.get_object().bucket("b-1").key("dir/photo").send().await.unwrap();
    assert_eq!(answer.content_type(), Some("image/png"));
    assert_eq!(answer.cache_control(), Some("max-age=60"));
    assert_eq!(answer.content_disposition(), Some("attachment"));
    assert_eq!(answer.metadata().unwrap()["author"], "somebody");
    assert_eq!(answer.content_length(), Some(300_000));
    let etag = answer.e_tag().unwrap().to_owned();
    assert!(answer.body.collect().await.unwrap().to_vec() == bytes);

    let part = client.get_object().bucket("b-1").key("dir/photo").range("bytes=10-19");
    let part = part.send().await.unwrap();
    assert_eq!(part.content_range(), Some("bytes 10-19/300000"));
    assert!(part.body.collect().await.unwrap().to_vec() == bytes[10..20]);
    let tail = client.get_object().bucket("b-1").key("dir/photo").range("bytes=-5").send().await;
    assert!(tail.unwrap().body.collect().await.unwrap().to_vec() == bytes[299_995..]);
    let past =
        client.get_object().bucket("b-1").key("dir/photo").range("bytes=300000-").send().await;
    assert_eq!(code(past), "InvalidRange");

    let head = client.head_object().bucket("b-1").key("dir/photo").send().await.unwrap();
    assert_eq!(head.content_length(), Some(300_000));
    assert_eq!(head.e_tag(), Some(etag.as_str()));
    let known =
        client.get_object().bucket("b-1").key("dir/photo").if_none_match(&etag).send().await;
    assert_eq!(known.unwrap_err().raw_response().unwrap().status().as_u16(), 304);
    let taken = client.put_object().bucket("b-1").key("dir/photo").if_none_match("*").send().await;
    assert_eq!(code(taken), "PreconditionFailed");
    let gone = client.get_object().bucket("b-1").key("none").send().await;
    assert_eq!(code(gone), "NoSuchKey");
}

#[tokio::test]
async fn names_may_be_odd() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let long = "x".repeat(1024);
    let names = [
        "a",
        "a/",
        "a/b",
        "a//b",
        " lead and trail ",
        "ü/日本/😀",
        "50%+1&x=?#",
        "q\"'<>",
        "é",
        &long,
    ];
    for name in names {
        put(&client, "b-1", name, name).await;
    }
    for name in names {
        assert_eq!(get(&client, "b-1", name).await, name);
    }
    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!(list(&client, "b-1").await, sorted);
    for name in names {
        client.delete_object().bucket("b-1").key(name).send().await.unwrap();
    }
    assert!(list(&client, "b-1").await.is_empty());
    client.delete_bucket().bucket("b-1").send().await.unwrap();
}

#[tokio::test]
async fn listings_fold_and_page() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    for key in ["a", "dir/1", "dir/2", "dir/sub/3", "z"] {
        put(&client, "b-1", key, key).await;
    }
    let page =
        client.list_objects_v2().bucket("b-1").delimiter("/").max_keys(2).send().await.unwrap();
    assert_eq!((page.contents()[0].key(), page.key_count()), (Some("a"), Some(2)));
    assert_eq!(page.common_prefixes()[0].prefix(), Some("dir/"));
    assert_eq!(page.is_truncated(), Some(true));
    let next = client.list_objects_v2().bucket("b-1").delimiter("/").max_keys(2);
    let next = next.set_continuation_token(page.next_continuation_token).send().await.unwrap();
    assert_eq!(next.contents()[0].key(), Some("z"));
    assert!(next.common_prefixes().is_empty());
    assert_eq!(next.is_truncated(), Some(false));

    let first =
        client.list_objects().bucket("b-1").prefix("dir/").max_keys(1).send().await.unwrap();
    assert_eq!(first.contents()[0].key(), Some("dir/1"));
    let rest =
        client.list_objects().bucket("b-1").prefix("dir/").marker("dir/1").send().await.unwrap();
    assert_eq!(rest.contents().len(), 2);

    // The index is read anew by another process.
    let mut server = server;
    server.kill();
    server.run();
    assert_eq!(list(&server.admin(), "b-1").await, ["a", "dir/1", "dir/2", "dir/sub/3", "z"]);
    let bad = client.list_objects_v2().bucket("b-1").continuation_token("nonsense").send().await;
    assert_eq!(code(bad), "InvalidArgument");
}

#[tokio::test]
async fn copies_keep_or_replace_the_metadata() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    client.create_bucket().bucket("b-2").send().await.unwrap();
    let put =
        client.put_object().bucket("b-1").key("from ü").content_type("text/x").metadata("k", "v");
    put.body(b"data".to_vec().into()).send().await.unwrap();
    let source = "b-1/from%20%C3%BC";
    client.copy_object().bucket("b-2").key("to").copy_source(source).send().await.unwrap();
    let copied = client.get_object().bucket("b-2").key("to").send().await.unwrap();
    assert_eq!(
        (copied.content_type(), copied.metadata().unwrap()["k"].as_str()),
        (Some("text/x"), "v")
    );
    assert_eq!(copied.body.collect().await.unwrap().to_vec(), b"data");

    let onto_itself = client.copy_object().bucket("b-1").key("from ü").copy_source(source);
    assert_eq!(code(onto_itself.send().await), "InvalidRequest");
    let replace = client.copy_object().bucket("b-1").key("from ü").copy_source(source);
    let replace = replace.metadata_directive(MetadataDirective::Replace).content_type("text/y");
    replace.send().await.unwrap();
    let replaced = client.head_object().bucket("b-1").key("from ü").send().await.unwrap();
    assert_eq!(replaced.content_type(), Some("text/y"));
    let missing = client.copy_object().bucket("b-2").key("to").copy_source("b-1/none").send().await;
    assert_eq!(code(missing), "NoSuchKey");
}

#[tokio::test]
async fn a_body_that_is_not_as_claimed_leaves_nothing() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let wrong = client.put_object().bucket("b-1").key("x").body(b"data".to_vec().into());
    let wrong = wrong.content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await;
    assert_eq!(code(wrong), "BadDigest");
    let wrong = client.put_object().bucket("b-1").key("x").body(b"data".to_vec().into());
    let wrong = wrong.checksum_crc32("AAAAAA==").send().await;
    assert_eq!(code(wrong), "BadDigest");
    assert!(list(&client, "b-1").await.is_empty());
    assert_eq!(super::harness::files(&server.root().join("tmp")), 0);
}

/// As apps use the SDK: checksums of its own choice, in trailers after a streamed body.
#[tokio::test]
async fn checksums_are_kept_and_compared() {
    let server = Server::start();
    let plain = server.admin();
    plain.create_bucket().bucket("b-1").send().await.unwrap();
    let config = plain
        .config()
        .to_builder()
        .request_checksum_calculation(RequestChecksumCalculation::WhenSupported)
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported)
        .build();
    let client = Client::from_conf(config);
    let file = server.folder.path().join("file");
    std::fs::write(&file, vec![5_u8; 200_000]).unwrap();
    for algorithm in [
        None,
        Some(ChecksumAlgorithm::Crc32C),
        Some(ChecksumAlgorithm::Sha1),
        Some(ChecksumAlgorithm::Sha256),
        Some(ChecksumAlgorithm::Crc64Nvme),
    ] {
        let body = ByteStream::from_path(&file).await.unwrap();
        let request = client.put_object().bucket("b-1").key("x").body(body);
        request.set_checksum_algorithm(algorithm.clone()).send().await.unwrap();
        let head = client.head_object().bucket("b-1").key("x").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        let sums = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_sha1(),
            head.checksum_sha256(),
            head.checksum_crc64_nvme(),
        ];
        assert_eq!(sums.iter().filter(|sum| sum.is_some()).count(), 1, "{algorithm:?}");
        // The client compares it with what it reads.
        assert_eq!(get(&client, "b-1", "x").await.len(), 200_000);
    }

    let upload = client.create_multipart_upload().bucket("b-1").key("y").send().await.unwrap();
    let part = client.upload_part().bucket("b-1").key("y").part_number(1);
    let part = part.set_upload_id(upload.upload_id.clone());
    let part = part.body(ByteStream::from_path(&file).await.unwrap()).send().await.unwrap();
    let done = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(part.e_tag)
        .set_checksum_crc32(part.checksum_crc32)
        .build();
    let done = CompletedMultipartUpload::builder().parts(done).build();
    let complete = client.complete_multipart_upload().bucket("b-1").key("y");
    let complete = complete.set_upload_id(upload.upload_id).multipart_upload(done);
    complete.send().await.unwrap();
    assert_eq!(get(&client, "b-1", "y").await.len(), 200_000);
}
