//! For tests: a stand-in for the controller that answers what it is told to, and fixed objects.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use agent_harness_model::api::{Object, ObjectMeta};
use agent_harness_model::id::Uid;
use agent_harness_model::status::{Condition, ConditionType, Phase, ResourceStatus, Status, Truth};
use clap::Parser as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixListener;

use crate::cli::Cli;
use crate::ui::{Captured, Ui};
use crate::whose::Surroundings;

/// One command line with its surroundings.
pub struct Ctl {
    state: tempfile::TempDir,
    around: Surroundings,
    ui: (Ui, Captured),
}

impl Ctl {
    /// No terminal, no colour, an empty state folder.
    pub fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        Self { state, around: Surroundings::default(), ui: Captured::new() }
    }

    /// A terminal of a width.
    pub fn on_terminal(width: usize, colour: bool) -> Self {
        Self { ui: Captured::like(Some(width), colour), ..Self::new() }
    }

    /// A file in the state folder.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.state.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::files::write(&path, text).unwrap();
        self
    }

    /// With `HARNESS_AGENT`.
    pub fn of_agent(mut self, name: &str) -> Self {
        self.around.agent = Some(name.to_owned());
        self
    }

    /// In a folder.
    pub fn inside(mut self, folder: &str) -> Self {
        self.around.folder = Some(folder.into());
        self
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.state.path().to_owned()
    }

    /// Runs words where no controller runs; `STATE` in them is the state folder.
    pub fn alone(self, words: &[&str]) -> String {
        self.run(words, None::<fn(&str, &str) -> (u16, String)>)
    }

    /// Runs words against a stand-in. `answer` gets `METHOD /path?query` and the body, and gives a
    /// status and a body; status 0 breaks the connection off, status 1 never answers.
    pub fn with(
        self,
        words: &[&str],
        answer: impl Fn(&str, &str) -> (u16, String) + 'static,
    ) -> String {
        self.run(words, Some(answer))
    }

    fn run(
        self,
        words: &[&str],
        answer: Option<impl Fn(&str, &str) -> (u16, String) + 'static>,
    ) -> String {
        let folder = self.state().display().to_string();
        let words: Vec<_> = words.iter().map(|word| word.replace("STATE", &folder)).collect();
        let args = ["ctl".to_owned(), "--state".to_owned(), folder.clone()];
        let cli = Cli::try_parse_from(args.into_iter().chain(words)).unwrap();
        let (mut ui, captured) = self.ui;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = tokio::task::LocalSet::new().block_on(&runtime, async {
            if let Some(answer) = answer {
                let socket = self.state.path().join("control.sock");
                let listener = UnixListener::bind(socket).unwrap();
                tokio::task::spawn_local(serve(listener, Rc::new(answer)));
            }
            cli.run(self.around, &mut ui).await
        });
        printed(&mut ui, &captured, result, &folder)
    }
}

/// Everything that a command printed, and how it ended.
fn printed(ui: &mut Ui, captured: &Captured, result: crate::error::Result, folder: &str) -> String {
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit
        }
    };
    format!("{}--- {exit:?}", captured.all()).replace(folder, "STATE")
}

