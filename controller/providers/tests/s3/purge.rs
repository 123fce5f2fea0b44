//! Buckets go for good, whatever is in them.

use std::sync::Arc;

use agent_harness_model::kinds::bucket::Action;
use agent_harness_model::kinds::service::StoreConnection;
use agent_harness_model::world::Class;

use super::harness::{Server, file_name, files, list, proxy, put, wait_for, write_object};
use super::provider::{ABSENT, World, agent, id, live, want};

#[tokio::test]
async fn a_purge_empties_more_than_one_page() {
    let server = Server::start();
    let world = World::new(server.external());
    let (id, mut want) = (id(1), want(1));
    want.key = None;
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    let client = server.admin();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let client = client.clone();
        writers.spawn(async move {
            for number in 0..140 {
                put(&client, "agent-1", &format!("{writer}/{number}"), "x").await;
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    for key in ["film", "\u{1}film"] {
        let upload = client.create_multipart_upload().bucket("agent-1").key(key);
        let upload = upload.send().await.unwrap();
        let part = client.upload_part().bucket("agent-1").key(key).part_number(1);
        let part = part.set_upload_id(upload.upload_id).body(b"x".to_vec().into());
        part.send().await.unwrap();
    }
    assert_eq!(list(&client, "agent-1").await.len(), 1120);
    put(&client, "agent-1", "\u{1}not for XML", "x").await;

    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, ABSENT);
    assert_eq!(files(&server.root().join("buckets")), 0);
}

/// Our own store removes a bucket in one step: nothing in it has to be read.
#[tokio::test]
async fn a_purge_takes_what_nobody_can_read() {
    let server = Server::start();
    let world = World::new(server.connection());
    let (id, want) = (id(1), want(1));
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    let client = agent(&server, 1);
    put(&client, "agent-1", "fine", "x").await;
    client.create_multipart_upload().bucket("agent-1").key("\u{1}").send().await.unwrap();
    let folder = server.root().join("buckets/agent-1");
    std::fs::write(folder.join("objects").join(file_name("torn")), "half").unwrap();
    write_object(&folder.join("objects/misnamed"), "ghost", 0, "e", 0);
    std::fs::create_dir_all(folder.join("uploads/broken")).unwrap();
    std::fs::write(folder.join("uploads/broken/upload.json"), "{").unwrap();
    assert_eq!(list(&client, "agent-1").await, ["fine"]);
    assert_eq!(world.see(&id, &want).await, live("f1"));

    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, ABSENT);
    assert_eq!(files(&server.root().join("buckets")), 0);
    wait_for("it is cleared away", || files(&server.root().join("tmp")) == 0);
    let unproven = server.raw(
        "POST /.harness/admin/purge?bucket=agent-1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert!(unproven.starts_with("HTTP/1.1 403 "), "{unproven}");
    let climbing = server.admin_request("POST", "/.harness/admin/purge?bucket=../buckets");
    assert!(climbing.contains("InvalidBucketName"), "{climbing}");
}

/// Many stores list no versions: the objects then go all the same.
#[tokio::test]
async fn a_purge_does_without_versions_and_uploads() {
    let server = Server::start();
    let port = proxy(server.port, |request| {
        let line = request.lines().next().unwrap_or_default();
        let unknown =
            line.starts_with("GET ") && (line.contains("versions") || line.contains("uploads"));
        unknown.then(|| "HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n".to_owned())
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection { endpoint, ..server.external() });
    let (id, mut want) = (id(1), want(1));
    want.key = None;
    world.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    for key in ["a b", "ü+%", "\u{1}"] {
        put(&server.admin(), "agent-1", key, "x").await;
    }
    world.apply(&id, Action::Purge(want.place.clone())).await.unwrap();
    assert_eq!(world.see(&id, &want).await, ABSENT);
}

/// What a store lists and does not delete is asked for a few times, and then left to the next attempt.
#[tokio::test]
async fn a_purge_that_gets_nowhere_ends() {
    let server = Server::start();
    let port = proxy(server.port, |request| {
        let line = request.lines().next().unwrap_or_default();
        let answer = |status: &str, body: &str| {
            let length = body.len();
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        if line.starts_with("DELETE ") && line.contains("/film?") {
            let gone = "<Error><Code>NoSuchUpload</Code><Message>gone</Message></Error>";
            return Some(answer("404 Not Found", gone));
        }
        (line.starts_with("POST ") && line.contains("delete"))
            .then(|| answer("200 OK", "<DeleteResult></DeleteResult>"))
    });
    let endpoint = format!("http://127.0.0.1:{port}");
    let world = World::new(StoreConnection { endpoint, ..server.external() });
    let (id, mut want) = (id(1), want(1));
    want.key = None;
    let direct = World::new(server.external());
    direct.apply(&id, Action::Create(Arc::new(want.clone()))).await.unwrap();
    put(&server.admin(), "agent-1", "ghost", "x").await;
    for key in ["film", "\u{1}film"] {
        server.admin().create_multipart_upload().bucket("agent-1").key(key).send().await.unwrap();
    }
    let error = world.apply(&id, Action::Purge(want.place.clone())).await.unwrap_err();
    assert_eq!(error.class, Class::Transient, "{error}");
    assert!(error.message.contains("BucketNotEmpty"), "{error}");
    let left = server.admin().list_multipart_uploads().bucket("agent-1").send().await.unwrap();
    let left: Vec<_> = left.uploads().iter().filter_map(|upload| upload.key()).collect();
    assert_eq!(left, ["film"], "the other one was ended, odd as its key is");
}
