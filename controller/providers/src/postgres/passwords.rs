//! Whether roles still have the passwords that they should: checked once per stored verifier, because the
//! check is slow on purpose (4,096 rounds), and a resync asks again and again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use agent_harness_model::secret::Secret;

use super::catalog::Role;
use super::scram;

/// How many answers are kept; when there are more, all are asked again.
const KEEP: usize = 4096;

/// Verifiers that are known to fit, as hashes over verifier and password.
#[derive(Debug, Default)]
pub(super) struct Passwords(Mutex<BTreeSet<[u8; 32]>>);

impl Passwords {
    /// Notes that a verifier was made of this password.
    pub(super) fn remember(&self, verifier: &str, password: &Secret) {
        self.insert(key(verifier, password));
    }

    /// Whether the role's password is this one. Where we may not read verifiers, it is taken to be.
    pub(super) fn fit(&self, role: &Role, password: &Secret) -> bool {
        let Some(verifier) = &role.verifier else { return true };
        let key = key(verifier, password);
        if self.known().contains(&key) {
            return true;
        }
        let fits = scram::matches(verifier, password);
        if fits {
            self.insert(key);
        }
        fits
    }

    fn insert(&self, key: [u8; 32]) {
        let mut known = self.known();
        if known.len() >= KEEP {
            known.clear();
        }
        known.insert(key);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(verifier: &str, password: &Secret) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(verifier.as_bytes()).update(b"\0").update(password.reveal().as_bytes());
    *hasher.finalize().as_bytes()
}