async fn serve(listener: UnixListener, answer: Rc<impl Fn(&str, &str) -> (u16, String) + 'static>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let answer = Rc::clone(&answer);
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let answer = Rc::clone(&answer);
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let (status, text) = answer(&line, &String::from_utf8_lossy(&body));
                if status == 1 {
                    std::future::pending::<()>().await;
                }
                if status == 0 {
                    return Err(std::io::Error::other("killed"));
                }
                let body = Full::new(Bytes::from(text));
                Ok::<_, std::io::Error>(Response::builder().status(status).body(body).unwrap())
            }
        });
        tokio::task::spawn_local(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// What was asked, line by line.
#[derive(Clone, Default)]
pub struct Asked(Rc<RefCell<Vec<String>>>);

impl Asked {
    pub fn note(&self, line: &str) {
        self.0.borrow_mut().push(line.to_owned());
    }

    pub fn lines(&self) -> String {
        self.0.borrow().join("\n")
    }
}

/// The answer to a path that is not known.
pub fn not_found() -> (u16, String) {
    (404, json!({"message": "no such object"}).to_string())
}

/// An Agent whose conditions follow from its phase.
pub fn agent(name: &str, phase: Phase, message: &str) -> Object {
    let number = name.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number: u16 = number.parse().unwrap_or(0);
    let state = |state: &str, message: &str| ResourceStatus {
        state: state.to_owned(),
        message: message.to_owned(),
        failed: false,
        leaving: false,
    };
    let api = if phase == Phase::Ready { state("Ready", "") } else { state("Running", message) };
    let frontend = 3000 + 10 * number;
    let worktree = format!("worktree//w/{name}");
    Object {
        api_version: "agent-harness.dev/v1alpha1".into(),
        kind: "Agent".into(),
        metadata: meta(name, &format!("specs/{name}.yaml:1")),
        spec: json!({"stack": "hello", "worktree": {"branch": format!("agent/{name}")}}),
        status: Some(Status {
            observed_generation: 2,
            phase,
            conditions: conditions(phase, message),
            urls: [("api", frontend + 5000), ("frontend", frontend)]
                .map(|(name, port)| (name.to_owned(), format!("http://127.0.0.1:{port}")))
                .into(),
            ports: [("api", frontend + 5000), ("debugger", 9200 + number), ("frontend", frontend)]
                .map(|(name, port)| (name.to_owned(), port))
                .into(),
            resources: [
                ("database/agent", state("Ready", "")),
                ("process/api", api),
                ("process/frontend", state("Ready", "")),
                ("setup/files", state("Succeeded", "")),
                (worktree.as_str(), state("Ready", &format!("agent/{name} at 1f3a5c7e9b0d"))),
            ]
            .map(|(name, state)| (name.to_owned(), state))
            .into(),
            verify: None,
            generations: Vec::new(),
        }),
        outdated: false,
    }
}

/// An Infra that is Ready.
pub fn infra() -> Object {
    Object {
        kind: "Infra".into(),
        metadata: meta("shared", "specs/infra.yaml:4"),
        spec: json!({"postgres": {"embedded": {"port": 15432}}}),
        ..agent("shared", Phase::Ready, "")
    }
    .with(|status| {
        status.urls.clear();
        status.ports = [("postgres".to_owned(), 15432)].into();
        status.resources.retain(|name, _| name.starts_with("process/"));
    })
}

/// A Stack that is Ready, and has nothing of its own to show.
pub fn stack() -> Object {
    Object {
        kind: "Stack".into(),
        metadata: meta("hello", "specs/stack.yaml:7"),
        spec: json!({
            "infra": "shared",
            "ports": {"api": 8000},
            "worktree": {"repo": "/src/app", "base": "HEAD"},
            "processes": {"api": {"run": "./api"}},
        }),
        ..agent("hello", Phase::Ready, "")
    }
    .with(|status| {
        status.urls.clear();
        status.ports.clear();
        status.resources.clear();
    })
}

/// Changes a status.
pub trait With {
    fn with(self, change: impl FnOnce(&mut Status)) -> Self;
}

impl With for Object {
    fn with(mut self, change: impl FnOnce(&mut Status)) -> Self {
        change(self.status.as_mut().unwrap());
        self
    }
}

fn meta(name: &str, source: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.to_owned(),
        uid: Uid::new(format!("u-{name}")),
        generation: 2,
        creation_timestamp: "2026-11-24T11:55:00Z".parse().unwrap(),
        deletion_timestamp: None,
        source: source.to_owned(),
        commit: None,
        labels: std::collections::BTreeMap::default(),
    }
}

fn conditions(phase: Phase, message: &str) -> Vec<Condition> {
    let is = |yes: bool| if yes { Truth::True } else { Truth::False };
    ConditionType::ALL
        .into_iter()
        .map(|kind| {
            let (status, reason, message) = match kind {
                ConditionType::Ready if phase == Phase::Ready => (Truth::True, "AllReady", ""),
                ConditionType::Ready => (Truth::False, "NotReady", message),
                ConditionType::Stalled => {
                    let stalled = phase == Phase::Stalled;
                    (is(stalled), if stalled { "NeedsAttention" } else { "NotStalled" }, "")
                }
                ConditionType::Synced | ConditionType::SourceValid => (Truth::True, "Valid", ""),
                ConditionType::Progressing => (is(phase == Phase::Progressing), "Working", message),
                ConditionType::CrashLoop => (Truth::False, "NoCrashes", ""),
                ConditionType::Drifted => (Truth::False, "AsWanted", ""),
                ConditionType::Suspended => (Truth::False, "Active", ""),
                ConditionType::DeletionBlocked => (Truth::False, "NotBlocked", ""),
            };
            Condition {
                kind,
                status,
                reason: reason.into(),
                message: message.into(),
                observed_generation: 2,
                last_transition_time: "2026-11-24T11:58:00Z".parse().unwrap(),
            }
        })
        .collect()
}

/// A text as a JSON line.
pub fn lines<T: serde::Serialize>(values: &[T]) -> String {
    values.iter().map(|value| serde_json::to_string(value).unwrap() + "\n").collect()
}
