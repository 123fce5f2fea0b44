//! How long a listing of keys is believed. It costs a key derivation on both sides, so that not each look asks for one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Listed;

/// As long as tags are.
const LASTS: Duration = Duration::from_mins(1);

/// The last listing of one store.
#[derive(Debug, Default)]
pub struct KeyCache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    listed: Option<(Instant, Arc<Listed>)>,
    /// How often something was changed.
    changes: u64,
}

impl KeyCache {
    /// To be called before a change, and after it.
    pub fn forget(&self) {
        let mut cached = self.lock();
        cached.listed = None;
        cached.changes += 1;
    }

    pub fn get(&self) -> Option<Arc<Listed>> {
        let cached = self.lock();
        let (since, listed) = cached.listed.as_ref()?;
        (since.elapsed() < LASTS).then(|| Arc::clone(listed))
    }

    /// To be called before a listing is asked for.
    pub fn begin(&self) -> u64 {
        self.lock().changes
    }

    /// Keeps a listing, unless something was changed since it was asked for.
    pub fn put(&self, begun: u64, listed: Arc<Listed>) {
        let mut cached = self.lock();
        if cached.changes == begun {
            cached.listed = Some((Instant::now(), listed));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_a_change_overtook_is_not_kept() {
        let cache = KeyCache::default();
        let begun = cache.begin();
        cache.forget();
        cache.put(begun, Arc::default());
        assert!(cache.get().is_none());
        cache.put(cache.begin(), Arc::default());
        assert!(cache.get().is_some());
        cache.forget();
        assert!(cache.get().is_none());
    }
}
