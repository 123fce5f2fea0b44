//! Get and head: conditions, ranges, and what is said about an object.

use std::fs::File;
use std::io::SeekFrom;

use s3s::dto::{
    ChecksumMode, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput,
    HeadObjectOutput, Range, StreamingBlob, Timestamp,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::dto::{asked, described, with_checksums};
use super::listings::NULL_VERSION;
use super::write::READ_SIZE;
use super::{Api, expires_text, timestamp};
use crate::object_store::error::StoreError;
use crate::object_store::object_file::{Checksums, ObjectMeta};

pub async fn get(api: &Api, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    let input = request.input;
    let key = input.key.clone();
    let mut found = find(api, asked!(input)).await?;
    let tag_count = found.tag_count();
    let mut file = tokio::fs::File::from_std(found.file);
    file.seek(SeekFrom::Start(found.start)).await.map_err(StoreError::io("read", key))?;
    let body = ReaderStream::with_capacity(file.take(found.length), READ_SIZE);
    // A request may ask for other headers than the object's own.
    let own = &mut found.meta.attributes;
    for (own, asked) in [
        (&mut own.content_type, input.response_content_type),
        (&mut own.content_encoding, input.response_content_encoding),
        (&mut own.content_disposition, input.response_content_disposition),
        (&mut own.content_language, input.response_content_language),
        (&mut own.cache_control, input.response_cache_control),
        (&mut own.expires, expires_text(input.response_expires.as_ref())),
    ] {
        if asked.is_some() {
            *own = asked;
        }
    }
    Ok(described!(
        found,
        GetObjectOutput { body: Some(StreamingBlob::wrap(body)), tag_count: tag_count }
    ))
}

/// The whole response: its type has no place for the number of tags.
pub async fn head(
    api: &Api,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let input = request.input;
    let found = find(api, asked!(input)).await?;
    let tag_count = found.tag_count();
    let mut response = S3Response::new(described!(found, HeadObjectOutput {}));
    if let Some(count) = tag_count {
        response.headers.insert("x-amz-tagging-count", count.into());
    }
    Ok(response)
}

/// What is to be read, and when.
pub struct Asked {
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
    pub conditions: Conditions,
    pub range: Option<Range>,
    pub checksum_mode: Option<ChecksumMode>,
}

/// The object to read, and which of its bytes.
struct Found {
    file: File,
    meta: ObjectMeta,
    start: u64,
    length: u64,
    content_range: Option<String>,
    /// None unless they were asked for, and of a part: they are those of the whole.
    checksums: Checksums,
}

impl Found {
    /// `None`: it has no tags, and nothing is said.
    fn tag_count(&self) -> Option<i32> {
        i32::try_from(self.meta.attributes.tags.len()).ok().filter(|count| *count > 0)
    }
}

async fn find(api: &Api, asked: Asked) -> S3Result<Found> {
    let bucket = api.store.bucket(&asked.bucket).await?;
    only_version(asked.version.as_deref())?;
    let (file, meta) = bucket.open(&asked.key).await?;
    asked.conditions.check(&meta)?;
    let part = asked.range.map(|range| span(&range, meta.size)).transpose()?;
    let wanted = asked.checksum_mode.is_some_and(|mode| mode.as_str() == ChecksumMode::ENABLED);
    let checksums =
        if wanted && part.is_none() { meta.checksums.clone() } else { Checksums::default() };
    let (start, length) = part.unwrap_or((0, meta.size));
    let content_range =
        part.map(|_| format!("bytes {start}-{}/{}", start + length.saturating_sub(1), meta.size));
    Ok(Found { file, meta, start, length, content_range, checksums })
}

/// A version that never was is not the object that is there.
pub fn only_version(id: Option<&str>) -> S3Result<()> {
    match id {
        None | Some(NULL_VERSION | "") => Ok(()),
        Some(_) => Err(s3_error!(NoSuchVersion)),
    }
}

/// The start and length of a range in an object of that size.
pub fn span(range: &Range, size: u64) -> S3Result<(u64, u64)> {
    let span = range.check(size)?;
    Ok((span.start, span.end - span.start))
}

/// When an object is wanted.
pub struct Conditions {
    pub matches: Option<ETagCondition>,
    pub none_match: Option<ETagCondition>,
    pub modified_since: Option<Timestamp>,
    pub unmodified_since: Option<Timestamp>,
}

impl Conditions {
    /// RFC 9110, section 13.2.2: the tag wins over the time.
    pub fn check(&self, meta: &ObjectMeta) -> S3Result<()> {
        let fits = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == meta.etag,
        };
        // HTTP dates have whole seconds.
        let modified = timestamp(meta.modified_ms / 1000 * 1000);
        match (&self.matches, &self.unmodified_since) {
            (Some(wanted), _) if !fits(wanted) => return Err(s3_error!(PreconditionFailed)),
            (None, Some(since)) if modified > *since => return Err(s3_error!(PreconditionFailed)),
            _ => {}
        }
        match (&self.none_match, &self.modified_since) {
            (Some(known), _) if fits(known) => Err(s3_error!(NotModified)),
            (None, Some(since)) if modified <= *since => Err(s3_error!(NotModified)),
            _ => Ok(()),
        }
    }
}
