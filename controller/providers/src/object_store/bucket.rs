//! One bucket on disk: its description, its objects, and the sorted index that listings are made from.
//!
//! ```text
//! buckets/NAME/bucket.json      the description: owner, tags, CORS, expiry
//! buckets/NAME/objects/HASH     one file per object (see `object_file`)
//! buckets/NAME/uploads/ID/      one folder per multipart upload (see `upload`)
//! ```
//!
//! This process is the only writer. The index is read from the footers at the first listing and kept in step.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use super::cors::CorsRule;
use super::error::{StoreError, chain};
use super::lifecycle::ExpiryRule;
use super::listing::Entry;
use super::object_file::{self, ObjectMeta, Sealed};
use super::work::{blocking, to_its_end};
use crate::fs;

/// What a bucket is, apart from its objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BucketMeta {
    /// Milliseconds since 1970.
    pub created_ms: i64,
    pub tags: BTreeMap<String, String>,
    pub cors: Vec<CorsRule>,
    pub expiry: Vec<ExpiryRule>,
}

impl BucketMeta {
    pub(super) const FILE: &str = "bucket.json";

    /// Reads the description of the bucket in a folder; `None`: there is no bucket. Blocks.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(Self::FILE);
        let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|source| StoreError::BadFile {
            path,
            what: "bucket description",
            source,
        })
    }

    /// Writes the description. Blocks.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let path = folder.join(Self::FILE);
        let text = serde_json::to_vec_pretty(self).map_err(|source| StoreError::BadFile {
            path: path.clone(),
            what: "bucket description",
            source,
        })?;
        Ok(fs::write_atomic(path, text, 0o600)?)
    }
}

/// A bucket as the controller sees it among all others: one whose description does not read says nothing of the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Listed {
    /// Why its description could not be read.
    Unreadable {
        unreadable: String,
    },
    Readable(BucketMeta),
}

/// A bucket that is open; shared by all requests to it.
#[derive(Debug)]
pub struct Bucket {
    state: Mutex<State>,
    /// Deleted while somebody still had it. Not in the state: whoever deletes does not wait for that.
    gone: AtomicBool,
}

/// A bucket, held by one request. Held for short: never while data moves, but for as long as the index is read.
#[derive(Debug)]
pub struct State {
    /// Where the bucket is; changes with a rename.
    pub folder: PathBuf,
    pub meta: BucketMeta,
    index: Option<BTreeMap<String, Entry>>,
}

/// What must be true of the object in place for a write to happen.
#[derive(Debug, Default)]
pub struct Condition {
    pub if_match: Option<s3s::dto::ETagCondition>,
    pub if_none_match: Option<s3s::dto::ETagCondition>,
    /// It is this one, not written anew since it was opened.
    pub still: Option<std::fs::File>,
}

impl Bucket {
    pub(super) fn new(folder: PathBuf, meta: BucketMeta) -> Self {
        let state = Mutex::new(State { folder, meta, index: None });
        Self { state, gone: AtomicBool::new(false) }
    }

