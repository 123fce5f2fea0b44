//! The specs that an incarnation had, the last ones of them, in `STATE/history`: one file each. Nothing is decided by
//! them, so what cannot be read is as good as none, and what cannot be written is said and forgotten.

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

    /// The versions of an incarnation, the oldest first.
    pub fn of(&self, record: &ObjectRecord) -> Vec<Version> {
        let text = fs::read_to_string_if_exists(self.file(record)).ok().flatten();
        text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Notes the version that it has now.
    pub fn note(&self, record: &ObjectRecord, now: Timestamp) {
        let mut all = self.of(record);
        // A controller that was killed may have noted it already.
        all.retain(|version| version.generation < record.generation);
        let (generation, origin) = (record.generation, record.origin.clone());
        all.push(Version { generation, accepted_at: now, origin });
        all.drain(..all.len().saturating_sub(KEPT));
        let done = fs::create_dir_all(&self.folder, 0o700).and_then(|()| {
            let text = serde_json::to_vec_pretty(&all).unwrap_or_default();
            fs::write_atomic(self.file(record), text, 0o600)
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
            history.note(&record, now);
            record.origin.text = generation.to_string();
            history.note(&record, now);
        }
        let all = history.of(&record);
        let kept: Vec<_> = all.iter().map(|it| (it.generation, it.origin.text.clone())).collect();
        assert_eq!(kept, (6..=25).map(|n| (n, n.to_string())).collect::<Vec<_>>());
        history.remove(&record);
        assert_eq!(history.of(&record), []);
    }
}
