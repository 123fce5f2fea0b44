//! Tells a shim to end its process: how, and whether that is because nobody wants it any more.

use std::path::Path;
use std::time::Duration;

use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::identity;
use agent_harness_shim::protocol::{Exceeded, RECORD_FILE, Record, STOP_FILE, Stop, VERSION};
use rustix::process::Signal;

use super::error::SuperviseError;
use super::launch::{ProcessId, millis};
use super::state::Process;

/// Writes how to stop, then wakes the shim. One that is not there yet reads the file before it starts.
pub(super) fn tell(
    id: &ProcessId,
    folder: &Path,
    process: &Process,
    (signal, grace): (Signal, Duration),
    failed: Option<&str>,
    exceeded: Option<Exceeded>,
) -> Result<(), SuperviseError> {
    let stop = Stop {
        version: VERSION,
        instance: process.instance.clone(),
        signal: signal.as_raw(),
        grace_ms: millis(grace),
        failed: failed.map(str::to_owned),
        exceeded,
    };
    let written = files::write_json(&folder.join(STOP_FILE), &stop, Durability::Boot);
    // Read again: a shim that wrote its record before our file was there has not seen the file.
    let record = files::read_json::<Record>(&folder.join(RECORD_FILE))
        .map_err(SuperviseError::system(id, "read who holds it"))?;
    match record.filter(|record| record.instance == process.instance) {
        Some(record) => {
            if let Err(error) = written {
                // A full disk keeps no process running: its launch says how to stop it.
                tracing::warn!(process = %id, %error, "cannot write how to stop it");
            }
            identity::signal(record.shim, Signal::TERM)
                .map(drop)
                .map_err(SuperviseError::system(id, "signal its holder"))
        }
        None => written.map_err(SuperviseError::system(id, "write how to stop it")),
    }
}
