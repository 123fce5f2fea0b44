//! All I/O of the controller: one module per outside system, and the file wrapper that they share.
//!
//! Providers observe and apply; what should be done is decided in `agent-harness-model`.

pub mod docker;
pub mod files;
pub mod fs;
pub mod git;
pub mod live;
pub mod logs;
pub mod machine;
pub mod mask;
pub mod object_store;
pub mod postgres;
pub mod process;
mod program;
pub mod prove;
pub mod provider;
pub mod s3;
pub mod service;
pub mod setup;
pub mod verify;

pub use agent_harness_model::world::Class;
