//! The `Bucket` kind against a real MinIO, where each agent has a key of its own.
//!
//! The variable `HARNESS_TEST_MINIO` names its program. Without it the tests are skipped, and say so; with
//! `HARNESS_TEST_DOCKER=require` they fail.

mod cuts;
mod drift;
mod isolation;
mod leaks;
mod life;
mod refusals;
mod rules;
mod server;
mod strangers;
