//! What can go wrong, in words for the person who reads the log.

use std::io;
use std::path::PathBuf;

/// Why a subcommand ended, or a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the environment variable {0} is not set")]
    NotSet(&'static str),
    #[error("the environment variable {name} holds {value:?}, which is not {expected}")]
    BadValue { name: &'static str, value: String, expected: &'static str },
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} fails at the database", path.display())]
    Sql { path: PathBuf, source: sqlx::Error },
    #[error("the database does not answer as it should")]
    Database(#[from] sqlx::Error),
    #[error("cannot {doing} in the bucket: {why}")]
    Store { doing: String, why: String },
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen { port: u16, source: io::Error },
    #[error("the server ended")]
    Serve(#[source] io::Error),
    #[error("{url}: {why}")]
    Check { url: String, why: String },
}
