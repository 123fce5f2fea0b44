//! The binary itself: what only shows in a process of its own. Where the controller is needed, a
//! stand-in answers; the real one is used by the end-to-end tests.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod convert;
mod edit;
mod exec;
mod logs;
mod output;
mod psql;
mod support;
mod wait;
