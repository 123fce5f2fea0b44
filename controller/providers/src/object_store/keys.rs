//! The keys that open a bucket each: one 0600 file per key under the server's root.
//!
//! The controller writes and removes them; the server reads a key's file at each request that is signed with it, so a
//! change counts at once and without a restart.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{StoreError, chain};
use super::secret::SecretText;
use crate::fs;

/// A key that opens one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketKey {
    /// 3 to 128 letters, digits, `-`, `_` or `.`; no `.` at the start.
    pub access_key: String,
    pub secret_key: SecretText,
    /// The only bucket that the key opens.
    pub bucket: String,
}

impl BucketKey {
    /// Writes or replaces the key's file. Blocks.
    pub fn write(&self, root: &Path) -> Result<(), StoreError> {
        let path = path(root, &self.access_key);
        if !is_valid_access_key(&self.access_key) {
            return Err(StoreError::BadAccessKey(self.access_key.clone()));
        }
        let text = serde_json::to_vec_pretty(self).map_err(|source| StoreError::BadFile {
            path: path.clone(),
            what: "key",
            source,
        })?;
        fs::create_dir_all(folder(root), 0o700)?;
        Ok(fs::write_atomic(path, text, 0o600)?)
    }

    /// Reads a key; `None`: it is not known. Blocks.
    pub fn read(root: &Path, access_key: &str) -> Result<Option<Self>, StoreError> {
        if !is_valid_access_key(access_key) {
            return Ok(None);
        }
        let path = path(root, access_key);
        let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|source| StoreError::BadFile {
            path,
            what: "key",
            source,
        })
    }

    /// Removes a key; `Ok(false)`: there was none. Blocks.
    pub fn remove(root: &Path, access_key: &str) -> Result<bool, StoreError> {
        if !is_valid_access_key(access_key) {
            return Ok(false);
        }
        Ok(fs::remove_file_if_exists(path(root, access_key))?)
    }

    /// All keys, by the name of their files. One that does not read opens nothing; it is logged and left out. Blocks.
    pub fn list(root: &Path) -> Result<Vec<Self>, StoreError> {
        let mut keys = Vec::new();
        for path in fs::list_dir(folder(root))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(access_key) = name.and_then(|name| name.strip_suffix(".json")) else {
                continue;
            };
            match Self::read(root, access_key) {
                Ok(key) => keys.extend(key),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a key of the object store is passed over");
                }
            }
        }
        Ok(keys)
    }
}

/// Whether a text can be an access key; it becomes a file name.
fn is_valid_access_key(text: &str) -> bool {
    (3..=128).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn folder(root: &Path) -> PathBuf {
    root.join(".harness").join("keys")
}

fn path(root: &Path, access_key: &str) -> PathBuf {
    folder(root).join(format!("{access_key}.json"))
}
