//! Processes that outlive the controller: each is held by a shim of its own.
//!
//! [`Supervisor`] starts, finds and stops them, for agents' processes and for embedded servers;
//! [`ProcessProvider`] connects it to the `Process` kind. What should run is decided by the model.

pub mod backoff;
pub mod budget;
pub mod cgroups;
mod changes;
mod drain;
mod error;
mod exit;
pub(crate) mod figures;
mod folders;
mod launch;
mod lock;
pub mod marked;
pub mod ports;
pub mod probe;
mod provider;
mod sockets;
mod state;
mod supervisor;
mod tell;
mod watch;

pub use agent_harness_shim::cgroup::Controller as Limit;
pub use cgroups::{Cgroups, GroupLimits, Setting as CgroupSetting};
pub use error::SuperviseError;
pub(crate) use exit::described;
pub use exit::exit;
pub use launch::{InvalidProcessId, Launch, ProcessId};
pub use provider::{ProcessProvider, process_id};
pub use state::{Loss, Process, ProcessState};
pub use supervisor::Supervisor;

#[cfg(test)]
pub(crate) mod tests;
