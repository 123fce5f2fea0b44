//! The providers against real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod docker;
mod files;
mod git;
mod postgres;
mod s3;
mod setup;
mod shim;
