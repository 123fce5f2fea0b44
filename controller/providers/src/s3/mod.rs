//! The client side of S3: which buckets there are, and making them be as wanted.
//!
//! [`S3Provider`] serves the `Bucket` kind on any store; where the store is our own (`crate::object_store`), it also
//! hands out a key per bucket and renames buckets into the trash. What should be there is decided by the model.
//!
//! Invariants: a bucket without the mark of the very resource is never changed; what could not be looked at is unknown,
//! never absent; our own server proves who it is before anything is asked of it.

mod admin;
mod apply;
mod client;
mod error;
pub mod marked;
mod minio;
mod names;
mod provider;
mod purge;
mod remote;
mod service;
mod settings;
pub mod sizes;
mod view;

pub use client::client;
pub use error::S3Error;
pub use provider::S3Provider;
pub use service::ObjectStoreService;
