//! Multipart uploads: begin, parts, list, complete, abort.

use std::sync::Arc;

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyPartResult, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListPartsInput, ListPartsOutput, MultipartUpload, Part, Range, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Result, s3_error};

use super::dto::{attributes, claims, with_checksums};
use super::listings::encode;
use super::objects::source;
use super::read::span;
use super::write::{copy_of, pour, receive};
use super::{Api, in_xml, signed, timestamp};
use crate::object_store::bucket::{Bucket, Condition};
use crate::object_store::now_ms;
use crate::object_store::object_file::{
    self, Attributes, Digests, ObjectMeta, ObjectWriter, hex, unhex,
};
use crate::object_store::upload::{self, UploadInfo};
use crate::object_store::work::blocking;

/// The least size of a part that is not the last one, as S3 has it.
const PART_MIN: u64 = 5 << 20;
const PAGE: usize = 1000;

pub async fn create(
    api: &Api,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<CreateMultipartUploadOutput> {
    let input = request.input;
    let bucket = api.store.bucket(&input.bucket).await?;
    let key = input.key.clone();
    let info = UploadInfo { key, initiated_ms: now_ms(), attributes: attributes!(input) };
    let id = upload::begin(&api.store, &bucket, info).await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: in_xml(&input.key),
        upload_id: Some(id),
        checksum_algorithm: input.checksum_algorithm,
        ..CreateMultipartUploadOutput::default()
    })
}

pub async fn upload_part(
    api: &Api,
    request: S3Request<UploadPartInput>,
) -> S3Result<UploadPartOutput> {
    let input = request.input;
    let target =
        Target::find(api, &input.bucket, &input.key, input.upload_id, input.part_number).await?;
    let claims = claims!(input, request.trailing_headers);
    let (writer, digests) = receive(&api.store, input.body, claims).await?;
    let meta = target.put(writer, digests).await?;
    Ok(with_checksums!(meta.checksums, UploadPartOutput { e_tag: Some(ETag::Strong(meta.etag)) }))
}

pub async fn upload_part_copy(
    api: &Api,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<UploadPartCopyOutput> {
    let input = request.input;
    let (from_bucket, from_key) = source(&input.copy_source)?;
    let (file, from) = api.store.bucket(from_bucket).await?.open(from_key).await?;
    let target =
        Target::find(api, &input.bucket, &input.key, input.upload_id, input.part_number).await?;
    let range = match &input.copy_source_range {
        Some(text) => {
            let range = Range::parse(text)
                .map_err(|_| s3_error!(InvalidArgument, "The range is not valid"))?;
            span(&range, from.size)?
        }
        None => (0, from.size),
    };
    let (writer, digests) = copy_of(&api.store, file, range).await?;
    let meta = target.put(writer, digests).await?;
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(CopyPartResult {
            e_tag: Some(ETag::Strong(meta.etag)),
            last_modified: Some(timestamp(meta.modified_ms)),
            ..CopyPartResult::default()
        }),
        ..UploadPartCopyOutput::default()
    })
}

pub async fn list_parts(
    api: &Api,
    request: S3Request<ListPartsInput>,
) -> S3Result<ListPartsOutput> {
    let input = request.input;
    let bucket = api.store.bucket(&input.bucket).await?;
    let (folder, _) = upload::find(&bucket, &input.upload_id, &input.key).await?;
    let after = input.part_number_marker.unwrap_or(0);
    let limit = input.max_parts.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE).min(PAGE);
    let read = move || {
        let mut found = Vec::new();
        for (number, path) in upload::parts(&folder)? {
            if number > after
                && let Some((_, meta)) = object_file::open(&path)?
            {
                found.push((number, meta));
            }
        }
        Ok(found)
    };
    let mut found = blocking(read).await?;
    let truncated = found.len() > limit;
    found.truncate(limit);
    Ok(ListPartsOutput {
        bucket: Some(input.bucket),
        key: in_xml(&input.key),
        upload_id: Some(input.upload_id),
        is_truncated: Some(truncated),
        part_number_marker: Some(after),
        next_part_number_marker: found.last().map(|(number, _)| *number).filter(|_| truncated),
        max_parts: i32::try_from(limit).ok(),
        parts: Some(
            found
                .into_iter()
                .map(|(number, meta)| Part {
                    part_number: Some(number),
                    size: Some(signed(meta.size)),
                    e_tag: Some(ETag::Strong(meta.etag)),
                    last_modified: Some(timestamp(meta.modified_ms)),
                    ..Part::default()
                })
                .collect(),
        ),
        ..ListPartsOutput::default()
    })
}

