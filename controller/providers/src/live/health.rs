//! The checks of processes, each carried out once and now: for a person who wants to know how it is, and not how it was
//! when the controller looked last. What follows from readiness is not decided here.

use std::time::{Duration, Instant};

use agent_harness_model::api::HealthNow;
use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::process::{Check, Desired, Probe, Restart};
use agent_harness_shim::protocol::Outcome;
use futures_util::future::join_all;

use super::{Live, state};
use crate::process::ProcessState;
use crate::process::probe::{Label, look};

/// How long a look may take: as long as that of the controller itself.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long that of a command may take, which may be cold; less than a client waits.
const COMMAND: Duration = Duration::from_secs(30);

impl Live {
    /// What the check of each says, all at once.
    pub async fn health(&self, of: &[(ResourceId, &Desired)]) -> Vec<HealthNow> {
        join_all(of.iter().map(|(id, want)| self.check(id, want))).await
    }

    async fn check(&self, id: &ResourceId, want: &Desired) -> HealthNow {
        let health = HealthNow {
            process: id.name.clone(),
            check: want.ready.as_ref().map(|probe| words(&probe.check)),
            passed: false,
            latency_ms: None,
            message: String::new(),
        };
        // Whoever else listens on its port must not pass for it.
        let found = match self.find(id) {
            Ok(Some(found)) => found.state,
            Ok(None) => return HealthNow { message: "does not run".to_owned(), ..health },
            Err(message) => return HealthNow { message, ..health },
        };
        let runs = matches!(found, ProcessState::Running { .. });
        match &want.ready {
            Some(probe) if runs => self.carry_out(id, probe, health).await,
            None if runs => HealthNow { passed: true, message: "runs".to_owned(), ..health },
            check => {
                let passed = check.is_none() && may_have_ended(&found, want.restart);
                HealthNow { passed, message: state(&found), ..health }
            }
        }
    }

    async fn carry_out(&self, id: &ResourceId, probe: &Probe, health: HealthNow) -> HealthNow {
        let patience = match &probe.check {
            Check::Exec(_) => Duration::from_millis(probe.timeout_ms).clamp(PATIENCE, COMMAND),
            _ => PATIENCE,
        };
        let label = Label { mark: self.mark(id).to_string(), step: format!("health {}", id.name) };
        let begun = Instant::now();
        let found = look(&probe.check, &label, patience).await;
        HealthNow {
            passed: found.is_ok(),
            latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
            message: found.err().unwrap_or_default(),
            ..health
        }
    }
}

/// A check in as few words as tell it from others.
fn words(check: &Check) -> String {
    match check {
        Check::Http { port, path } => format!("http :{port}{path}"),
        Check::Tcp { port } => format!("tcp :{port}"),
        Check::Exec(command) => command.line(),
    }
}

/// Whether its end was a good one, after which it is not to run again.
fn may_have_ended(state: &ProcessState, restart: Restart) -> bool {
    let succeeded = matches!(state, ProcessState::Exited { outcome: Outcome::Code(0), .. });
    succeeded && restart != Restart::Always
}
