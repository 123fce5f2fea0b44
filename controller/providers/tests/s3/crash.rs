//! A server killed at any moment: objects are whole or absent.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aws_sdk_s3::presigning::PresigningConfig;

use super::harness::{Server, file_name, files, get, list, put, wait_for};

#[tokio::test]
async fn a_kill_in_the_middle_of_a_put_leaves_the_old_object() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    put(&client, "b-1", "x", "old").await;
    let soon = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let url = client.put_object().bucket("b-1").key("x").presigned(soon).await.unwrap();
    let at = url.uri().find("/b-1").unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 9000000\r\n\r\n",
        &url.uri()[at..],
        server.port
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![7; 3_000_000]).unwrap();
    let tmp = server.root().join("tmp");
    wait_for("the upload has begun", || files(&tmp) == 1);
    server.kill();
    drop(stream);
    server.run();
    let client = server.admin();
    assert_eq!(files(&tmp), 0);
    assert_eq!(get(&client, "b-1", "x").await, "old");
    assert_eq!(list(&client, "b-1").await, ["x"]);
}

#[tokio::test]
async fn a_client_that_breaks_off_leaves_nothing() {
    let server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let soon = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let url = client.put_object().bucket("b-1").key("x").presigned(soon).await.unwrap();
    let at = url.uri().find("/b-1").unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 9000\r\n\r\nhalf",
        &url.uri()[at..],
        server.port
    );
    stream.write_all(head.as_bytes()).unwrap();
    let tmp = server.root().join("tmp");
    wait_for("the upload has begun", || files(&tmp) == 1);
    drop(stream);
    wait_for("the upload is cleared away", || files(&tmp) == 0);
    assert!(list(&client, "b-1").await.is_empty());
}

/// Many writers, killed at random moments: what was acknowledged is there, and nothing is torn.
#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5_usize {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let client = client.clone();
            writers.spawn(async move {
                let mut done = Vec::new();
                for number in 0.. {
                    let key = format!("{round}-{writer}-{number}");
                    let body = key.repeat(3000).into_bytes();
                    let request = client.put_object().bucket("b-1").key(&key).body(body.into());
                    match request.send().await {
                        Ok(_) => done.push(key),
                        Err(_) => break,
                    }
                }
                done
            });
        }
        let objects = server.root().join("buckets/b-1/objects");
        let enough = acknowledged.len() + 10 + round * 7;
        // On a thread of its own: the writers need this one.
        tokio::task::spawn_blocking(move || {
            wait_for("some objects are there", || files(&objects) >= enough);
        })
        .await
        .unwrap();
        server.kill();
        while let Some(done) = writers.join_next().await {
            acknowledged.extend(done.unwrap());
        }
        server.run();
        for key in list(&client, "b-1").await {
            assert_eq!(get(&client, "b-1", &key).await, key.repeat(3000));
        }
    }
    let listed = list(&client, "b-1").await;
    for key in acknowledged {
        assert!(listed.contains(&key), "{key} was lost");
    }
}

/// Done when a condition holds, without a pause: the client is to leave at that very moment.
fn leave_when(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
    }
}

/// The store goes on with what it has begun: what is listed and what is on the disk stay the same.
#[tokio::test]
async fn clients_that_leave_at_the_last_moment_leave_no_ghosts() {
    let mut server = Server::start();
    let client = server.admin();
    client.create_bucket().bucket("b-1").send().await.unwrap();
    assert!(list(&client, "b-1").await.is_empty());
    let objects = server.root().join("buckets/b-1/objects");
    let send = |method: &str, url: &str, body: &str| {
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\n\r\n{body}",
            &url[url.find("/b-1").unwrap()..],
            server.port,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let soon = || PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    for number in 0..100 {
        // One that leaves at once: nobody knows how far it comes.
        let key = format!("{number:03}-at-once");
        let put = client.put_object().bucket("b-1").key(&key).presigned(soon()).await.unwrap();
        drop(send("PUT", put.uri(), "data"));
        let key = format!("{number:03}");
        let path = objects.join(file_name(&key));
        let put = client.put_object().bucket("b-1").key(&key).presigned(soon()).await.unwrap();
        let stream = send("PUT", put.uri(), "data");
        leave_when("the object is there", || path.exists());
        drop(stream);
        if number % 2 == 0 {
            let delete = client.delete_object().bucket("b-1").key(&key).presigned(soon());
            let stream = send("DELETE", delete.await.unwrap().uri(), "");
            leave_when("the object is gone", || !path.exists());
            drop(stream);
        }
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    let listed = loop {
        let listed = list(&client, "b-1").await;
        if listed.len() == files(&objects) && files(&server.root().join("tmp")) == 0 {
            break listed;
        }
        assert!(Instant::now() < deadline, "{} of {}", listed.len(), files(&objects));
    };
    server.kill();
    server.run();
    assert_eq!(list(&server.admin(), "b-1").await, listed);
}
