//! PostgreSQL: shared servers, template databases, and a database with a role of its own for each agent.
//!
//! Nothing is touched that does not carry our mark; see `note` for where the mark is and why it can be
//! believed. Which steps are due is decided in `agent-harness-model`; the build steps of a template are run
//! by whoever runs commands, with the variables of the template's builder.

mod aside;
mod catalog;
mod create;
mod database;
mod dropping;
pub mod embedded;
pub mod error;
mod locked;
pub mod marked;
pub mod note;
mod passwords;
mod provider;
mod reflink;
pub mod scram;
pub mod server;
mod service;
mod session;
pub mod sizes;
mod sql;
pub mod statements;
pub mod strategy;
mod template;

pub use aside::database_of;
pub use error::PgError;
pub use provider::{PostgresProvider, RunStep, StepFuture};
pub use server::{Server, Servers};
pub use service::{PostgresService, Report};
pub(crate) use sql::literal;
pub(crate) use sql::trash_name;
pub use statements::StatementsError;
