//! The checks of processes, each carried out once and now: for a person who wants to know how it is, and not how it was
//! when the controller looked last. What follows from readiness is not decided here.

use std::time::{Duration, Instant};

use agent_harness_model::api::HealthNow;
use agent_harness_model::id::ResourceId;
use agent_harness_model::kinds::process::{Check, Desired, HttpCheck, Probe, Restart};
use agent_harness_shim::protocol::Outcome;
use futures_util::future::join_all;

use super::{Live, state};
use crate::mask::Mask;
use crate::process::probe::{Looker, PATIENCE};
use crate::process::{ProcessState, process_id};

/// How long that of a command may take, which may be cold; less than a client waits.
const COMMAND: Duration = Duration::from_secs(30);

impl Live {
    /// What the checks of each say, all at once: a line for each check, or one for a process that has none.
    pub async fn health(&self, of: &[(ResourceId, &Desired)]) -> Vec<HealthNow> {
        join_all(of.iter().map(|(id, want)| self.check(id, want))).await.concat()
    }

    async fn check(&self, id: &ResourceId, want: &Desired) -> Vec<HealthNow> {
        let health = HealthNow {
            process: id.name.clone(),
            check: None,
            passed: false,
            latency_ms: None,
            message: String::new(),
        };
        let probes = [("startup: ", &want.startup), ("", &want.ready), ("live: ", &want.live)];
        let probes = probes.into_iter().filter_map(|(of, probe)| Some((of, probe.as_ref()?)));
        let probes: Vec<(String, &Probe)> =
            probes.map(|(of, probe)| (format!("{of}{}", words(&probe.check)), probe)).collect();
        // The same for all of its checks: whoever else listens on its port must not pass for it.
        let all = |passed: bool, message: String| {
            let one =
                |check| HealthNow { check, passed, message: message.clone(), ..health.clone() };
            match &*probes {
                [] => vec![one(None)],
                some => some.iter().map(|(check, _)| one(Some(check.clone()))).collect(),
            }
        };
        let found = match self.find(id) {
            Ok(Some(found)) => found,
            Ok(None) => return all(false, "does not run".to_owned()),
            Err(message) => return all(false, message),
        };
        let run = process_id(id).ok().and_then(|id| Some((self.supervisor.run(&id, &found)?, id)));
        let Some((run, id)) = run else {
            let passed = probes.is_empty() && may_have_ended(&found.state, want.restart);
            return all(passed, state(&found.state));
        };
        if probes.is_empty() {
            return all(true, "runs".to_owned());
        }
        let looks = probes.iter().map(async |(check, probe)| {
            let mask = Mask::of(want.command.env.values());
            let begun = Instant::now();
            let found = Looker::new(&id, &run, mask).look(&probe.check, patience(probe)).await;
            HealthNow {
                check: Some(check.clone()),
                passed: found.is_ok(),
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                message: found.err().unwrap_or_default(),
                ..health.clone()
            }
        });
        join_all(looks).await
    }
}

fn patience(probe: &Probe) -> Duration {
    match (&probe.check, probe.attempt_ms) {
        (_, Some(wanted)) => Duration::from_millis(wanted).min(COMMAND),
        (Check::Exec(_), None) => Duration::from_millis(probe.timeout_ms).clamp(PATIENCE, COMMAND),
        (_, None) => PATIENCE,
    }
}

/// A check in as few words as tell it from others.
fn words(check: &Check) -> String {
    match check {
        Check::Http(HttpCheck { port, path, .. }) => format!("http :{port}{path}"),
        Check::Tcp { port } => format!("tcp :{port}"),
        Check::Exec(command) => command.line(),
        Check::Log { line } => format!("log /{line}/"),
    }
}

/// Whether its end was a good one, after which it is not to run again.
fn may_have_ended(state: &ProcessState, restart: Restart) -> bool {
    let succeeded = matches!(state, ProcessState::Exited { outcome: Outcome::Code(0), .. });
    succeeded && restart != Restart::Always
}
