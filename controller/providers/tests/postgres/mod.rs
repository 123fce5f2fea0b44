//! Templates, databases and embedded servers against a real PostgreSQL.

mod databases;
mod embedded;
mod fixture;
mod isolation;
mod lives;
mod roles;
mod server;
mod service;
mod strangers;
mod templates;
