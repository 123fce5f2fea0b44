//! What is remembered of a source: the commit in force above all, which stays in force whatever becomes of its
//! repository.

use std::path::{Path, PathBuf};

use agent_harness_model::source::Commit;
use agent_harness_providers::fs::{self, FsError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A note that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Its file.
    #[error(transparent)]
    File(#[from] FsError),
    /// Its form.
    #[error(
        "{} is not what a controller has written there: take it away, and the source is fetched anew (nothing that came \
         from it is removed meanwhile)",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// How a source stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Standing {
    /// Where the commit in force came from.
    pub url: String,
    /// The commit in force.
    pub commit: Option<Commit>,
    /// Since when it is.
    pub in_force_since: Option<Timestamp>,
    /// The commit that is being brought into force.
    pub moving: Option<Commit>,
    /// The commit at the end of the branch that must not come into force.
    pub refused: Option<Commit>,
    /// When the repository answered last.
    pub fetched_at: Option<Timestamp>,
    /// Why the last try brought nothing into force.
    pub error: Option<String>,
    /// Since when that is so.
    pub failing_since: Option<Timestamp>,
}

impl Standing {
    /// As it was noted, if it was.
    pub fn open(path: &Path) -> Result<Self, NoteError> {
        let Some(text) = fs::read_to_string_if_exists(path)? else { return Ok(Self::default()) };
        serde_json::from_str(&text)
            .map_err(|source| NoteError::Form { path: path.to_path_buf(), source })
    }

    /// Notes it.
    pub fn write(&self, path: &Path) -> Result<(), NoteError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, 0o700)?;
        }
        let text = serde_json::to_vec_pretty(self)
            .map_err(|source| NoteError::Form { path: path.to_path_buf(), source })?;
        Ok(fs::write_atomic(path, text, 0o600)?)
    }
}
