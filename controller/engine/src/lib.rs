//! The engine: takes specs in, schedules reconciles, carries plans out, and reports.
//! What has to be done is decided in `agent-harness-model`; how it is done, in `agent-harness-providers`.

pub mod assemble;
pub mod backoff;
pub mod cli;
pub mod control;
pub mod converge;
pub mod core;
pub mod down;
mod drift;
pub mod engine;
pub mod environment;
pub mod events;
pub mod execute;
pub mod facts;
pub mod faults;
pub mod host;
pub mod intake;
pub mod intent;
pub mod leaks;
pub mod ledger;
mod leftovers;
pub mod lock;
pub mod observe;
pub mod pressure;
mod publish;
pub mod pull;
pub mod questions;
pub mod queue;
pub mod retry;
pub mod secrets;
pub mod served;
pub mod status_files;
pub mod survey;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod view;
pub mod world;
