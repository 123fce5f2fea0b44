//! All buckets of a store that carry a mark of one installation: for an audit, and for a person who wants one of them
//! gone.

use std::collections::BTreeMap;

use agent_harness_model::audit::{Found, Owner, Thing};
use agent_harness_model::id::Mark;
use agent_harness_model::kinds::service::StoreConnection;
use futures_util::{StreamExt as _, stream};

use super::apply::remove_keys;
use super::error::S3Error;
use super::remote::{Remote, Tags};
use super::{admin, minio, names, purge};
use crate::fs;
use crate::object_store::{Listed, StoreError};

/// Tag requests at once.
const TAG_REQUESTS: usize = 16;

/// Whether one call shows all of a store: of another one each bucket has to be asked about.
pub fn is_cheap(connection: &StoreConnection) -> bool {
    connection.embedded_root.is_some()
}

/// What is there.
pub async fn find(
    connection: &StoreConnection,
    infra: &str,
    installation: &str,
) -> Result<Vec<Found>, S3Error> {
    let remote = Remote::new(connection.clone());
    let tagged = all(&remote, installation).await?;
    let found = tagged.into_iter().filter_map(|(name, tags)| {
        let mark = Mark::parse(tags.get(names::MARK)?)?;
        let state = name.starts_with("trash-").then_some("in the trash");
        let thing = Thing::Bucket { infra: infra.to_owned(), name };
        (mark.installation == installation).then_some(Found {
            thing,
            owner: Owner::Incarnation(mark.uid),
            state,
        })
    });
    Ok(found.collect())
}

/// Empties and deletes a bucket that carries the mark. Gone already: Ok.
pub async fn remove(
    connection: &StoreConnection,
    mark: &Mark,
    bucket: &str,
) -> Result<(), S3Error> {
    let remote = Remote::new(connection.clone());
    let tags = all(&remote, &mark.installation).await?.remove(bucket);
    let Some(tags) = tags else { return Ok(()) };
    if tags.get(names::MARK).and_then(|text| Mark::parse(text)).as_ref() != Some(mark) {
        let (bucket, whose) = (bucket.to_owned(), "somebody else".to_owned());
        return Err(S3Error::Foreign { bucket, whose });
    }
    // First what opens it: without the bucket nobody would know of it.
    match remote.embedded_root() {
        Some(root) => {
            remove_keys(root, bucket, None)?;
            admin::purge(connection, bucket).await
        }
        None => {
            if let Some(key) = tags.get(names::KEY) {
                minio::take(&remote, key, mark).await?;
            }
            purge::purge(&remote, bucket).await
        }
    }
}

async fn all(remote: &Remote, installation: &str) -> Result<BTreeMap<String, Tags>, S3Error> {
    if let Some(root) = remote.embedded_root() {
        // Without its folder there is no bucket, whether a server runs or not.
        if fs::metadata(root).map_err(StoreError::from)?.is_none() {
            return Ok(BTreeMap::new());
        }
        remote.verify(installation).await?;
        let buckets = admin::buckets(&remote.connection).await?.into_iter();
        let readable = buckets.filter_map(|(name, listed)| match listed {
            Listed::Readable(meta) => Some((name, meta.tags)),
            Listed::Unreadable { .. } => None,
        });
        return Ok(readable.collect());
    }
    let asked = remote.names().await?.into_keys().map(async |name| {
        let tags = remote.tags(&name).await;
        (name, tags)
    });
    let mut answers = stream::iter(asked).buffer_unordered(TAG_REQUESTS);
    let mut all = BTreeMap::new();
    while let Some((name, tags)) = answers.next().await {
        // One that is closed to us carries no mark of ours.
        if let Ok(Some(tags)) = tags {
            all.insert(name, tags);
        }
    }
    Ok(all)
}
