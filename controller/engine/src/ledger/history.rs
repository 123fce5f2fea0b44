//! The specs that an incarnation had before the one of now, the last ones of them, in `STATE/history`: one file each.
//! Nothing is decided by them, so what cannot be read is as good as none, and what cannot be written is said and
//! forgotten.

use std::path::{Path, PathBuf};

use agent_harness_providers::fs;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::{ObjectRecord, Origin};
use crate::facts::chain;

/// So many are kept.
const KEPT: usize = 20;

/// One spec that an incarnation had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its generation.
    pub generation: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Where it was read, and its text.
    pub origin: Origin,
}

impl Version {
    fn of(record: &ObjectRecord) -> Self {
        Self {
            generation: record.generation,
            accepted_at: record.accepted_at.unwrap_or(record.created_at),
            origin: record.origin.clone(),
        }
    }
}

/// The files.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// Those of a state folder.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("history") }
    }

    /// The versions of an incarnation, the oldest first; the last is the one of now.
    pub fn of(&self, record: &ObjectRecord) -> Vec<Version> {
        let mut all = self.earlier(record);
        all.retain(|version| version.generation < record.generation);
        all.push(Version::of(record));
        all
    }

    fn earlier(&self, record: &ObjectRecord) -> Vec<Version> {
        let text = fs::read_to_string_if_exists(self.file(record)).ok().flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Notes the version that it has now and is to have no longer.
    pub fn note(&self, record: &ObjectRecord) {
        // A controller that was killed may have noted it already.
        let mut all = self.of(record);
        all.drain(..all.len().saturating_sub(KEPT));
        let done = fs::create_dir_all(&self.folder, 0o700).and_then(|()| {
            let text = serde_json::to_vec_pretty(&all).unwrap_or_default();
            // What a loss of power takes of it is no harm.
            fs::write_unsynced(self.file(record), text, 0o600)
        });
        if let Err(error) = done {
            tracing::warn!(object = %record.key, "its spec is not kept: {}", chain(&error));
        }
    }

    /// Forgets an incarnation.
    pub fn remove(&self, record: &ObjectRecord) {
        if let Err(error) = fs::remove_file_if_exists(self.file(record)) {
            tracing::warn!(object = %record.key, "its specs stay: {}", chain(&error));
        }
    }

    fn file(&self, record: &ObjectRecord) -> PathBuf {
        self.folder.join(format!("{}-{}.json", record.key.slug(), record.uid.short()))
    }
}

#[cfg(test)]
mod tests {
    use agent_harness_model::id::{ObjectKey, Uid};

    use super::*;

    #[test]
    fn the_last_specs_are_kept_each_once() {
        let state = tempfile::tempdir().unwrap();
        let history = History::new(state.path());
        let origin = Origin { file: "/x.yaml".into(), line: 1, text: String::new(), commit: None };
        let now = Timestamp::UNIX_EPOCH;
        let mut record = ObjectRecord::new(ObjectKey::agent("a-1"), Uid::new("u1"), now, origin);
        for generation in 1..=25 {
            record.generation = generation;
            record.origin.text = format!("an earlier try {generation}");
            history.note(&record);
            record.origin.text = generation.to_string();
            history.note(&record);
        }
        (record.generation, record.origin.text) = (26, "26".to_owned());
        let texts = |all: Vec<Version>| -> Vec<_> {
            all.into_iter().map(|it| (it.generation, it.origin.text)).collect()
        };
        let wanted = |all: std::ops::RangeInclusive<u64>| -> Vec<_> {
            all.map(|n| (n, n.to_string())).collect()
        };
        assert_eq!(texts(history.of(&record)), wanted(6..=26));
        history.remove(&record);
        assert_eq!(texts(history.of(&record)), wanted(26..=26));
    }
}
