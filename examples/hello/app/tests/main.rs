//! The program as its user meets it, without servers: what it says when something is missing.
//! That it works with them is what the end-to-end tests of the workspace show.

#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

fn hello(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hello"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends the process with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn eventually(what: &str, mut condition: impl FnMut() -> Option<String>) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = condition() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not come within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_missing_variable_is_named() {
    let output = hello(&["migrate"]).output().unwrap();
    assert_eq!(stderr(&output), "error: the environment variable PGUSER is not set\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_bad_port_is_shown() {
    let output = hello(&["frontend"]).env("FE_PORT", "http").output().unwrap();
    assert_eq!(
        stderr(&output),
        "error: the environment variable FE_PORT holds \"http\", which is not a port, 1 to 65535\n"
    );
}

#[test]
fn health_says_that_the_database_is_away() {
    let (port, nobody) = (free_port(), free_port());
    let _api = Running(
        hello(&["api"])
            .env("PORT", port.to_string())
            .env("PGPORT", nobody.to_string())
            .env("PGUSER", "agent_1")
            .env("PGDATABASE", "agent_1")
            .env("S3_ENDPOINT", format!("http://127.0.0.1:{nobody}"))
            .env("S3_BUCKET", "agent-1")
            .env("S3_ACCESS_KEY", "key")
            .env("S3_SECRET_KEY", "secret")
            .spawn()
            .unwrap(),
    );
    let answer = eventually("an answer", || get(port, "/api/v1/health"));
    assert!(answer.starts_with("HTTP/1.0 500 "), "{answer}");
    assert!(answer.contains("the database does not answer as it should"), "{answer}");
}

#[test]
fn the_page_is_served_and_nothing_beside_it() {
    let port = free_port();
    let _frontend = Running(
        hello(&["frontend"])
            .env("FE_PORT", port.to_string())
            .env("PORT", "8010")
            .env("AGENT_NAME", "agent-1")
            .spawn()
            .unwrap(),
    );
    let page = eventually("the page", || get(port, "/"));
    assert!(page.starts_with("HTTP/1.0 200 ") && page.contains("</html>"), "{page}");
    assert!(get(port, "/config.json").unwrap().contains(r#""agent":"agent-1""#));
    for path in ["/..%2fCargo.toml", "/%2e%2e%2fsrc%2fmain.rs", "/Cargo.toml", "/.env.js"] {
        let answer = get(port, path).unwrap();
        assert!(answer.starts_with("HTTP/1.0 404 "), "{path}: {answer}");
    }
}
