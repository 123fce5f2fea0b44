//! One command of a run, from its start to what is told of it; and one check.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use agent_harness_model::kinds::command::Command;
use agent_harness_model::kinds::process::Probe;
use agent_harness_model::verify::{
    CommandReport, Matchers, Problem, Reader, Severity, Verdict, first_words,
};
use agent_harness_providers::mask::Mask;
use agent_harness_providers::process::probe;
use agent_harness_providers::setup::{Ended, Heard, RunError, Why, how};
use agent_harness_providers::verify::{Done, Places, Run, Verifier, Whose};
use tokio_util::sync::CancellationToken;

use crate::facts::chain;

/// Of more output than this, problems are looked for in its beginning and in its last lines.
const READ: usize = 64 << 20;
/// What a shell says when it cannot run what it is told to.
const NOT_RUN: [i32; 2] = [126, 127];

/// What all commands of a run share.
pub struct Surroundings<'a> {
    pub verifier: &'a Verifier,
    pub whose: Whose<'a>,
    pub matchers: &'a Matchers,
    pub places: Arc<Mutex<Places>>,
    pub budget: agent_harness_model::kinds::process::Budget,
}

/// How long a command may take.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// From its start.
    pub left: Duration,
    /// That of its stage, as it is written.
    pub of_stage: Duration,
}

/// What came of one, and why it failed, where it did.
pub struct Told {
    pub report: CommandReport,
    pub first_error: Option<String>,
}

/// A command that was not begun, because another one had failed or the run was stopped.
pub fn not_begun(name: &str, command: String) -> Told {
    let report = CommandReport {
        name: name.to_owned(),
        command,
        status: Verdict::Cancelled,
        duration_ms: 0,
        exit_code: None,
        message: Some("was not begun".to_owned()),
        log: None,
        problems: Vec::new(),
        more_problems: false,
    };
    Told { report, first_error: None }
}

impl Surroundings<'_> {
    /// Runs a command to its end. `log` is the name of its log.
    pub async fn command(
        &self,
        (name, log): (&str, &str),
        command: &Command,
        time: Time,
        stop: &CancellationToken,
    ) -> Told {
        let begun = Instant::now();
        let ear = Mutex::new(Ear { reader: self.matchers.reader(), heard: 0 });
        let heard = |line: &[u8]| ear.lock().unwrap_or_else(PoisonError::into_inner).hear(line);
        let heard: &Heard<'_> = &heard;
        let (whose, budget, timeout) = (self.whose, self.budget, time.left);
        let run = Run { whose, name: log, command, budget, timeout, stop, heard };
        let done = self.verifier.command(&run).await;
        let mut told = not_begun(name, command.line());
        told.report.duration_ms = millis(begun.elapsed());
        told.report.message = None;
        let Done { ended, out_of_memory } = match done {
            Ok(done) => done,
            Err(error) => return failed_to_run(told, &error),
        };
        let mask = Mask::of(command.env.values());
        let mut ear = ear.into_inner().unwrap_or_else(PoisonError::into_inner);
        if ear.heard > READ {
            ended.lines.iter().for_each(|line| ear.reader.line(line.as_bytes()));
        }
        let (found, more_problems) = ear.reader.finish();
        told.report.problems = self.placed(found, command, &mask).await;
        told.report.more_problems = more_problems;
        conclude(told, ended, out_of_memory, time)
    }

    /// Repeats a check until it passes.
    pub async fn check(&self, name: &str, wanted: &Probe, stop: &CancellationToken) -> Told {
        let begun = Instant::now();
        let mut told = not_begun(name, probe::describe(&wanted.check));
        let found = self.verifier.check(self.whose, name, wanted, stop).await;
        told.report.duration_ms = millis(begun.elapsed());
        told.report.message = found.as_ref().err().cloned();
        told.report.status = match found {
            Ok(()) => Verdict::Pass,
            Err(_) if stop.is_cancelled() => Verdict::Cancelled,
            Err(why) => {
                told.first_error = Some(format!("{name}: {why}"));
                Verdict::Fail
            }
        };
        told
    }

    /// Problems with the paths that their files have in the worktree, and without secrets.
    async fn placed(
        &self,
        found: Vec<(Problem, Option<String>)>,
        command: &Command,
        mask: &Mask,
    ) -> Vec<Problem> {
        if found.is_empty() {
            return Vec::new();
        }
        let (places, cwd, mask) = (Arc::clone(&self.places), command.cwd.clone(), mask.clone());
        let look = move || {
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            let place = |(mut problem, folder): (Problem, Option<String>)| {
                let mut folders: Vec<&Path> = folder.iter().map(Path::new).collect();
                folders.push(&cwd);
                problem.file = problem.file.map(|file| places.find(&file, &folders));
                problem.message = mask.apply(&problem.message);
                problem
            };
            found.into_iter().map(place).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// Listens to one command.
struct Ear<'a> {
    reader: Reader<'a>,
    heard: usize,
}

impl Ear<'_> {
    fn hear(&mut self, line: &[u8]) {
        if self.heard <= READ {
            self.heard += line.len() + 1;
            self.reader.line(line);
        }
    }
}

fn failed_to_run(mut told: Told, error: &RunError) -> Told {
    let words = chain(error);
    told.report.status = Verdict::Error;
    told.report.message = Some(words.clone());
    told.first_error = Some(words);
    told
}

fn conclude(mut told: Told, ended: Ended, out_of_memory: bool, time: Time) -> Told {
    let Ended { why, status, lines, log } = ended;
    let report = &mut told.report;
    report.log = Some(log);
    let words = match why {
        Why::Exited if status.success() => {
            report.status = Verdict::Pass;
            report.exit_code = Some(0);
            return told;
        }
        Why::Exited => {
            report.exit_code = status.code();
            let not_run = status.code().is_some_and(|code| NOT_RUN.contains(&code));
            report.status = if not_run { Verdict::Error } else { Verdict::Fail };
            let memory = "it was ended for want of memory: `limits.memory` of the agent is reached";
            let how = format!("ended with {}", how(status));
            if out_of_memory { format!("{how}; {memory}") } else { how }
        }
        Why::TimedOut => {
            report.status = Verdict::Fail;
            let after = agent_harness_model::spec::Duration(time.of_stage);
            format!("was stopped after {after}; raise the `timeout` of its stage if it needs more")
        }
        Why::Cancelled | Why::Unwanted => {
            report.status = Verdict::Cancelled;
            report.message = Some("was stopped".to_owned());
            return told;
        }
    };
    let plain_code = why == Why::Exited && status.code().is_some() && !out_of_memory;
    let first = report.problems.iter().find(|problem| problem.severity == Severity::Error);
    let found = first.map(Problem::words).or_else(|| first_words(&lines));
    told.first_error = Some(match found {
        Some(found) if plain_code => found,
        Some(found) => format!("{words}; {found}"),
        None => format!("`{}` {words}", report.command),
    });
    report.message = (!plain_code).then_some(words);
    told
}

pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
