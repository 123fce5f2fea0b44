//! `ctl logs -f`: what begins to write while it follows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Controller, agent};

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> Value {
    let path = folder.join(format!("{name}.log"));
    let line = format!("2026-11-24T11:55:00.000Z stdout F {text}\n");
    let file = std::fs::File::options().create(true).append(true).open(&path);
    file.unwrap().write_all(line.as_bytes()).unwrap();
    json!({ "name": name, "path": path })
}

#[test]
fn what_begins_to_write_later_is_followed_too() {
    let folder = tempfile::tempdir().unwrap();
    let logs = Arc::new(Mutex::new(Vec::<Value>::new()));
    let listed = Arc::clone(&logs);
    let controller = Controller::new(move |line, _| match line {
        "GET /v1/objects/agent/agent-1/logs" => (200, json!(*listed.lock().unwrap())),
        // Applied, and not looked at yet.
        _ => (200, agent("a.yaml:3")),
    });
    let started = Command::new(env!("CARGO_BIN_EXE_ctl"))
        .args(["logs", "-f", "1"])
        .env("HARNESS_STATE", controller.path())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut ctl = Running(started.unwrap());
    let mut words = BufReader::new(ctl.0.stderr.take().unwrap()).lines();
    let mut lines = BufReader::new(ctl.0.stdout.take().unwrap()).lines();
    assert_eq!(words.next().unwrap().unwrap(), "nothing was written yet");

    let api = write(folder.path(), "api", "one");
    logs.lock().unwrap().push(api);
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    write(folder.path(), "api", "two");
    assert_eq!(lines.next().unwrap().unwrap(), "two");
    // A second one: its lines all, and from then on each line after its name.
    let worker = write(folder.path(), "worker", "three");
    logs.lock().unwrap().push(worker);
    assert_eq!(lines.next().unwrap().unwrap(), "worker | three");
    write(folder.path(), "api", "four");
    assert_eq!(lines.next().unwrap().unwrap(), "api    | four");
}
