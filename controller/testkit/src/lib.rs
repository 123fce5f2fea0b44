//! What tests share: a world in memory that keeps the providers' promises, random specs, and a driver
//! that takes both through reconciles. No I/O.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "test support fails loudly")]

pub mod campaign;
pub mod driver;
pub mod fake;
pub mod specs;
