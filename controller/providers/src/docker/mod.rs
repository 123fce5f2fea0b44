//! Containers, through the API of a Docker engine.
//!
//! The mark of a container, a volume and a network is in their labels, set in the call that makes them. A container's
//! labels also say what it was made from, so one listing tells whether all of them are as wanted. Whether a server in a
//! container answers as the server that it should be is said by the provider of that server.
//!
//! Invariant: a volume is removed by a purge alone, and nothing is changed that does not carry our mark.

mod body;
mod change;
mod credentials;
mod engine;
mod error;
mod events;
mod exec;
mod labels;
mod listing;
mod live;
mod logs;
mod marked;
mod network;
mod own;
mod probe;
mod provider;
mod pull;
mod state;
mod volumes;

pub use engine::Engine;
pub use error::DockerError;
pub(crate) use error::chain;
pub use live::Containers;
pub use logs::From;
pub use provider::{DockerProvider, Notify};
pub use pull::{Pulling, Report, ensure as ensure_image};
