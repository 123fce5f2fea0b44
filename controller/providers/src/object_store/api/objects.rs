//! Put, copy and delete objects.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput,
    DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, Error,
    MetadataDirective, PutObjectInput, PutObjectOutput, TaggingDirective,
};
use s3s::{S3Request, S3Result, s3_error};

use super::dto::{attributes, claims, with_checksums};
use super::read::{Conditions, only_version};
use super::write::{copy_of, receive};
use super::{Api, signed, tags, timestamp};
use crate::object_store::bucket::Condition;
use crate::object_store::object_file::{Attributes, ObjectMeta};

pub async fn put(api: &Api, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let input = request.input;
    let bucket = api.store.bucket(&input.bucket).await?;
    let claims = claims!(input, request.trailing_headers);
    let (writer, digests) = receive(&api.store, input.body, claims).await?;
    let sealed = writer.seal(ObjectMeta::new(input.key, attributes!(input), digests)).await?;
    let condition =
        Condition { if_match: input.if_match, if_none_match: input.if_none_match, still: None };
    let meta = bucket.commit(sealed, condition).await?;
    Ok(with_checksums!(
        meta.checksums,
        PutObjectOutput { e_tag: Some(ETag::Strong(meta.etag)), size: Some(signed(meta.size)) }
    ))
}

pub async fn copy(api: &Api, request: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
    let input = request.input;
    let (from_bucket, from_key) = source(&input.copy_source)?;
    let replace = input
        .metadata_directive
        .as_ref()
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
    let tags = match &input.tagging_directive {
        Some(directive) if directive.as_str() == TaggingDirective::REPLACE => {
            Some(tags::of_text(input.tagging.as_deref())?)
        }
        _ => None,
    };
    if !replace && from_bucket == &*input.bucket && from_key == input.key {
        return Err(s3_error!(
            InvalidRequest,
            "A copy onto itself must change the metadata (MetadataDirective REPLACE)"
        ));
    }
    let target = api.store.bucket(&input.bucket).await?;
    let (file, mut from) = api.store.bucket(from_bucket).await?.open(from_key).await?;
    let conditions = Conditions {
        matches: input.copy_source_if_match,
        none_match: input.copy_source_if_none_match,
        modified_since: input.copy_source_if_modified_since,
        unmodified_since: input.copy_source_if_unmodified_since,
    };
    // A copy is never answered with 304.
    conditions.check(&from).map_err(|_| s3_error!(PreconditionFailed))?;
    let (writer, digests) = copy_of(&api.store, file, (0, from.size)).await?;
    let tags = tags.unwrap_or_else(|| std::mem::take(&mut from.attributes.tags));
    let attributes = if replace { attributes!(input) } else { from.attributes };
    let attributes = Attributes { tags, ..attributes };
    let mut meta = ObjectMeta::new(input.key, attributes, digests);
    meta.checksums = from.checksums;
    let meta = target.commit(writer.seal(meta).await?, Condition::default()).await?;
    Ok(CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            e_tag: Some(ETag::Strong(meta.etag)),
            last_modified: Some(timestamp(meta.modified_ms)),
            ..CopyObjectResult::default()
        }),
        ..CopyObjectOutput::default()
    })
}

pub async fn delete(
    api: &Api,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<DeleteObjectOutput> {
    let bucket = api.store.bucket(&request.input.bucket).await?;
    only_version(request.input.version_id.as_deref())?;
    bucket.remove(&request.input.key).await?;
    Ok(DeleteObjectOutput::default())
}

pub async fn delete_many(
    api: &Api,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let bucket = api.store.bucket(&request.input.bucket).await?;
    let quiet = request.input.delete.quiet.unwrap_or(false);
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in request.input.delete.objects {
        let removed = match only_version(object.version_id.as_deref()) {
            Ok(()) => bucket.remove(&object.key).await,
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) if quiet => {}
            Ok(()) => {
                deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() });
            }
            Err(error) => errors.push(Error {
                code: Some(error.code().as_str().to_owned()),
                key: Some(object.key),
                message: error.message().map(str::to_owned),
                version_id: object.version_id,
            }),
        }
    }
    Ok(DeleteObjectsOutput {
        deleted: Some(deleted),
        errors: Some(errors),
        ..DeleteObjectsOutput::default()
    })
}

/// The bucket and key to copy from.
pub fn source(source: &CopySource) -> S3Result<(&str, &str)> {
    match source {
        CopySource::Bucket { bucket, key, .. } => Ok((bucket, key)),
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(s3_error!(NotImplemented))
        }
    }
}
