//! What the last run of each incarnation came to, in `STATE/verify`: one file each. Nothing is decided by it, so what
//! cannot be read is as good as none, and what cannot be written is said and forgotten.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_harness_model::id::Uid;
use agent_harness_model::verify::Report;
use agent_harness_providers::fs;
use serde::{Deserialize, Serialize};

use crate::facts::chain;
use crate::ledger::ObjectRecord;

const FOLDER: &str = "verify";

/// The files.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    uid: Uid,
    report: Report,
}

impl Store {
    /// Those of a state folder.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join(FOLDER) }
    }

    /// What all of them say.
    pub fn all(&self) -> BTreeMap<Uid, Report> {
        let files = fs::list_dir(&self.folder).unwrap_or_default();
        let stored = files.iter().filter_map(|path| read(path));
        stored.map(|stored| (stored.uid, stored.report)).collect()
    }

    /// Writes one.
    pub fn write(&self, record: &ObjectRecord, report: &Report) {
        let stored = Stored { uid: record.uid.clone(), report: report.clone() };
        let done = fs::create_dir_all(&self.folder, 0o700).and_then(|()| {
            let text = serde_json::to_vec_pretty(&stored).unwrap_or_default();
            fs::write_atomic(self.file(record), text, 0o600)
        });
        if let Err(error) = done {
            tracing::warn!("the result of a verify is not kept: {}", chain(&error));
        }
    }

    /// Removes one.
    pub fn remove(&self, record: &ObjectRecord) {
        if let Err(error) = fs::remove_file_if_exists(self.file(record)) {
            tracing::warn!("the result of a verify stays: {}", chain(&error));
        }
    }

    fn file(&self, record: &ObjectRecord) -> PathBuf {
        self.folder.join(format!("{}@{}.json", record.key.slug(), record.uid.short()))
    }
}

fn read(path: &Path) -> Option<Stored> {
    serde_json::from_str(&fs::read_to_string_if_exists(path).ok()??).ok()
}

/// Removes what all left.
pub fn clear(state: &Path) -> Result<(), fs::FsError> {
    fs::remove_dir_all(state.join(FOLDER))
}
