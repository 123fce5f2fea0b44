//! Multipart uploads: one folder per upload, one object file per part.

use std::path::{Path, PathBuf};

use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::error::{StoreError, chain};
use super::object_file::{self, Attributes, ObjectMeta, Sealed};
use super::store::Store;
use super::work::blocking;
use crate::fs;

const FILE: &str = "upload.json";

/// What an upload will become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadInfo {
    pub key: String,
    /// Milliseconds since 1970.
    pub initiated_ms: i64,
    pub attributes: Attributes,
}

/// Begins an upload and answers its id.
pub async fn begin(store: &Store, bucket: &Bucket, info: UploadInfo) -> S3Result<String> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let state = bucket.lock().await?;
    let (temporary, folder) = (store.temporary(), state.uploads().join(&id));
    let write = move || {
        fs::create_dir_all(&temporary, 0o700)?;
        let path = temporary.join(FILE);
        let text = serde_json::to_vec(&info).map_err(|source| StoreError::BadFile {
            path: path.clone(),
            what: "upload",
            source,
        })?;
        fs::write_atomic(path, text, 0o600)?;
        Ok(fs::rename(temporary, folder)?)
    };
    blocking(write).await?;
    Ok(id)
}

/// The folder and description of an upload; `NoSuchUpload` when it is unknown or of another key.
pub async fn find(bucket: &Bucket, id: &str, key: &str) -> S3Result<(PathBuf, UploadInfo)> {
    let folder = folder(bucket, id).await?;
    let read = folder.clone();
    match blocking(move || info(&read)).await? {
        Some(info) if info.key == key => Ok((folder, info)),
        _ => Err(s3_error!(NoSuchUpload)),
    }
}

/// All uploads of a bucket, by id. One that does not read is logged and left out.
pub async fn list(uploads: &Path) -> S3Result<Vec<(String, UploadInfo)>> {
    let uploads = uploads.to_path_buf();
    let list = move || {
        let mut found = Vec::new();
        for path in fs::list_dir(uploads)? {
            let Some(id) = path.file_name().and_then(|name| name.to_str()) else { continue };
            match info(&path) {
                Ok(Some(info)) => found.push((id.to_owned(), info)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "an upload is left out of the listings");
                }
            }
        }
        Ok(found)
    };
    Ok(blocking(list).await?)
}

/// Forgets an upload and its parts.
pub async fn remove(store: &Store, bucket: &Bucket, id: &str) -> S3Result<()> {
    let folder = folder(bucket, id).await?;
    let temporary = store.temporary();
    let remove = move || {
        match fs::rename(folder, &temporary) {
            Err(error) if error.is_not_found() => return Ok(()),
            result => result?,
        }
        Ok(fs::remove_dir_all(temporary)?)
    };
    Ok(blocking(remove).await?)
}

/// Puts a complete part in its place, over what was there.
pub async fn put_part(
    bucket: &Bucket,
    id: &str,
    number: i32,
    sealed: Sealed,
) -> S3Result<ObjectMeta> {
    let path = part_path(&folder(bucket, id).await?, number);
    match blocking(move || sealed.commit(&path)).await {
        // Aborted, or the bucket renamed or deleted, meanwhile.
        Err(StoreError::Fs(error)) if error.is_not_found() => Err(s3_error!(NoSuchUpload)),
        result => Ok(result?),
    }
}

/// Opens a part; `None`: it was not uploaded. The bucket may have been renamed since the last look.
pub async fn open_part(
    bucket: &Bucket,
    id: &str,
    number: i32,
) -> S3Result<Option<(std::fs::File, ObjectMeta)>> {
    let path = part_path(&folder(bucket, id).await?, number);
    Ok(blocking(move || object_file::open(&path)).await?)
}

fn part_path(folder: &Path, number: i32) -> PathBuf {
    folder.join(format!("part-{number:05}"))
}

/// The numbers and files of all parts that arrived, in order. Blocks.
pub fn parts(folder: &Path) -> Result<Vec<(i32, PathBuf)>, StoreError> {
    Ok(fs::list_dir(folder)?
        .into_iter()
        .filter_map(|path| {
            let number = path.file_name()?.to_str()?.strip_prefix("part-")?.parse().ok()?;
            Some((number, path))
        })
        .collect())
}

async fn folder(bucket: &Bucket, id: &str) -> S3Result<PathBuf> {
    // The id becomes a path: only what `begin` makes is looked at.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(s3_error!(NoSuchUpload));
    }
    Ok(bucket.lock().await?.uploads().join(id))
}

fn info(folder: &Path) -> Result<Option<UploadInfo>, StoreError> {
    let path = folder.join(FILE);
    let Some(text) = fs::read_to_string_if_exists(&path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|source| StoreError::BadFile {
        path,
        what: "upload",
        source,
    })
}
