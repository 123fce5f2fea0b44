//! One look at a store that serves all agents: our own in one call, another one by `ListBuckets` and cached tags.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::admin;
use super::error::S3Error;
use super::names;
use super::remote::{Remote, Tags};
use crate::fs;
use crate::object_store::{CorsRule, ExpiryRule, Listed, StoreError};

/// How long tags read from a store of somebody else's are believed.
const TAGS_LAST: Duration = Duration::from_mins(1);
/// Tag requests at once.
const TAG_REQUESTS: usize = 16;

/// What was seen of one bucket.
#[derive(Debug, Clone)]
pub struct BucketView {
    pub tags: Tags,
    /// The rules in force, where one call shows them all.
    pub rules: Option<(Vec<CorsRule>, Vec<ExpiryRule>)>,
}

impl BucketView {
    /// Whose mark it carries.
    pub fn mark(&self) -> Option<agent_harness_model::id::Mark> {
        agent_harness_model::id::Mark::parse(self.tags.get(names::MARK)?)
    }
}

/// What was seen of a store: the buckets that were asked about; an error for one says nothing of the others.
pub type View = BTreeMap<String, Result<BucketView, String>>;

/// Tags of a store of somebody else's, by bucket and time of creation.
#[derive(Debug, Default)]
pub struct TagCache(Mutex<BTreeMap<String, (i64, Instant, Tags)>>);

impl TagCache {
    pub fn forget(&self, bucket: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(bucket);
    }

    fn get(&self, bucket: &str, created: i64) -> Option<Tags> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (of, since, tags) = cached.get(bucket)?;
        (*of == created && since.elapsed() < TAGS_LAST).then(|| tags.clone())
    }

    fn put(&self, bucket: &str, created: i64, tags: Tags) {
        let entry = (created, Instant::now(), tags);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(bucket.to_owned(), entry);
    }
}

/// Looks at the named buckets; what is not in the answer is not there.
pub async fn look(
    remote: &Remote,
    installation: &str,
    cache: &TagCache,
    asked: &BTreeSet<String>,
) -> Result<View, S3Error> {
    if let Some(root) = remote.embedded_root() {
        // Without its folder there is no bucket, whether a server runs or not.
        if fs::metadata(root).map_err(StoreError::from)?.is_none() {
            return Ok(View::new());
        }
        remote.verify(installation).await?;
        let buckets = admin::buckets(&remote.connection).await?;
        return Ok(buckets
            .into_iter()
            .filter(|(name, _)| asked.contains(name))
            .map(|(name, listed)| {
                let view = match listed {
                    Listed::Readable(meta) => {
                        Ok(BucketView { tags: meta.tags, rules: Some((meta.cors, meta.expiry)) })
                    }
                    Listed::Unreadable { unreadable } => Err(unreadable),
                };
                (name, view)
            })
            .collect());
    }
    let mut view = View::new();
    let mut requests = JoinSet::new();
    for (name, created) in remote.names().await? {
        if !asked.contains(&name) {
            continue;
        }
        if let Some(tags) = cache.get(&name, created) {
            view.insert(name, Ok(BucketView { tags, rules: None }));
            continue;
        }
        // Until its tags are here it is unknown, whatever becomes of the request.
        view.insert(name.clone(), Err("its tags could not be read".to_owned()));
        if requests.len() >= TAG_REQUESTS {
            take(&mut view, cache, requests.join_next().await);
        }
        let remote = remote.clone();
        requests.spawn(async move {
            let tags = remote.tags(&name).await;
            (name, created, tags)
        });
    }
    while let Some(answer) = requests.join_next().await {
        take(&mut view, cache, Some(answer));
    }
    Ok(view)
}

type TagAnswer = (String, i64, Result<Option<Tags>, S3Error>);

fn take(
    view: &mut View,
    cache: &TagCache,
    answer: Option<Result<TagAnswer, tokio::task::JoinError>>,
) {
    let Some(Ok((name, created, tags))) = answer else { return };
    match tags {
        Ok(Some(tags)) => {
            cache.put(&name, created, tags.clone());
            view.insert(name, Ok(BucketView { tags, rules: None }));
        }
        // Deleted since the listing.
        Ok(None) => {
            view.remove(&name);
        }
        Err(error) => {
            let why = agent_harness_model::world::ApplyError::from_error(error.class(), &error);
            view.insert(name, Err(why.message));
        }
    }
}
