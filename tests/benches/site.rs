//! The places of the end-to-end tests, for the benchmarks, each of which is a program of its own.

#![allow(dead_code, reason = "the tests use all of it, and each benchmark a part")]

#[path = "../e2e/containers.rs"]
pub mod containers;
#[path = "../e2e/harness.rs"]
pub mod harness;
#[path = "../e2e/host.rs"]
pub mod host;
#[path = "probe.rs"]
pub mod probe;
#[path = "../e2e/stand_in.rs"]
pub mod stand_in;
#[path = "../e2e/store.rs"]
pub mod store;
#[path = "../e2e/waiting.rs"]
pub mod waiting;
