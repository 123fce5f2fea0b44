//! What users write: the types of `Infra`, `Stack` and `Agent` in Kubernetes form.
//!
//! These types say which keys exist, what they hold and what they default to; their doc comments
//! are the text of `ctl explain`, of the JSON Schemas and of the reference. Whether the values make
//! sense together is left to [`crate::validate`], and every choice that follows to
//! [`crate::resolve`].

mod agent;
mod command;
mod container;
pub mod controller;
pub mod decode;
mod deletion;
pub mod diagnostic;
mod drift;
mod infra;
mod limits;
mod meta;
pub mod node;
mod nul;
mod ordered;
pub mod parse;
mod probe;
mod process;
mod quantity;
mod requests;
pub mod schema;
pub(crate) mod shape;
pub mod source;
mod stack;
#[cfg(test)]
mod tests;
mod tool;
mod value;
mod verify;
pub mod yaml;

pub use agent::{Agent, AgentSpec};
pub use command::Command;
pub use container::{
    Container, ContainerPort, ContainerReady, ContainerRestart, Healthcheck, LogOptions, Protocol,
    Ulimit,
};
pub use deletion::Deletion;
pub use drift::{Drift, OnDrift};
pub use infra::{
    BucketPolicy, Cors, EmbeddedObjectStore, EmbeddedPostgres, ExternalObjectStore,
    ExternalPostgres, Infra, InfraSpec, ObjectStore, Postgres, Service, StoreKeys,
};
pub use limits::Limits;
pub(crate) use meta::inner_name_problem;
pub use meta::{API_GROUP, API_VERSION, MAX_NAME, Metadata, name_problem};
pub use ordered::Ordered;
pub use probe::{ExecProbe, HttpProbe, LogProbe, Probe, Statuses, TcpProbe};
pub use process::{AfterCondition, FileWatch, Process, RestartPolicy, Stop};
pub use quantity::{Duration, FileMode, Size};
pub use requests::{Capacity, Requests};
pub use stack::{
    Bucket, CloneStrategy, Database, DatabaseTemplate, File, Stack, StackSpec, Step, Worktree,
};
pub use tool::Tool;
pub use value::Value;
pub use verify::{ProblemMatcher, VerifyOnly, VerifyStage};
