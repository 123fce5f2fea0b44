//! What a service of an Infra, or a process of an Agent, is like at this moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A service of an Infra, or a process of an Agent, at this moment. What does not apply to it, or is not known, is
/// `None`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceNow {
    /// `postgres`, `objectStore`, or its name in `services` or `processes`.
    pub name: String,
    /// What it is, as in the status: `container/postgres`, `service/objectStore`, `process/mailpit`.
    pub resource: String,
    /// In a word or two: `running`, `exited (1)`, `not there`.
    pub state: Option<String>,
    /// What the engine's own check says: `healthy`, `unhealthy`, `starting`.
    pub health: Option<String>,
    /// The image, as the spec names it.
    pub image: Option<String>,
    /// What it is exactly: `sha256:…`, as the registry has it, else as the engine does.
    pub digest: Option<String>,
    /// Where it listens on this host: `127.0.0.1:15432→5432`.
    pub ports: Vec<String>,
    /// The container's name in the engine.
    pub container: Option<String>,
    /// The process id, of a process of this host.
    pub pid: Option<u32>,
    /// Since when it runs.
    pub started: Option<Timestamp>,
    /// How often it was started again since it was made.
    pub restarts: Option<u64>,
    /// Percent of one processor, over the last moments.
    pub cpu_percent: Option<f64>,
    /// Bytes in use.
    pub memory: Option<u64>,
    /// Bytes that it may use at most.
    pub memory_limit: Option<u64>,
    /// Processes, and threads where the engine counts them.
    pub pids: Option<u64>,
    /// Open files, sockets and pipes among them, of all its processes.
    pub open_files: Option<u64>,
    /// Bytes received.
    pub network_in: Option<u64>,
    /// Bytes sent.
    pub network_out: Option<u64>,
    /// Bytes read from disks.
    pub disk_read: Option<u64>,
    /// Bytes written to disks.
    pub disk_written: Option<u64>,
    /// Why there are no figures, where they could not be had.
    pub unknown: Option<String>,
}
