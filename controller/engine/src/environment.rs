//! The variables that every command gets besides those of its spec: from an allow-list, taken once.
//!
//! They are written down at the first start and read from there ever after: a controller that is started
//! from another terminal, with another PATH, must not restart every process of every agent.

use std::collections::BTreeMap;
use std::path::Path;

use agent_harness_providers::fs::{self, FsError};

/// What is taken from the controller's own environment. Nothing that belongs to one login session.
const PASSED_ON: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SHELL"];

/// Why there is no environment.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// The file is not what we write.
    #[error(
        "{path} is no JSON object of texts; repair it, or remove it and start the controller from the environment that agents should have"
    )]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// The variables of `STATE/environment.json`; the file is made from `of` when there is none.
pub fn kept(
    state: &Path,
    of: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let path = state.join("environment.json");
    let unreadable =
        |source| EnvironmentError::Unreadable { path: path.display().to_string(), source };
    if let Some(text) = fs::read_to_string_if_exists(&path)? {
        return serde_json::from_str(&text).map_err(unreadable);
    }
    let taken: BTreeMap<String, String> =
        PASSED_ON.into_iter().filter_map(|name| Some((name.to_owned(), of(name)?))).collect();
    let text = serde_json::to_vec_pretty(&taken).map_err(unreadable)?;
    fs::write_atomic(&path, text, 0o600)?;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_terminal_changes_nothing() {
        let state = tempfile::tempdir().unwrap();
        let from = |path: &'static str| {
            move |name: &str| match name {
                "PATH" => Some(path.to_owned()),
                "SECRET" | "TERM" => Some("x".to_owned()),
                _ => None,
            }
        };
        let first = kept(state.path(), from("/bin")).unwrap();
        assert_eq!(first, [("PATH".to_owned(), "/bin".to_owned())].into());
        assert_eq!(kept(state.path(), from("/venv/bin:/bin")).unwrap(), first);
    }

    #[test]
    fn a_broken_file_is_named() {
        let state = tempfile::tempdir().unwrap();
        fs::write_atomic(state.path().join("environment.json"), "PATH=/bin", 0o600).unwrap();
        let error = kept(state.path(), |_| None).unwrap_err().to_string();
        assert!(error.contains("environment.json is no JSON object"), "{error}");
    }
}
