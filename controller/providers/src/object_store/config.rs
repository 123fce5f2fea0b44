//! The server's configuration file: `controller object-store --config FILE`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::secret::SecretText;
use crate::fs;

/// What one server serves. The file holds no secret: the root key lies in a 0600 file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoreConfig {
    /// The folder of all buckets and keys; made with mode 0700 when it is missing.
    pub root: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The id of the installation that the server belongs to.
    pub installation: String,
    /// The file with the [`RootKey`].
    pub root_key: PathBuf,
    /// Milliseconds between two looks for expired objects.
    #[serde(default = "default_sweep")]
    pub sweep_every_ms: u64,
}

fn default_sweep() -> u64 {
    60_000
}

impl StoreConfig {
    /// Reads a configuration file. Blocks.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        parse(path, "object store configuration")
    }

    /// Writes a configuration file when its content differs; `true`: it did. Blocks.
    pub fn write(&self, path: &Path) -> Result<bool, StoreError> {
        let text = serde_json::to_string_pretty(self).map_err(|source| StoreError::BadFile {
            path: path.to_path_buf(),
            what: "object store configuration",
            source,
        })?;
        if fs::read_to_string_if_exists(path)?.as_deref() == Some(text.as_str()) {
            return Ok(false);
        }
        fs::write_atomic(path, text, 0o600)?;
        Ok(true)
    }
}

/// The key that opens every bucket; the controller's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RootKey {
    pub access_key: String,
    pub secret_key: SecretText,
}

impl RootKey {
    /// Writes the key's file. Blocks.
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(self).map_err(|source| StoreError::BadFile {
            path: path.to_path_buf(),
            what: "root key",
            source,
        })?;
        Ok(fs::write_atomic(path, text, 0o600)?)
    }

    /// Reads the key. Blocks.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        parse(path, "root key")
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, StoreError> {
    let text = fs::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|source| StoreError::BadFile {
        path: path.to_path_buf(),
        what,
        source,
    })
}
