//! Expiry: removes objects that are older than their bucket's rules allow, and uploads that nobody finished.

use serde::{Deserialize, Serialize};

use super::bucket::Listed;
use super::listing::Entry;
use super::store::Store;
use super::upload;

/// A rule id that starts so and goes on as `SECONDSs` means exactly that many seconds: S3 itself only knows days.
pub const SECONDS_ID: &str = "harness-expire-";

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// One rule of `PutBucketLifecycleConfiguration`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpiryRule {
    pub id: Option<String>,
    pub enabled: bool,
    pub prefix: String,
    /// Objects expire this many days after they were written.
    pub days: Option<i32>,
    /// Unfinished multipart uploads go this many days after they began.
    pub abort_days: Option<i32>,
}

impl ExpiryRule {
    /// The age at which objects expire, in milliseconds.
    pub fn age_ms(&self) -> Option<i64> {
        let days = i64::from(self.days?) * DAY_MS;
        let seconds = self.id.as_deref().and_then(seconds_of);
        Some(seconds.map_or(days, |seconds| seconds.saturating_mul(1000)))
    }

    /// The age at which unfinished uploads go. With a rule of ours they go with the objects: what an agent stores for
    /// an hour it does not upload for longer.
    fn upload_age_ms(&self) -> Option<i64> {
        let ours = self.id.as_deref().and_then(seconds_of).and_then(|_| self.age_ms());
        ours.or_else(|| self.abort_days.map(|days| i64::from(days) * DAY_MS))
    }

    fn applies(&self, key: &str, age_ms: i64, limit_ms: Option<i64>) -> bool {
        self.enabled
            && key.starts_with(&self.prefix)
            && limit_ms.is_some_and(|limit| age_ms >= limit)
    }
}

/// The seconds that a rule id of ours states.
pub fn seconds_of(id: &str) -> Option<i64> {
    id.strip_prefix(SECONDS_ID)?.strip_suffix('s')?.parse().ok().filter(|seconds| *seconds > 0)
}

/// Looks at every bucket once. A bucket that cannot be read is logged and looked at again next time.
pub async fn sweep(store: &Store, now_ms: i64) {
    let buckets = match store.list().await {
        Ok(buckets) => buckets,
        Err(error) => {
            tracing::warn!(%error, "cannot list the buckets to expire objects");
            return;
        }
    };
    for (name, listed) in buckets {
        match listed {
            Listed::Readable(meta) if meta.expiry.iter().any(|rule| rule.enabled) => {
                if let Err(error) = sweep_bucket(store, &name, now_ms).await {
                    tracing::warn!(%error, bucket = name, "cannot expire objects");
                }
            }
            Listed::Readable(_) => {}
            Listed::Unreadable { unreadable } => {
                tracing::warn!(error = unreadable, bucket = name, "cannot expire objects");
            }
        }
    }
}

async fn sweep_bucket(store: &Store, name: &str, now_ms: i64) -> s3s::S3Result<()> {
    let bucket = store.bucket(name).await?;
    let mut state = bucket.lock().await?;
    let rules = state.meta.expiry.clone();
    let expired: Vec<(String, Entry)> = state
        .index()
        .await?
        .iter()
        .filter(|(key, entry)| {
            let age = now_ms - entry.modified_ms;
            rules.iter().any(|rule| rule.applies(key, age, rule.age_ms()))
        })
        .map(|(key, entry)| (key.clone(), entry.clone()))
        .collect();
    let uploads = upload::list(&state.uploads()).await?;
    drop(state);
    let mut removed = 0;
    for (key, entry) in expired {
        // Others go on writing meanwhile: what was written anew is not what expired.
        if bucket.remove_listed(&key, entry).await? {
            removed += 1;
        }
    }
    for (id, info) in uploads {
        let age = now_ms - info.initiated_ms;
        if rules.iter().any(|rule| rule.applies(&info.key, age, rule.upload_age_ms())) {
            upload::remove(store, &bucket, &id).await?;
        }
    }
    if removed > 0 {
        tracing::info!(bucket = name, objects = removed, "removed expired objects");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_rule_ids_state_seconds() {
        let rule =
            |id: &str| ExpiryRule { id: Some(id.into()), days: Some(1), ..ExpiryRule::default() };
        assert_eq!(rule("harness-expire-90s").age_ms(), Some(90_000));
        assert_eq!(rule("harness-expire-0s").age_ms(), Some(DAY_MS));
        assert_eq!(rule("other").age_ms(), Some(DAY_MS));
        assert_eq!(ExpiryRule::default().age_ms(), None);
        assert_eq!(rule("harness-expire-90s").upload_age_ms(), Some(90_000));
        assert_eq!(rule("other").upload_age_ms(), None);
        let aborts = ExpiryRule { abort_days: Some(2), ..rule("other") };
        assert_eq!(aborts.upload_age_ms(), Some(2 * DAY_MS));
    }
}
