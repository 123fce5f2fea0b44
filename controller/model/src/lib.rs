//! The pure core of Agent Harness: what users write, what that means, what is to be done about it.
//!
//! Everything here is a function of its arguments: no I/O, no clock, no randomness, no async.
//! Providers look and act, the engine schedules; this crate decides.

pub mod admission;
pub mod api;
pub mod audit;
pub mod bytes;
pub mod desired;
pub mod doctor;
pub mod drift;
pub mod hash;
pub mod id;
pub mod kinds;
pub mod layout;
pub mod plan;
pub mod plant;
pub mod postgres;
pub mod resolve;
pub mod secret;
pub mod source;
pub mod spec;
pub mod status;
pub mod template;
pub mod validate;
pub mod verify;
pub mod words;
pub mod world;
pub mod yaml;
