//! All buckets of a root folder: create, find, list, rename, delete. Each is one rename, so a crash leaves the old
//! state or the new one.
//!
//! Lock order: a bucket's own lock, then that of the open buckets. Whoever waits for a bucket that reads its index may
//! wait for long, and the others are to be found meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use s3s::{S3Result, s3_error};
use tokio::sync::Mutex;

use super::bucket::{Bucket, BucketMeta, Listed};
use super::error::{StoreError, chain};
use super::now_ms;
use super::work::{blocking, to_its_end};
use crate::fs;

/// The store; one per root folder and process.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    open: Mutex<HashMap<String, Arc<Bucket>>>,
}

/// What came of a creation.
#[derive(Debug, PartialEq, Eq)]
pub enum Creation {
    Created,
    AlreadyThere,
}

/// Which buckets may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Only {
    Empty,
    Any,
}

impl Store {
    /// Makes the folders and clears what an earlier process left half-done. Blocks.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        fs::remove_dir_all(root.join("tmp"))?;
        for folder in ["tmp", "buckets"] {
            fs::create_dir_all(root.join(folder), 0o700)?;
        }
        Ok(Self { root: root.to_path_buf(), open: Mutex::default() })
    }

    /// A new path for a file or folder in the making, on the file system of the buckets.
    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp").join(uuid::Uuid::new_v4().simple().to_string())
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join("buckets").join(name)
    }

    /// All buckets by name.
    pub async fn list(&self) -> S3Result<BTreeMap<String, Listed>> {
        let folder = self.root.join("buckets");
        let list = move || {
            let mut buckets = BTreeMap::new();
            for path in fs::list_dir(folder)? {
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                let listed = match BucketMeta::read(&path) {
                    Ok(Some(meta)) => Listed::Readable(meta),
                    Ok(None) => continue,
                    Err(error) => Listed::Unreadable { unreadable: chain(&error) },
                };
                buckets.insert(name.to_owned(), listed);
            }
            Ok(buckets)
        };
        Ok(blocking(list).await?)
    }

    /// The bucket of that name; `NoSuchBucket` when there is none.
    pub async fn bucket(&self, name: &str) -> S3Result<Arc<Bucket>> {
        let mut open = self.open.lock().await;
        let folder = self.folder(name);
        if fs::metadata(folder.join(BucketMeta::FILE)).map_err(StoreError::from)?.is_none() {
            // Also when somebody removed the folder by hand: what is open no longer counts.
            if let Some(bucket) = open.remove(name) {
                bucket.leave();
            }
            return Err(s3_error!(NoSuchBucket));
        }
        if let Some(bucket) = open.get(name) {
            return Ok(Arc::clone(bucket));
        }
        // One small file, on this thread: the others may all be at the index of some bucket.
        let meta = BucketMeta::read(&folder)?.ok_or_else(|| s3_error!(NoSuchBucket))?;
        let bucket = Arc::new(Bucket::new(folder, meta));
        open.insert(name.to_owned(), Arc::clone(&bucket));
        Ok(bucket)
    }

    /// Makes a bucket with its tags in one step.
    pub async fn create(
        self: &Arc<Self>,
        name: &str,
        tags: BTreeMap<String, String>,
    ) -> S3Result<Creation> {
        let (store, name) = (Arc::clone(self), name.to_owned());
        to_its_end(async move {
            let mut open = store.open.lock().await;
            let (temporary, folder) = (store.temporary(), store.folder(&name));
            let create = move || {
                if fs::metadata(&folder)?.is_some() {
                    return Ok(Creation::AlreadyThere);
                }
                fs::create_dir_all(temporary.join("objects"), 0o700)?;
                fs::create_dir_all(temporary.join("uploads"), 0o700)?;
                let meta = BucketMeta { created_ms: now_ms(), tags, ..BucketMeta::default() };
                meta.write(&temporary)?;
                fs::rename(&temporary, &folder)?;
                Ok(Creation::Created)
            };
            let creation = blocking(create).await?;
            // One by that name whose folder somebody removed by hand.
            if creation == Creation::Created
                && let Some(former) = open.remove(&name)
            {
                former.leave();
            }
            Ok(creation)
        })
        .await
    }

    /// Removes a bucket without objects; `BucketNotEmpty` otherwise.
    pub async fn delete(self: &Arc<Self>, name: &str) -> S3Result<()> {
        self.take_away(name, Only::Empty).await
    }

    /// Removes a bucket with all that is in it, also what cannot be read.
    pub async fn purge(self: &Arc<Self>, name: &str) -> S3Result<()> {
        self.take_away(name, Only::Any).await
    }

    async fn take_away(self: &Arc<Self>, name: &str, only: Only) -> S3Result<()> {
        let (store, name) = (Arc::clone(self), name.to_owned());
        to_its_end(async move {
            let bucket = store.bucket(&name).await?;
            let state = bucket.lock().await?;
            let folder = store.still_at(&name, &state.folder)?;
            if only == Only::Empty && !state.is_empty().await? {
                return Err(s3_error!(BucketNotEmpty));
            }
            let mut open = store.open.lock().await;
            let temporary = store.temporary();
            let moved = temporary.clone();
            blocking(move || Ok(fs::rename(folder, moved)?)).await?;
            bucket.leave();
            open.remove(&name);
            // The bucket is gone already, and nobody has to wait: what stays behind is cleared at the next start.
            tokio::spawn(async move {
                if let Err(error) = blocking(move || Ok(fs::remove_dir_all(temporary)?)).await {
                    tracing::warn!(error = %chain(&error), "cannot clear away a removed bucket");
                }
            });
            Ok(())
        })
        .await
    }

    /// Gives a bucket another name. Requests under way end in the renamed bucket, so nothing is lost.
    ///
    /// `NoSuchBucket`: there is no `from`; `BucketAlreadyExists`: `to` is taken.
    pub async fn rename(self: &Arc<Self>, from: &str, to: &str) -> S3Result<()> {
        let (store, from, to) = (Arc::clone(self), from.to_owned(), to.to_owned());
        to_its_end(async move {
            let bucket = store.bucket(&from).await?;
            let mut state = bucket.lock().await?;
            let source = store.still_at(&from, &state.folder)?;
            let mut open = store.open.lock().await;
            let target = store.folder(&to);
            let destination = target.clone();
            let rename = move || {
                if fs::metadata(&destination)?.is_some() {
                    return Ok(false);
                }
                fs::rename(source, destination)?;
                Ok(true)
            };
            if !blocking(rename).await? {
                return Err(s3_error!(BucketAlreadyExists));
            }
            state.folder = target;
            open.remove(&from);
            if let Some(former) = open.insert(to, Arc::clone(&bucket)) {
                former.leave();
            }
            Ok(())
        })
        .await
    }

    /// The folder of a bucket that nobody renamed while we waited for it.
    fn still_at(&self, name: &str, folder: &Path) -> S3Result<PathBuf> {
        let expected = self.folder(name);
        if folder == expected { Ok(expected) } else { Err(s3_error!(NoSuchBucket)) }
    }
}
