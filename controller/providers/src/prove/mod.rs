//! Tries what one agent must not be able to do, with its own credentials, and looks at what agents have: for a person who
//! wants to see that they are kept apart. Nothing is changed, but for an object that a store should have refused, which
//! is taken away again.

mod bucket;
mod database;
mod processes;

use std::path::Path;

use agent_harness_model::hash;

use crate::fs::{self, FsError};

/// What came of an attempt to get at something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It was let in; how far.
    Opened(&'static str),
    /// It was turned away, by whoever guards it; in which words.
    Refused(String),
    /// Nobody said yes or no: it could not be tried.
    Unknown(String),
}

pub use bucket::{bucket_is_there, keys, opens_bucket};
pub use database::{Login, database_is_there, opens_database, rows};
pub use processes::{carrying, sees_secret};

/// The hash of a file; `None`: it is not there.
pub fn file_hash(path: &Path) -> Result<Option<String>, FsError> {
    match fs::metadata(path)? {
        Some(_) => Ok(Some(hash::content(&fs::read(path)?))),
        None => Ok(None),
    }
}

/// Whether others than its owner may read or write a file; `None`: it is not there.
pub fn is_open(path: &Path) -> Result<Option<bool>, FsError> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.map(|found| found.permissions().mode() & 0o077 != 0))
}