/// All uploads on one page per thousand, sorted by key and id.
pub async fn list_uploads(
    api: &Api,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    let input = request.input;
    let encode = |text: &str| encode(text, input.encoding_type.as_ref());
    let uploads = api.store.bucket(&input.bucket).await?.lock().await?.uploads();
    let prefix = input.prefix.clone().unwrap_or_default();
    let after = (
        input.key_marker.clone().unwrap_or_default(),
        input.upload_id_marker.clone().unwrap_or_default(),
    );
    let limit =
        input.max_uploads.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE).min(PAGE);
    let mut found: Vec<_> = upload::list(&uploads)
        .await?
        .into_iter()
        .map(|(id, info)| (info.key, id, info.initiated_ms))
        .filter(|(key, id, _)| {
            let past = if after.1.is_empty() {
                after.0.is_empty() || *key > after.0
            } else {
                (key, id) > (&after.0, &after.1)
            };
            past && key.starts_with(&prefix)
        })
        .collect();
    found.sort();
    let truncated = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| truncated).cloned();
    Ok(ListMultipartUploadsOutput {
        prefix: input.prefix.as_deref().map(encode),
        key_marker: input.key_marker.as_deref().map(encode),
        is_truncated: Some(truncated),
        max_uploads: i32::try_from(limit).ok(),
        next_key_marker: last.as_ref().map(|(key, ..)| encode(key)),
        next_upload_id_marker: last.map(|(_, id, _)| id),
        uploads: Some(
            found
                .into_iter()
                .map(|(key, id, initiated_ms)| MultipartUpload {
                    key: Some(encode(&key)),
                    upload_id: Some(id),
                    initiated: Some(timestamp(initiated_ms)),
                    ..MultipartUpload::default()
                })
                .collect(),
        ),
        upload_id_marker: input.upload_id_marker,
        bucket: Some(input.bucket),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

pub async fn complete(
    api: &Api,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<CompleteMultipartUploadOutput> {
    let input = request.input;
    let bucket = api.store.bucket(&input.bucket).await?;
    let (_, info) = upload::find(&bucket, &input.upload_id, &input.key).await?;
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    if named.is_empty() {
        return Err(s3_error!(MalformedXML, "At least one part must be named"));
    }
    let mut parts: Vec<(i32, ObjectMeta)> = Vec::with_capacity(named.len());
    for part in &named {
        let number = part.part_number.unwrap_or_default();
        if number <= parts.last().map_or(0, |(previous, _)| *previous) {
            return Err(s3_error!(InvalidPartOrder, "The parts are not in ascending order"));
        }
        let Some((_, meta)) = upload::open_part(&bucket, &input.upload_id, number).await? else {
            return Err(s3_error!(InvalidPart, "Part {number} was not uploaded"));
        };
        if part.e_tag.as_ref().is_some_and(|etag| etag.value() != meta.etag) {
            return Err(s3_error!(InvalidPart, "Part {number} was uploaded with another ETag"));
        }
        parts.push((number, meta));
    }
    if parts.iter().rev().skip(1).any(|(_, meta)| meta.size < PART_MIN) {
        return Err(s3_error!(EntityTooSmall, "Every part but the last must have 5 MiB or more"));
    }

    let mut writer = ObjectWriter::create(api.store.temporary(), ChecksumHasher::default()).await?;
    let (mut etags, count) = (Md5::new(), parts.len());
    for (number, part) in parts {
        // Opened again, for there can be more parts than a process may have files open.
        match upload::open_part(&bucket, &input.upload_id, number).await? {
            Some((file, meta)) if meta.etag == part.etag => {
                pour(file, (0, meta.size), &mut writer).await?;
            }
            _ => return Err(s3_error!(InvalidPart, "Part {number} changed meanwhile")),
        }
        etags.update(&unhex(&part.etag).unwrap_or_default());
    }
    let mut meta = ObjectMeta::new(input.key, info.attributes, writer.digests());
    meta.etag = format!("{}-{count}", hex(etags.finalize().as_ref()));
    let sealed = writer.seal(meta).await?;
    let condition =
        Condition { if_match: input.if_match, if_none_match: input.if_none_match, still: None };
    let meta = bucket.commit(sealed, condition).await?;
    upload::remove(&api.store, &bucket, &input.upload_id).await?;
    Ok(CompleteMultipartUploadOutput {
        location: in_xml(&meta.key).map(|key| format!("/{}/{key}", input.bucket)),
        bucket: Some(input.bucket),
        key: in_xml(&meta.key),
        e_tag: Some(ETag::Strong(meta.etag)),
        ..CompleteMultipartUploadOutput::default()
    })
}

pub async fn abort(
    api: &Api,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<AbortMultipartUploadOutput> {
    let input = request.input;
    let bucket = api.store.bucket(&input.bucket).await?;
    upload::find(&bucket, &input.upload_id, &input.key).await?;
    upload::remove(&api.store, &bucket, &input.upload_id).await?;
    Ok(AbortMultipartUploadOutput::default())
}

/// Where a part goes.
struct Target {
    bucket: Arc<Bucket>,
    id: String,
    number: i32,
}

impl Target {
    async fn find(api: &Api, bucket: &str, key: &str, id: String, number: i32) -> S3Result<Self> {
        if !(1..=10_000).contains(&number) {
            return Err(s3_error!(InvalidArgument, "A part number lies between 1 and 10000"));
        }
        let bucket = api.store.bucket(bucket).await?;
        upload::find(&bucket, &id, key).await?;
        Ok(Self { bucket, id, number })
    }

    async fn put(self, writer: ObjectWriter, digests: Digests) -> S3Result<ObjectMeta> {
        let meta = ObjectMeta::new(String::new(), Attributes::default(), digests);
        let sealed = writer.seal(meta).await?;
        upload::put_part(&self.bucket, &self.id, self.number, sealed).await
    }
}
