//! The ledger: one small file per incarnation of an object, written before anything is done for it.
//!
//! It remembers which resources were begun, where they are, and the last spec that was accepted. An entry
//! leaves only when its resource was observed to be gone, so a controller that was killed at any point
//! finishes on its next start, also for an object whose spec file was removed meanwhile.
//! What is done about the entries is decided elsewhere.

mod history;
mod lives;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use agent_harness_model::id::{ObjectKey, Uid};
use agent_harness_providers::fs::{self, FsError};

pub use history::{History, Version};
pub use lives::{Kept, Life, kept_as};
pub use record::{Deletion, Entry, ObjectRecord, Origin};

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// A file of the ledger is not what we write.
    #[error(
        "{} is not a ledger entry that this version can read; nothing is done until it is repaired or moved away",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// All records of one state folder, in memory and on disk.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    records: BTreeMap<Uid, ObjectRecord>,
    history: History,
    revision: u64,
}

impl Ledger {
    /// Reads `STATE/ledger`. A file that cannot be read is an error, never an absent object.
    pub fn open(state: &Path) -> Result<Self, LedgerError> {
        let folder = state.join("ledger");
        fs::create_dir_all(&folder, 0o700)?;
        let mut records = BTreeMap::new();
        for path in fs::list_dir(&folder)? {
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            let bytes = fs::read(&path)?;
            let record: ObjectRecord = serde_json::from_slice(&bytes)
                .map_err(|source| LedgerError::Unreadable { path, source })?;
            records.insert(record.uid.clone(), record);
        }
        Ok(Self { folder, records, history: History::new(state), revision: 0 })
    }

    /// Grows with each change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// All records, oldest incarnation first.
    pub fn records(&self) -> impl Iterator<Item = &ObjectRecord> {
        self.records.values()
    }

    /// The record of an incarnation.
    pub fn get(&self, uid: &Uid) -> Option<&ObjectRecord> {
        self.records.get(uid)
    }

    /// The specs that an incarnation had, the oldest first; the last one is that of now.
    pub fn history(&self, record: &ObjectRecord) -> Vec<Version> {
        self.history.of(record)
    }

    /// The record of the incarnation that is not leaving.
    pub fn live(&self, key: &ObjectKey) -> Option<&ObjectRecord> {
        self.records().find(|record| record.key == *key && record.deletion.is_none())
    }

    /// Writes a record through to the disk; does nothing when it is the same already.
    pub fn save(&mut self, record: ObjectRecord) -> Result<(), LedgerError> {
        self.save_all(vec![record])
    }

    /// The same for many, for which the disk is waited for together. After an error those are kept that were written.
    pub fn save_all(&mut self, mut records: Vec<ObjectRecord>) -> Result<(), LedgerError> {
        records.retain(|record| self.records.get(&record.uid) != Some(record));
        let mut files = Vec::with_capacity(records.len());
        for record in &records {
            let before = self.records.get(&record.uid);
            if let Some(before) = before.filter(|before| before.generation < record.generation) {
                self.history.note(before);
            }
            let path = self.path(record);
            let bytes = serde_json::to_vec_pretty(record)
                .map_err(|source| LedgerError::Unreadable { path: path.clone(), source })?;
            files.push((path, bytes));
        }
        let done = match files.as_slice() {
            [] => Vec::new(),
            [(path, bytes)] => vec![fs::write_atomic(path, bytes, 0o600)],
            all => fs::write_all_atomic(&self.folder, all, 0o600),
        };
        let mut failed = None;
        for (record, done) in records.into_iter().zip(done) {
            match done {
                Ok(()) => drop(self.records.insert(record.uid.clone(), record)),
                Err(error) => failed = failed.or(Some(error)),
            }
            self.revision += 1;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Changes the record of an incarnation and writes it through; does nothing for one that is not there.
    pub fn update(
        &mut self,
        uid: &Uid,
        change: impl FnOnce(&mut ObjectRecord),
    ) -> Result<(), LedgerError> {
        let Some(mut record) = self.records.get(uid).cloned() else { return Ok(()) };
        change(&mut record);
        self.save(record)
    }

    /// Forgets an incarnation. Only for one of which nothing is left.
    pub fn remove(&mut self, uid: &Uid) -> Result<(), LedgerError> {
        if let Some(record) = self.records.get(uid) {
            fs::remove_file_if_exists(self.path(record))?;
            self.history.remove(record);
            self.records.remove(uid);
            self.revision += 1;
        }
        Ok(())
    }

    fn path(&self, record: &ObjectRecord) -> PathBuf {
        self.folder.join(format!("{}-{}.json", record.key.slug(), record.uid.short()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_harness_model::kinds::{Place, file, process};
    use agent_harness_model::world::Record;
    use jiff::Timestamp;

    fn record() -> ObjectRecord {
        let mut record = ObjectRecord::new(
            ObjectKey::agent("agent-3"),
            Uid::new("0190-12345678"),
            Timestamp::UNIX_EPOCH,
            Origin {
                file: "/specs/agent-3.yaml".into(),
                line: 1,
                text: "kind: Agent\n".into(),
                commit: None,
            },
        );
        record.resources.insert(
            "process/api".into(),
            Entry {
                record: Record { applied: Some("f1".into()), intended: None },
                ..Entry::new(Place::Process(process::Place {
                    stop_signal: "SIGTERM".into(),
                    stop_grace_ms: 5000,
                }))
            },
        );
        record
    }

    #[test]
    fn who_comes_back_stays_and_its_files_are_ours_without_being_there() {
        let mut record = record();
        let file = Place::File(file::Place { root: "/tree".into(), path: "a.md".into() });
        let applied = Record { applied: Some("f2".into()), intended: None };
        let entry = Entry { record: applied.clone(), gives_way: true, ..Entry::new(file) };
        record.resources.insert("file/a.md".into(), entry);
        record.deletion = Some(Deletion {
            requested_at: Timestamp::UNIX_EPOCH,
            purge: false,
            trashed_at: Some(Timestamp::UNIX_EPOCH),
            until: Timestamp::UNIX_EPOCH,
        });
        record.come_back();
        let file = &record.resources["file/a.md"];
        assert_eq!((&record.deletion, file.gives_way), (&None, false));
        assert_eq!(file.record, Record { applied: None, intended: applied.applied });
        let process = &record.resources["process/api"].record;
        assert_eq!(process.applied.as_deref(), Some("f1"));
    }

    #[test]
    fn a_record_is_there_after_a_restart_and_gone_when_it_was_removed() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        ledger.save(record()).unwrap();
        let mut again = Ledger::open(state.path()).unwrap();
        assert_eq!(again.live(&ObjectKey::agent("agent-3")), Some(&record()));
        again.remove(&record().uid).unwrap();
        assert_eq!(Ledger::open(state.path()).unwrap().records().count(), 0);
    }

    #[test]
    fn saving_the_same_again_writes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        ledger.save(record()).unwrap();
        let path = ledger.path(&record());
        fs::remove_file_if_exists(&path).unwrap();
        ledger.save(record()).unwrap();
        assert!(fs::metadata(&path).unwrap().is_none(), "it was written again");
    }

    #[test]
    fn a_broken_record_stops_the_controller_instead_of_reading_as_absent() {
        let state = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(state.path()).unwrap();
        ledger.save(record()).unwrap();
        fs::write_atomic(ledger.path(&record()), b"{\"key\":", 0o600).unwrap();
        let error = Ledger::open(state.path()).unwrap_err().to_string();
        assert!(error.contains("agent-agent-3-12345678.json"), "{error}");
    }
}
