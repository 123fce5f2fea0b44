//! The embedded object store: an S3 server on loopback, run as a process of its own by `controller object-store`.
//!
//! `s3s` speaks the protocol (signatures, XML, chunked bodies); this module keeps buckets and objects as files. One
//! root key opens everything and is the controller's; a bucket's key opens that bucket alone. Starting and stopping the
//! process is left to the process provider, and what buckets there should be to the client side (`crate::s3`).
//!
//! Invariants: an object appears, changes and disappears by one rename or unlink; no key or bucket name becomes a path
//! unchecked; nothing listens beyond 127.0.0.1.

mod access;
mod api;
mod bucket;
mod config;
mod cors;
mod error;
mod http;
mod keys;
mod lifecycle;
mod listing;
mod object_file;
pub mod proof;
mod secret;
mod server;
mod store;
mod upload;
mod work;

pub use bucket::{BucketMeta, Listed};
pub use config::{RootKey, StoreConfig};
pub use cors::CorsRule;
pub use error::StoreError;
pub use keys::BucketKey;
pub use lifecycle::{ExpiryRule, SECONDS_ID, seconds_of};
pub use secret::SecretText;
pub use server::{run, serve};

/// The tag of a bucket that every key opens.
pub const SHARED_TAG: &str = "agent-harness-shared";

/// What the process should log unless told otherwise: `s3s` reports every refused request as an error of its own.
pub const LOG_FILTER: &str = "info,s3s=off";

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
