//! Finds out how a process does: one look at it, and [`Prober`], which keeps looking.

use std::path::PathBuf;
use std::time::Duration;

use agent_harness_model::kinds::process::Check;

use super::launch::ProcessId;
use crate::mask::Mask;

mod exec;
pub mod http;
mod log;
mod prober;

pub use exec::Label;
pub use prober::{Health, Prober};

/// One look may take this long unless its probe says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// Which run of a process is probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub pid: u32,
    pub started_at_ms: u64,
    /// Names this start among all others.
    pub instance: String,
    /// Its run folder.
    pub folder: PathBuf,
    pub log_path: PathBuf,
    /// As in the environment of its process.
    pub mark: String,
}

/// Looks at one run of a process.
pub struct Looker {
    label: Label,
    /// `None`: it is no run of a process that is looked at.
    lines: Option<log::Lines>,
    mask: Mask,
}

impl Looker {
    /// For this run; nothing is looked at yet. What its checks find is told without what `mask` knows.
    pub fn new(id: &ProcessId, run: &Run, mask: Mask) -> Self {
        let label = Label { mark: run.mark.clone(), step: format!("probe {id}") };
        Self { label, lines: Some(log::Lines::new(run)), mask }
    }

    /// For whatever listens: no run of a process that is known.
    pub fn of_anything(label: Label, mask: Mask) -> Self {
        Self { label, lines: None, mask }
    }

    /// One look, which may take as long as `patience`. An error says in words what was found instead; nothing of a
    /// command is left, also when nobody waits for its end any more.
    pub async fn look(&mut self, check: &Check, patience: Duration) -> Result<(), String> {
        let what = describe(check);
        let looking = async {
            match check {
                Check::Http(want) => http::check(want).await,
                Check::Tcp { port } => http::connect(*port).await.map(drop),
                Check::Log { line } => match &mut self.lines {
                    Some(lines) => lines.look(line).await,
                    None => Err("there is no process whose output could be looked at".to_owned()),
                },
                // It ends what it started when its time is over, and so keeps the time itself.
                Check::Exec(command) => match exec::run(command, &self.label, patience).await {
                    Some(done) => done,
                    None => Err(no_answer(patience)),
                },
            }
        };
        let result = match check {
            Check::Exec(_) => looking.await,
            Check::Http(_) | Check::Tcp { .. } | Check::Log { .. } => {
                tokio::time::timeout(patience, looking)
                    .await
                    .unwrap_or_else(|_| Err(no_answer(patience)))
            }
        };
        result.map_err(|why| format!("{what}: {}", self.mask.apply(&why)))
    }
}

/// What a check looks at, for people.
pub fn describe(check: &Check) -> String {
    match check {
        Check::Http(want) => format!("GET http://127.0.0.1:{}{}", want.port, want.path),
        Check::Tcp { port } => format!("connecting to 127.0.0.1:{port}"),
        Check::Exec(command) => format!("`{}`", command.line()),
        Check::Log { line } => format!("a line like /{line}/"),
    }
}

fn no_answer(patience: Duration) -> String {
    format!("no answer within {} s", patience.as_secs_f32())
}
