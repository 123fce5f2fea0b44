//! A stand-in for the controller, and `ctl` against it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};

/// A state folder with a controller in it, which answers `METHOD /path` with a status and a body.
pub struct Controller {
    state: tempfile::TempDir,
}

impl Controller {
    pub fn new(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + 'static) -> Self {
        Self::over(tempfile::tempdir().unwrap(), answer)
    }

    fn over(
        state: tempfile::TempDir,
        answer: impl Fn(&str, &Value) -> (u16, Value) + Send + 'static,
    ) -> Self {
        let listener = UnixListener::bind(state.path().join("control.sock")).unwrap();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(&stream.unwrap(), &answer);
            }
        });
        Self { state }
    }

    /// One that knows the environment of agent-1, whose worktree is the state folder.
    pub fn with_environment(variables: &[(&str, &str)]) -> Self {
        let variables: serde_json::Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let state = tempfile::tempdir().unwrap();
        let answer = json!({ "cwd": state.path(), "variables": variables, "secret": [] });
        Self::over(state, move |line, _| match line {
            "GET /v1/objects/agent/agent-1/environment" => (200, answer.clone()),
            _ => (404, json!({ "message": "no such thing" })),
        })
    }

    pub fn path(&self) -> &Path {
        self.state.path()
    }

    /// `ctl`, with nothing of this process's environment but PATH.
    pub fn ctl(&self) -> Command {
        ctl(self.path())
    }

    /// `ctl` with a terminal, to which all that it prints goes.
    pub fn ctl_on_terminal(&self, words: &str) -> Command {
        let mut command = Command::new("script");
        let words = format!("{} {words}", env!("CARGO_BIN_EXE_ctl"));
        surround(&mut command, self.path()).env("NO_COLOR", "1");
        command.args(["--quiet", "--return", "--command", &words, "/dev/null"]);
        command
    }

    /// What was left in the folder for temporary files.
    pub fn left(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path().join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// An executable script in a folder of its own.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let folder = self.path().join("bin");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

/// agent-1 as the controller tells of it, of a source such as `a.yaml:3`; nobody has looked at it yet.
pub fn agent(source: &str) -> Value {
    json!({
        "apiVersion": "agent-harness.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {
            "name": "agent-1", "uid": "u-12345678", "generation": 1,
            "creationTimestamp": "2026-11-24T11:55:00Z", "source": source,
        },
        "spec": {},
    })
}

/// `ctl` on a state folder.
pub fn ctl(state: &Path) -> Command {
    let mut command = Command::cargo_bin("ctl").unwrap();
    surround(&mut command, state);
    command
}

/// What is left for somebody leaves with the test.
fn surround<'a>(command: &'a mut Command, state: &Path) -> &'a mut Command {
    let temporary = state.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    command.env_clear().env("PATH", path).env("HARNESS_STATE", state).env("TMPDIR", temporary)
}

fn serve(mut stream: &UnixStream, answer: &impl Fn(&str, &Value) -> (u16, Value)) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = first.rsplit_once(' ').map_or(first.as_str(), |(line, _)| line);
    let (status, text) = answer(line, &serde_json::from_slice(&body).unwrap_or_default());
    let text = text.to_string();
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len()).unwrap();
}
