//! The tests over the whole workspace, as one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails loudly")]

#[cfg(test)]
mod e2e;
#[cfg(test)]
mod tidy;
