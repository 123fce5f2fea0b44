//! What the shim and its readers share: the files of a run folder, identities of processes, and logs.
//!
//! The shim (bin `agent-shim`) holds one process; `agent-harness-providers` starts and finds shims;
//! `ctl` reads the logs. No async and no heavy crate, so that a shim stays small.

pub mod cgroup;
pub mod files;
pub mod identity;
pub mod logs;
mod proc;
pub mod protocol;
pub mod signals;
pub mod timestamp;
pub mod tree;
