//! Secrets: made once from random bytes, kept 0600 under `STATE/secrets/NAME`, referenced by name.
//! A user may put a value of their own there, which is closed to others when it is read. Values never leave through
//! an error or a log.

use std::path::{Path, PathBuf};

use agent_harness_model::plant::{Bug, is_planted};
use agent_harness_model::secret::Secret;
use agent_harness_providers::fs::{self, FsError};

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Its file cannot be read or written.
    #[error("the secret {name} cannot be had")]
    File {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: FsError,
    },
    /// Its name could leave the folder.
    #[error("`{0}` is no name for a secret: use letters, digits, `-`, `_` and single dots")]
    Name(String),
    /// Its file is empty.
    #[error("the secret {name} is empty; write its value into {}, or remove that file", path.display())]
    Empty {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
    },
    /// The system has no random bytes.
    #[error("no random bytes for the secret {name}")]
    Random {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The secrets of a state folder.
#[derive(Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The secrets under `STATE/secrets`. Nothing is read yet.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("secrets") }
    }

    /// The secret of that name as it is now, if there is one already.
    pub fn existing(&self, name: &str) -> Result<Option<Secret>, SecretError> {
        check(name)?;
        let path = self.folder.join(name);
        let file = |source| SecretError::File { name: name.to_owned(), source };
        let Some(text) = fs::read_to_string_if_exists(&path).map_err(file)? else {
            return Ok(None);
        };
        close(&path, name);
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(SecretError::Empty { name: name.to_owned(), path }),
            value => Ok(Some(Secret::new(value))),
        }
    }

    /// The secret of that name as it is now, made if there is none: 32 hexadecimal digits.
    pub fn get(&self, name: &str) -> Result<Secret, SecretError> {
        if let Some(secret) = self.existing(name)? {
            return Ok(secret);
        }
        let file = |source| SecretError::File { name: name.to_owned(), source };
        let value =
            random_hex().map_err(|source| SecretError::Random { name: name.to_owned(), source })?;
        fs::create_dir_all(&self.folder, 0o700).map_err(file)?;
        let mode = if is_planted(Bug::SecretsAreOpen) { 0o644 } else { 0o600 };
        fs::write_atomic(self.folder.join(name), &value, mode).map_err(file)?;
        Ok(Secret::new(value))
    }
}

/// Takes from others what they may do with a secret's file: an editor leaves it as open as any other file. It may be
/// another user's, as of one who mounts secrets; then it is told at least.
fn close(path: &Path, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match fs::metadata(path) {
        Ok(Some(metadata)) if !metadata.is_symlink() => metadata.permissions().mode(),
        _ => return,
    };
    let of_others = mode & 0o077;
    if of_others == 0 || is_planted(Bug::SecretsAreOpen) {
        return;
    }
    match fs::set_mode(path, mode & 0o700) {
        Ok(()) => tracing::warn!(
            secret = name,
            "its file could be read by others, and is closed to them now"
        ),
        Err(error) => tracing::warn!(secret = name, %error, "others can read its file"),
    }
}

/// Whether a name stays in the folder.
fn check(name: &str) -> Result<(), SecretError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fine = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains("..")
        && name.chars().all(allowed);
    if fine { Ok(()) } else { Err(SecretError::Name(name.to_owned())) }
}

/// 16 random bytes of the system as hexadecimal digits.
pub fn random_hex() -> std::io::Result<String> {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let state = tempfile::tempdir().unwrap();
        let first = Secrets::new(state.path()).get("postgres").unwrap();
        assert_eq!(first.reveal().len(), 32);
        assert_eq!(Secrets::new(state.path()).get("postgres").unwrap(), first);
        assert_ne!(Secrets::new(state.path()).get("other").unwrap(), first);
        let mode = |path: &str| {
            fs::metadata(state.path().join(path)).unwrap().unwrap().permissions().mode() & 0o777
        };
        assert_eq!((mode("secrets"), mode("secrets/postgres")), (0o700, 0o600));
    }

    #[test]
    fn a_value_of_the_users_own_is_taken_and_a_bad_name_is_not() {
        let state = tempfile::tempdir().unwrap();
        let secrets = Secrets::new(state.path());
        secrets.get("a").unwrap();
        fs::write_atomic(state.path().join("secrets/a"), "mine\n", 0o600).unwrap();
        assert_eq!(secrets.get("a").unwrap().reveal(), "mine");
        for wide in [0o644, 0o666, 0o640, 0o604] {
            fs::set_mode(state.path().join("secrets/a"), wide).unwrap();
            assert_eq!(secrets.get("a").unwrap().reveal(), "mine");
            let now = fs::metadata(state.path().join("secrets/a")).unwrap().unwrap();
            assert_eq!(now.permissions().mode() & 0o777, 0o600, "{wide:o}");
        }
        for name in ["", "../a", "a/b", ".hidden", "a..b"] {
            assert!(matches!(secrets.get(name), Err(SecretError::Name(_))), "{name}");
        }
        fs::write_atomic(state.path().join("secrets/e"), "\n", 0o600).unwrap();
        assert!(matches!(secrets.get("e"), Err(SecretError::Empty { .. })));
    }
}
