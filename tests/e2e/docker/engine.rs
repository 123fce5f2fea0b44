//! The engine, as a person at its command line has it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::e2e::harness::{succeed, text};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/images/engine");

/// One at a time: each has servers of its own, and one of them ends the engine.
static TURN: Mutex<()> = Mutex::new(());

/// The engine, for one test alone.
pub struct Engine {
    _turn: MutexGuard<'static, ()>,
}

#[expect(clippy::unused_self, reason = "only who has the engine may use it")]
impl Engine {
    /// The engine; `None`: there is none, and nobody insists on it.
    pub fn get(test: &str) -> Option<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = std::env::var_os("DOCKER_HOST").is_some();
        if is_named
            && Command::new("docker").arg("version").output().is_ok_and(|it| it.status.success())
        {
            return Some(Self { _turn: turn });
        }
        let required = std::env::var("HARNESS_TEST_DOCKER").is_ok_and(|value| value == "require");
        assert!(!required, "{test}: DOCKER_HOST names no Docker engine that answers");
        // Past what the test runner keeps for itself.
        let line =
            format!("{test}: skipped, as DOCKER_HOST names no Docker engine (see tests/images)\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        None
    }

    /// Runs `docker`.
    pub fn docker(&self, arguments: &[&str]) -> Output {
        Command::new("docker").args(arguments).output().unwrap()
    }

    /// Runs `docker`, which has to succeed; what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = succeed(Command::new("docker").args(arguments));
        text(&output.stdout).trim().to_owned()
    }

    /// A part of what `docker inspect` says of a container; nothing when there is none.
    pub fn inspect(&self, container: &str, format: &str) -> String {
        let output = self.docker(&["inspect", "--format", format, container]);
        text(&output.stdout).trim().to_owned()
    }

    /// Ends the engine as a crash does, and starts it again.
    pub fn crash(&self, between: impl FnOnce()) {
        self.script("kill");
        between();
        self.script("start");
    }

    /// Ends the engine in good order, and starts it again.
    pub fn restart(&self) {
        self.script("restart");
    }

    fn script(&self, what: &str) {
        succeed(Command::new(SCRIPT).arg(what));
    }
}

/// A second engine, beside that of all the others: its images and containers are on a disk of its own.
pub struct Beside(PathBuf);

impl Beside {
    /// Starts it with this folder, whose path is to be short: a socket is in it.
    pub fn start(folder: PathBuf) -> Self {
        let engine = Self(folder);
        succeed(engine.script().arg("start"));
        engine
    }

    /// What `DOCKER_HOST` is for it.
    pub fn host(&self) -> String {
        format!("unix://{}/docker.sock", self.0.display())
    }

    fn script(&self) -> Command {
        let mut script = Command::new(SCRIPT);
        script.env("HARNESS_ENGINE_ROOT", &self.0);
        script
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.script().arg("stop").status();
    }
}
