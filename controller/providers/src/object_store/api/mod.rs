//! The S3 operations of the store: each takes the request apart, calls the store, and puts the answer together.
//!
//! What is not here is answered with `NotImplemented` by `s3s`.

mod buckets;
mod dto;
mod listings;
mod multipart;
mod objects;
mod read;
mod settings;
mod tags;
mod write;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput,
    CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    DeleteBucketCorsInput, DeleteBucketCorsOutput, DeleteBucketInput, DeleteBucketLifecycleInput,
    DeleteBucketLifecycleOutput, DeleteBucketOutput, DeleteBucketTaggingInput,
    DeleteBucketTaggingOutput, DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput,
    DeleteObjectTaggingOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketCorsInput,
    GetBucketCorsOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, GetBucketLocationInput, GetBucketLocationOutput,
    GetBucketTaggingInput, GetBucketTaggingOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, GetObjectInput, GetObjectOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsInput, ListObjectsOutput,
    ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput, PutBucketCorsInput,
    PutBucketCorsOutput, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, PutBucketTaggingInput, PutBucketTaggingOutput,
    PutObjectInput, PutObjectOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Timestamp,
    TimestampFormat, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result};

use super::access::Keys;
use super::store::Store;

/// The S3 face of a store.
#[derive(Debug, Clone)]
pub struct Api {
    pub store: Arc<Store>,
    pub keys: Keys,
}

/// Declares one trait method per operation, each of which answers with what the named function returns.
macro_rules! operations {
    ($($name:ident($input:ty) -> $output:ty = $function:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Api {
            $(async fn $name(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                $function(self, request).await.map(S3Response::new)
            })*

            async fn head_object(
                &self,
                request: S3Request<HeadObjectInput>,
            ) -> S3Result<S3Response<HeadObjectOutput>> {
                read::head(self, request).await
            }
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = buckets::list;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = buckets::create;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = buckets::delete;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = buckets::head;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput = buckets::location;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = buckets::versioning;

    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput = settings::get_tags;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput = settings::put_tags;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput = settings::delete_tags;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = settings::get_cors;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = settings::put_cors;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = settings::delete_cors;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = settings::get_lifecycle;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput = settings::put_lifecycle;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput)
        -> DeleteBucketLifecycleOutput = settings::delete_lifecycle;

    list_object_versions(ListObjectVersionsInput)
        -> ListObjectVersionsOutput = listings::versions;
    list_objects(ListObjectsInput) -> ListObjectsOutput = listings::objects;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output = listings::objects_v2;

    put_object(PutObjectInput) -> PutObjectOutput = objects::put;
    get_object(GetObjectInput) -> GetObjectOutput = read::get;
    get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput = tags::get;
    put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput = tags::put;
    delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput = tags::delete;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput = objects::delete;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = objects::delete_many;
    copy_object(CopyObjectInput) -> CopyObjectOutput = objects::copy;

    create_multipart_upload(CreateMultipartUploadInput)
        -> CreateMultipartUploadOutput = multipart::create;
    upload_part(UploadPartInput) -> UploadPartOutput = multipart::upload_part;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput = multipart::upload_part_copy;
    list_parts(ListPartsInput) -> ListPartsOutput = multipart::list_parts;
    list_multipart_uploads(ListMultipartUploadsInput)
        -> ListMultipartUploadsOutput = multipart::list_uploads;
    complete_multipart_upload(CompleteMultipartUploadInput)
        -> CompleteMultipartUploadOutput = multipart::complete;
    abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput = multipart::abort;
}

fn timestamp(ms: i64) -> Timestamp {
    let ms = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    Timestamp::from(SystemTime::UNIX_EPOCH + ms)
}

/// Sizes and counts fit: no file has more than `i64::MAX` bytes.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A key in an answer. Left out where XML cannot hold it: the rest of the answer would be lost with it.
fn in_xml(key: &str) -> Option<String> {
    let fits = |c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    key.chars().all(fits).then(|| key.to_owned())
}

/// `Expires` as text.
fn expires_text(expires: Option<&Timestamp>) -> Option<String> {
    let mut text = Vec::new();
    expires?.format(TimestampFormat::DateTime, &mut text).ok()?;
    String::from_utf8(text).ok()
}

fn expires(text: Option<&str>) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::DateTime, text?).ok()
}
