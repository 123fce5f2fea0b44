//! Status files: `STATE/status/agent-3.yaml` holds spec and status as one object, as `ctl get -o yaml` prints it.
//! Written by rename, and only when they mean something new. They follow from what is seen, so nobody waits
//! until they are on the disk, and where they cannot be written (a full disk) everything else goes on.
//! `STATE/problems.yaml` lists what is wrong with specs and can be in nobody's status; without any it is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use agent_harness_model::api::Object;
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::layout;
use agent_harness_model::yaml::{self, YamlError};
use agent_harness_providers::fs::{self, FsError};

use crate::facts::chain;

/// A status file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FsError),
    /// The object cannot be put into YAML.
    #[error("the status of {object} cannot be written")]
    Yaml {
        /// Of which object.
        object: ObjectKey,
        /// Why.
        #[source]
        source: YamlError,
    },
}

/// The status files of a state folder, and what they say.
#[derive(Debug)]
pub struct StatusFiles {
    folder: PathBuf,
    problems: (PathBuf, Option<Vec<String>>),
    objects: BTreeMap<ObjectKey, Object>,
    /// Whose file is behind.
    unwritten: BTreeSet<ObjectKey>,
}

impl StatusFiles {
    /// Reads `STATE/status`: the times of conditions go on over a restart. What cannot be read is written anew.
    pub fn open(state: &Path) -> Result<Self, StatusError> {
        let folder = state.join(layout::STATUS);
        fs::create_dir_all(&folder, 0o700)?;
        let mut objects = BTreeMap::new();
        for path in fs::list_dir(&folder)? {
            if path.extension().is_none_or(|ending| ending != "yaml") {
                continue;
            }
            // Whatever is in it: bytes that are no text as well, as a torn disk leaves them.
            let bytes = fs::read(&path)?;
            let text = std::str::from_utf8(&bytes).ok();
            match text
                .and_then(|text| yaml::from_yaml::<Object>(text).ok())
                .and_then(|object| Some((object.key()?, object)))
            {
                Some((key, object)) => {
                    objects.insert(key, object);
                }
                None => tracing::warn!(path = %path.display(), "a status file is written anew"),
            }
        }
        let problems = (state.join(layout::PROBLEMS), None);
        Ok(Self { folder, problems, objects, unwritten: BTreeSet::new() })
    }

    /// What was last written of an object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key)
    }

    /// All objects, in the order of their keys.
    pub fn all(&self) -> impl Iterator<Item = (&ObjectKey, &Object)> {
        self.objects.iter()
    }

    /// Takes note of an object, and writes its file, if it means something new; says whether it does.
    pub fn write(&mut self, key: &ObjectKey, object: Object) -> bool {
        let news = !self.objects.get(key).is_some_and(|before| mean_the_same(before, &object));
        if !news && !self.unwritten.contains(key) {
            return false;
        }
        match self.put(key, &object) {
            Ok(()) => {
                self.unwritten.remove(key);
            }
            Err(error) => {
                if self.unwritten.insert(key.clone()) {
                    tracing::warn!("{key} is only known in memory: {}", chain(&error));
                }
            }
        }
        self.objects.insert(key.clone(), object);
        news
    }

    /// Writes the list of problems, where it is another one than the last.
    pub fn write_problems(&mut self, problems: &[String]) {
        let (path, written) = &mut self.problems;
        if written.as_deref() == Some(problems) {
            return;
        }
        let result = if problems.is_empty() {
            fs::remove_file_if_exists(&*path).map(drop)
        } else {
            // Strings always can be put into YAML.
            let text = yaml::to_yaml(problems).unwrap_or_default();
            fs::write_unsynced(&*path, text, 0o600)
        };
        match result {
            Ok(()) => *written = Some(problems.to_vec()),
            Err(error) => tracing::warn!("{}", chain(&error)),
        }
    }

    fn put(&self, key: &ObjectKey, object: &Object) -> Result<(), StatusError> {
        let text = yaml::to_yaml(object)
            .map_err(|source| StatusError::Yaml { object: key.clone(), source })?;
        Ok(fs::write_unsynced(self.path(key), text, 0o600)?)
    }

    /// Removes the file of an object that is no more; says whether there was one.
    pub fn remove(&mut self, key: &ObjectKey) -> Result<bool, StatusError> {
        self.objects.remove(key);
        self.unwritten.remove(key);
        Ok(fs::remove_file_if_exists(self.path(key))?)
    }

    /// An agent's name is its file's; the few others carry their kind, with a dot that no name has.
    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.folder.join(match key.kind {
            ObjectKind::Agent => format!("{}.yaml", key.name),
            ObjectKind::Infra | ObjectKind::Stack => format!("{}.{}.yaml", key.kind, key.name),
        })
    }
}

fn mean_the_same(before: &Object, after: &Object) -> bool {
    let Object { api_version, kind, metadata, spec, status, outdated: _ } = after;
    let same_status = match (&before.status, status) {
        (Some(before), Some(after)) => before.means_the_same(after),
        (None, None) => true,
        _ => false,
    };
    same_status
        && before.api_version == *api_version
        && before.kind == *kind
        && before.metadata == *metadata
        && before.spec == *spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_while_there_are_any() {
        let state = tempfile::tempdir().unwrap();
        let mut files = StatusFiles::open(state.path()).unwrap();
        let path = state.path().join("problems.yaml");
        files.write_problems(&["x.yaml:1: no".into()]);
        let listed: Vec<String> = yaml::from_yaml(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(listed, ["x.yaml:1: no"]);
        // What an earlier controller left is not true for ever.
        StatusFiles::open(state.path()).unwrap().write_problems(&[]);
        assert!(fs::read_to_string_if_exists(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_written_anew_and_stops_nobody() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("status");
        fs::create_dir_all(&folder, 0o700).unwrap();
        fs::write_atomic(folder.join("agent-1.yaml"), b"\xff\xfe\x00", 0o600).unwrap();
        fs::write_atomic(folder.join("agent-2.yaml"), b"kind: [", 0o600).unwrap();
        let files = StatusFiles::open(state.path()).unwrap();
        assert_eq!(files.all().count(), 0);
    }
}
