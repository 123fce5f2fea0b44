//! What the supervisor knows of an embedded server's process, in the words of the `Service` kind.
//!
//! Whether a server that runs does its work, and whose its data is, is said elsewhere.

use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::Readiness;
use agent_harness_model::kinds::service::Observed;
use agent_harness_model::world::ApplyError;
use agent_harness_shim::timestamp;

use crate::process::ports::Listening;
use crate::process::{Loss, Process, ProcessState, Supervisor, exit, process_id};

/// What became of an embedded server's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It runs: ask it whether it is ready.
    Running { fingerprint: String, pid: u32 },
    /// It does not run, and there is more to say than that.
    Down(Observed),
    /// It was never started, or stopped by us.
    Absent,
}

/// Looks at the process of a service. `port`: where it is to listen, to see who else does.
///
/// The error says why it could not be looked at.
pub fn look(
    supervisor: &Supervisor,
    mark: &Mark,
    id: &ResourceId,
    port: Option<u16>,
) -> Result<Look, String> {
    let process = process_id(id).map_err(|error| error.to_string())?;
    let found = supervisor
        .get(&process)
        .map_err(|error| ApplyError::from_error(error.class(), &error).message)?;
    let look = match &found {
        None => Look::Absent,
        Some(found) if found.mark != mark.to_string() => {
            return Err(format!(
                "the run folder of process {process} carries another mark ({})",
                found.mark
            ));
        }
        Some(found) => state(found),
    };
    let down = !matches!(look, Look::Running { .. } | Look::Down(Observed::Running { .. }));
    if let Some(port) = port.filter(|_| down) {
        let who = Listening::read()
            .and_then(|listening| listening.in_the_way(port, &process, found.as_ref()))
            .map_err(|error| format!("cannot see who listens on port {port}: {error}"))?;
        if let Some(who) = who.first() {
            return Ok(Look::Down(Observed::PortTaken(who.to_string())));
        }
    }
    Ok(look)
}

fn state(process: &Process) -> Look {
    match &process.state {
        ProcessState::Running { pid, .. } => {
            Look::Running { fingerprint: process.fingerprint.clone(), pid: *pid }
        }
        ProcessState::Starting => on_its_way(process, "is being started"),
        // How it ended, and its last words, are known once its tree is gone.
        ProcessState::Ending => {
            on_its_way(process, "has ended, and what it started is being ended")
        }
        ProcessState::Exited { requested: true, .. }
        | ProcessState::Lost { why: Loss::Reboot | Loss::StartCutOff, .. } => Look::Absent,
        ProcessState::Exited { .. } | ProcessState::Lost { .. } => {
            exit(process, timestamp::now_ms()).map_or(Look::Absent, |exit| {
                let fingerprint = process.fingerprint.clone();
                Look::Down(Observed::Exited { fingerprint, exit })
            })
        }
    }
}

fn on_its_way(process: &Process, what: &str) -> Look {
    Look::Down(Observed::Running {
        fingerprint: process.fingerprint.clone(),
        ready: Readiness::NotReady(what.to_owned()),
        pid: None,
    })
}