    /// The bucket for one request's use; `NoSuchBucket` when it was deleted meanwhile.
    pub async fn lock(&self) -> S3Result<MutexGuard<'_, State>> {
        let state = self.state.lock().await;
        if self.gone.load(Ordering::Acquire) { Err(s3_error!(NoSuchBucket)) } else { Ok(state) }
    }

    /// Whoever still has the bucket finds it deleted from now on.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Opens an object; `NoSuchKey` when there is none.
    pub async fn open(&self, key: &str) -> S3Result<(std::fs::File, ObjectMeta)> {
        let path = self.lock().await?.object_path(key);
        blocking(move || object_file::open(&path)).await?.ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Puts a complete object in its place, and gives back what it is.
    pub async fn commit(
        self: &Arc<Self>,
        sealed: Sealed,
        condition: Condition,
    ) -> S3Result<ObjectMeta> {
        let bucket = Arc::clone(self);
        to_its_end(async move {
            let mut state = bucket.lock().await?;
            let path = state.object_path(sealed.key());
            if !condition.is_empty() {
                let path = path.clone();
                let present = blocking(move || object_file::open(&path)).await?;
                condition.check(present.as_ref())?;
            }
            let done = blocking(move || sealed.commit(&path)).await;
            let meta = state.keep_in_step(done)?;
            if let Some(index) = &mut state.index {
                index.insert(meta.key.clone(), entry(&meta));
            }
            Ok(meta)
        })
        .await
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn remove(self: &Arc<Self>, key: &str) -> S3Result<()> {
        let (bucket, key) = (Arc::clone(self), key.to_owned());
        to_its_end(async move { bucket.lock().await?.remove(&key).await }).await
    }

    /// Removes an object that is still as it was listed; `false`: it was written anew or removed since.
    pub async fn remove_listed(self: &Arc<Self>, key: &str, listed: Entry) -> S3Result<bool> {
        let (bucket, key) = (Arc::clone(self), key.to_owned());
        to_its_end(async move {
            let mut state = bucket.lock().await?;
            if state.index().await?.get(&key) != Some(&listed) {
                return Ok(false);
            }
            state.remove(&key).await.map(|()| true)
        })
        .await
    }

    /// Changes the description.
    pub async fn describe(
        self: &Arc<Self>,
        change: impl FnOnce(&mut BucketMeta) + Send + 'static,
    ) -> S3Result<()> {
        let bucket = Arc::clone(self);
        to_its_end(async move {
            let mut state = bucket.lock().await?;
            let mut meta = state.meta.clone();
            change(&mut meta);
            let (folder, written) = (state.folder.clone(), meta.clone());
            blocking(move || written.write(&folder)).await?;
            state.meta = meta;
            Ok(())
        })
        .await
    }
}

impl State {
    pub fn object_path(&self, key: &str) -> PathBuf {
        self.folder.join("objects").join(object_file::file_name(key))
    }

    pub fn uploads(&self) -> PathBuf {
        self.folder.join("uploads")
    }

    async fn remove(&mut self, key: &str) -> S3Result<()> {
        let path = self.object_path(key);
        let done = blocking(move || Ok(fs::remove_file_if_exists(path)?)).await;
        self.keep_in_step(done)?;
        if let Some(index) = &mut self.index {
            index.remove(key);
        }
        Ok(())
    }

    /// After a failure nobody knows what is on the disk: the index is read anew when it is next asked for.
    fn keep_in_step<T>(&mut self, done: Result<T, StoreError>) -> Result<T, StoreError> {
        if done.is_err() {
            self.index = None;
        }
        done
    }

    /// The sorted index, read from the disk at the first call. A damaged file is logged and left out.
    pub async fn index(&mut self) -> S3Result<&BTreeMap<String, Entry>> {
        if self.index.is_none() {
            let folder = self.folder.join("objects");
            self.index = Some(blocking(move || read_index(&folder)).await?);
        }
        Ok(self.index.get_or_insert_default())
    }

    /// Whether no object is left; looks at the disk, not at the index.
    pub async fn is_empty(&self) -> S3Result<bool> {
        let folder = self.folder.join("objects");
        Ok(blocking(move || Ok(fs::list_dir(folder)?.is_empty())).await?)
    }
}

impl Condition {
    fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none() && self.still.is_none()
    }

    fn check(&self, present: Option<&(std::fs::File, ObjectMeta)>) -> S3Result<()> {
        use s3s::dto::ETagCondition::{Any, ETag};
        if let Some(still) = &self.still {
            // As long as it is open, no other file gets its number.
            let inode = |file: &std::fs::File| file.metadata().map(|it| it.ino()).ok();
            match present {
                None => return Err(s3_error!(NoSuchKey)),
                Some((file, _)) if inode(file) == inode(still) => {}
                Some(_) => {
                    return Err(s3_error!(OperationAborted, "The object was written meanwhile"));
                }
            }
        }
        let etag = present.map(|(_, meta)| meta.etag.as_str());
        let fits = |condition: &s3s::dto::ETagCondition| match (condition, etag) {
            (_, None) => false,
            (Any, Some(_)) => true,
            (ETag(wanted), Some(etag)) => wanted.value() == etag,
        };
        if self.if_none_match.as_ref().is_some_and(fits) || !self.if_match.as_ref().is_none_or(fits)
        {
            return Err(s3_error!(PreconditionFailed));
        }
        Ok(())
    }
}

fn entry(meta: &ObjectMeta) -> Entry {
    Entry { size: meta.size, etag: meta.etag.clone(), modified_ms: meta.modified_ms }
}

fn read_index(folder: &Path) -> Result<BTreeMap<String, Entry>, StoreError> {
    let mut index = BTreeMap::new();
    for path in fs::list_dir(folder)? {
        match object_file::open(&path) {
            // Under any other name no request reaches it.
            Ok(Some((_, meta))) if path.ends_with(object_file::file_name(&meta.key)) => {
                index.insert(meta.key.clone(), entry(&meta));
            }
            Ok(Some((_, meta))) => {
                let (path, key) = (path.display(), meta.key);
                tracing::warn!(%path, key, "the file of an object has another name than its key's");
            }
            Ok(None) => {}
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::warn!(error = %chain(&error), "an object is left out of the listings");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> std::fs::File {
        if !path.exists() {
            fs::write_atomic(path, "", 0o600).unwrap();
        }
        std::fs::File::open(path).unwrap()
    }

    #[test]
    fn what_was_written_meanwhile_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let opened = |name: &str| {
            let meta = serde_json::json!({"key": "k", "size": 0, "etag": "e", "modified_ms": 0});
            let file = at(&folder.path().join(name));
            (file, serde_json::from_value(meta).unwrap())
        };
        let condition = Condition { still: Some(opened("a").0), ..Condition::default() };
        let said = |present: Option<(std::fs::File, ObjectMeta)>| {
            let checked = condition.check(present.as_ref());
            checked.map_err(|error| error.code().as_str().to_owned())
        };
        assert_eq!(said(Some(opened("a"))), Ok(()));
        assert_eq!(said(Some(opened("b"))), Err("OperationAborted".to_owned()));
        assert_eq!(said(None), Err("NoSuchKey".to_owned()));
    }
}
