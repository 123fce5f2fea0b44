//! What browsers and plain HTTP clients see: presigned URLs, CORS, and who the server is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::types::{CorsConfiguration, CorsRule};

use agent_harness_providers::object_store::{self, BucketKey, StoreConfig};

use super::harness::{Server, code, free_port, get, list, put};

/// The key of the store itself.
const ROOT: (&str, &str) = ("root", "root-secret");

fn path(uri: &str) -> &str {
    let at = uri.find("/b-1").unwrap();
    &uri[at..]
}

#[tokio::test]
async fn presigned_urls_read_and_write_without_a_key() {
    let server = Server::start();
    let admin = server.admin();
    admin.create_bucket().bucket("b-1").send().await.unwrap();
    let client = server.key("key-1", "b-1");
    let host = format!("127.0.0.1:{}", server.port);
    let soon = || PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();

    let url = client.put_object().bucket("b-1").key("up load").presigned(soon()).await.unwrap();
    let answer = server.raw(&format!(
        "PUT {} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        path(url.uri())
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(get(&client, "b-1", "up load").await, "hello");

    let request = client.get_object().bucket("b-1").key("up load").response_content_type("text/z");
    let url = request.presigned(soon()).await.unwrap();
    let ask = |path: &str| {
        server.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
    };
    let answer = ask(path(url.uri()));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(answer.contains("content-type: text/z\r\n"), "{answer}");

    let forged = path(url.uri()).replace("up%20load", "other");
    assert!(ask(&forged).starts_with("HTTP/1.1 403 "));
    // Another bucket, that is there and one that is not, is none of its business.
    admin.create_bucket().bucket("b-2").send().await.unwrap();
    put(&admin, "b-2", "x", "theirs").await;
    for bucket in ["b-2", "b-3"] {
        let url = client.get_object().bucket(bucket).key("x").presigned(soon()).await.unwrap();
        let at = url.uri().find(&format!("/{bucket}")).unwrap();
        let answer = ask(&url.uri()[at..]);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    }
    let key = client.put_object().bucket("b-2").key("y").presigned(soon()).await.unwrap();
    let at = key.uri().find("/b-2").unwrap();
    let answer = server.raw(&format!(
        "PUT {} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        &key.uri()[at..]
    ));
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(list(&admin, "b-2").await, ["x"]);
}

#[tokio::test]
async fn a_presigned_url_ends_with_its_time() {
    let server = Server::start();
    let admin = server.admin();
    admin.create_bucket().bucket("b-1").send().await.unwrap();
    put(&admin, "b-1", "x", "hello").await;
    let ask = async |signed: SystemTime| {
        let lasts = PresigningConfig::builder().start_time(signed);
        let lasts = lasts.expires_in(Duration::from_mins(5)).build().unwrap();
        let url = admin.get_object().bucket("b-1").key("x").presigned(lasts).await.unwrap();
        server.raw(&format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            path(url.uri()),
            server.port
        ))
    };
    let now = SystemTime::now();
    let answer = ask(now - Duration::from_mins(4)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = ask(now - Duration::from_mins(6)).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
}

#[tokio::test]
async fn browsers_are_answered_by_the_bucket_s_rules() {
    let server = Server::start();
    let admin = server.admin();
    admin.create_bucket().bucket("b-1").send().await.unwrap();
    put(&admin, "b-1", "x", "hello").await;
    assert_eq!(code(admin.get_bucket_cors().bucket("b-1").send().await), "NoSuchCORSConfiguration");
    let rule = CorsRule::builder()
        .allowed_origins("http://localhost:3030")
        .allowed_methods("GET")
        .allowed_methods("PUT")
        .allowed_headers("*")
        .expose_headers("ETag")
        .max_age_seconds(60)
        .build()
        .unwrap();
    let configuration = CorsConfiguration::builder().cors_rules(rule.clone()).build().unwrap();
    admin.put_bucket_cors().bucket("b-1").cors_configuration(configuration).send().await.unwrap();
    let stored = admin.get_bucket_cors().bucket("b-1").send().await.unwrap();
    assert_eq!(stored.cors_rules(), [rule]);

    let preflight = |origin: &str, method: &str| {
        server.raw(&format!(
            "OPTIONS /b-1/x HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: {method}\r\n\
             Access-Control-Request-Headers: x-amz-date,content-type\r\nConnection: close\r\n\r\n"
        ))
    };
    let allowed = preflight("http://localhost:3030", "PUT");
    assert!(allowed.starts_with("HTTP/1.1 200 "), "{allowed}");
    for line in [
        "access-control-allow-origin: http://localhost:3030\r\n",
        "access-control-allow-methods: GET, PUT\r\n",
        "access-control-allow-headers: x-amz-date, content-type\r\n",
        "access-control-max-age: 60\r\n",
    ] {
        assert!(allowed.contains(line), "{line} is missing in {allowed}");
    }
    assert!(preflight("http://evil", "PUT").starts_with("HTTP/1.1 403 "));
    assert!(preflight("http://localhost:3030", "DELETE").starts_with("HTTP/1.1 403 "));

    let soon = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let url = admin.get_object().bucket("b-1").key("x").presigned(soon).await.unwrap();
    let ask = |origin: &str| {
        server.raw(&format!(
            "GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n",
            path(url.uri()),
            server.port
        ))
    };
    let answer = ask("http://localhost:3030");
    assert!(answer.contains("access-control-allow-origin: http://localhost:3030\r\n"), "{answer}");
    assert!(answer.contains("access-control-expose-headers: ETag\r\n"), "{answer}");
    assert!(answer.ends_with("hello"));
    assert!(!ask("http://evil").contains("access-control-allow-origin"));
}

#[tokio::test]
async fn only_loopback_is_listened_on_and_nothing_is_served_twice() {
    let server = Server::start();
    let listeners = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = format!(":{:04X}", server.port);
    let addresses: Vec<_> = listeners
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|address| address.ends_with(&port))
        .collect();
    assert!(addresses.iter().all(|address| address.starts_with("0100007F:")), "{addresses:?}");

    let config = server.folder.path().join("config.json");
    let mut other = StoreConfig::read(&config).unwrap();
    other.port = free_port();
    let elsewhere = server.folder.path().join("elsewhere.json");
    other.write(&elsewhere).unwrap();
    let refused = async |config: std::path::PathBuf| {
        let run = move || object_store::run(&config);
        tokio::task::spawn_blocking(run).await.unwrap().unwrap_err().to_string()
    };
    assert_eq!(
        refused(config).await,
        format!("cannot listen on 127.0.0.1:{} (is another server on this port?)", server.port)
    );
    assert_eq!(
        refused(elsewhere).await,
        format!("another object store serves {} already", server.root().display())
    );
}

/// A browser's form with a file; `fields` come first.
fn form(server: &Server, bucket: &str, fields: &[(&str, &str)], file: &[u8]) -> String {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head = format!("--line\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend([head.as_bytes(), value.as_bytes(), b"\r\n"].concat());
    }
    let head = "--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\
                Content-Type: text/plain\r\n\r\n";
    body.extend([head.as_bytes(), file].concat());
    let end = b"\r\n--line--\r\n";
    let head = format!(
        "POST /{bucket} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: multipart/form-data; boundary=line\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        server.port,
        body.len() + end.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    // Whoever has heard enough may have closed the connection.
    let _ = stream.write_all(end);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Version 4 of S3's signature, for a form that puts an object `key` into a bucket; `by`: the key and its secret.
fn signed(by: (&str, &str), bucket: &str, key: &str) -> Vec<(&'static str, String)> {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    use std::fmt::Write as _;
    let now = jiff::Timestamp::now();
    let (day, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ"));
    let expiration = now + jiff::SignedDuration::from_mins(5);
    let credential = format!("{}/{day}/us-east-1/s3/aws4_request", by.0);
    let policy = serde_json::json!({
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(),
        "conditions": [
            {"bucket": bucket}, {"key": key},
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": credential},
            {"x-amz-date": time.to_string()},
        ],
    });
    let policy = base64::engine::general_purpose::STANDARD.encode(policy.to_string());
    let sign = |key: &[u8], text: &str| {
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let mut secret = format!("AWS4{}", by.1).into_bytes();
    for word in [day.as_str(), "us-east-1", "s3", "aws4_request", &policy] {
        secret = sign(&secret, word);
    }
    let signature = secret.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    vec![
        ("key", key.to_owned()),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", time.to_string()),
        ("policy", policy),
        ("x-amz-signature", signature),
    ]
}

#[tokio::test]
async fn a_form_takes_a_file_of_some_megabytes_and_no_more() {
    let server = Server::start();
    let admin = server.admin();
    admin.create_bucket().bucket("b-1").send().await.unwrap();
    let fields = signed(ROOT, "b-1", "photo");
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = form(&server, "b-1", &fields, &vec![b'x'; 3 << 20]);
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    assert_eq!(get(&admin, "b-1", "photo").await.len(), 3 << 20);

    // It is read before anybody asks who sends it: so much memory is anybody's, and no more.
    let unsigned = [("key", "x")];
    assert!(form(&server, "b-1", &unsigned, b"x").contains("AccessDenied"));
    let answer = form(&server, "b-1", &unsigned, &vec![b'x'; (8 << 20) + 1]);
    assert!(answer.contains("EntityTooLarge"), "{answer}");
    let long = "x".repeat(80 << 10);
    let answer = form(&server, "b-1", &[("key", "x"), ("x-amz-meta-a", &long)], b"x");
    assert!(answer.contains("MalformedPOSTRequest"), "{answer}");
}

#[tokio::test]
async fn a_form_of_a_bucket_s_key_reaches_its_own_bucket_alone() {
    let server = Server::start();
    let admin = server.admin();
    for bucket in ["b-1", "b-2"] {
        admin.create_bucket().bucket(bucket).send().await.unwrap();
    }
    server.key("key-1", "b-1");
    let key = BucketKey::read(&server.root(), "key-1").unwrap().unwrap();
    let send = |bucket: &str| {
        let fields = signed(("key-1", key.secret_key.expose()), bucket, "photo");
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        form(&server, bucket, &fields, b"picture")
    };
    let answer = send("b-1");
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let answer = send("b-2");
    assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    assert_eq!(list(&admin, "b-1").await, ["photo"]);
    assert!(list(&admin, "b-2").await.is_empty());
}
