//! How a process that does not run any more looks to the model. Pure.

use agent_harness_model::kinds::{End, Exit};
use agent_harness_model::spec::Size;
use agent_harness_shim::protocol::{Exceeded, Outcome};
use agent_harness_shim::signals;

use super::backoff;
use super::state::{Process, ProcessState};

/// The end of a process, and whether it may be started again; `None` while it starts, runs or ends.
///
/// `now_ms`: milliseconds since 1970.
pub fn exit(process: &Process, now_ms: u64) -> Option<Exit> {
    let (how, end, at_ms, last_lines) = match &process.state {
        ProcessState::Starting | ProcessState::Running { .. } | ProcessState::Ending => {
            return None;
        }
        ProcessState::Exited { outcome, at_ms, last_lines, exceeded, failed, requested: _ } => {
            let end = match outcome {
                Outcome::NotStarted(_) => End::NotStarted,
                // It ended in good order; who was told to may do so too.
                Outcome::Code(0) if failed.is_none() && exceeded.is_none() => End::Success,
                Outcome::Code(_) | Outcome::Signal(_) => End::Failure,
            };
            let why = failed.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            (format!("{}{why}", described(outcome, *exceeded)), end, *at_ms, last_lines.clone())
        }
        ProcessState::Lost { why, orphan, at_ms } => {
            let (rest, end) = match orphan {
                Some(pid) => (format!("; pid {pid} runs on without it"), End::Orphaned),
                None => (String::new(), End::Lost),
            };
            (format!("lost: {why}{rest}"), end, *at_ms, Vec::new())
        }
    };
    let backoff = backoff::delay(process.failures).as_millis();
    Some(Exit {
        how,
        end,
        restarts: process.failures.saturating_sub(1),
        restart_due: backoff::is_due(process.failures, at_ms, now_ms),
        backoff_ms: u64::try_from(backoff).unwrap_or(u64::MAX),
        last_lines,
    })
}

/// With why, where it was ended for what it used: `signal SIGKILL: it used more than its memory of 64Mi`.
pub(crate) fn described(outcome: &Outcome, exceeded: Option<Exceeded>) -> String {
    let why = match exceeded {
        None => return describe(outcome),
        Some(Exceeded::Memory(most)) => format!("it used more than its memory of {}", Size(most)),
        Some(Exceeded::AgentMemory(most)) => format!(
            "the processes of its agent used more than their memory of {}, and it the most of them",
            Size(most)
        ),
        Some(Exceeded::HostMemory) => "the host had no memory left".to_owned(),
        Some(Exceeded::AgentPids(most)) => format!(
            "the processes of its agent were more than their {most} pids, and it the most of them"
        ),
        Some(Exceeded::Pids(most)) => format!("it was more than its {most} pids"),
    };
    format!("{}: {why}", describe(outcome))
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Code(code) => format!("exit code {code}"),
        Outcome::Signal(signal) => format!("signal {}", signals::name(*signal)),
        Outcome::NotStarted(why) => format!("did not start: {why}"),
    }
}
