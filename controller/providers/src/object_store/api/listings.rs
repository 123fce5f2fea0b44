//! `ListObjects`, `ListObjectsV2`, and `ListObjectVersions` with the one version that there is.

use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
    ObjectStorageClass, ObjectVersion,
};
use s3s::{S3Request, S3Result, s3_error};

use super::{Api, signed, timestamp};
use crate::object_store::listing::{Page, Start, page};

const PAGE: i32 = 1000;
/// The only version of every object.
pub const NULL_VERSION: &str = "null";

pub async fn objects_v2(
    api: &Api,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let start = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => Some(
            Start::parse(token)
                .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token is not valid"))?,
        ),
        (None, Some(key)) => Some(Start::AfterKey(key.clone())),
        (None, None) => None,
    };
    let query = Query::new(input.prefix, input.delimiter, input.max_keys, input.encoding_type)?;
    let page = query.run(api, &input.bucket, start.as_ref()).await?;
    let (contents, common_prefixes) = query.render(&page);
    Ok(ListObjectsV2Output {
        key_count: i32::try_from(contents.len() + common_prefixes.len()).ok(),
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(Start::token),
        continuation_token: input.continuation_token,
        start_after: input.start_after.map(|key| query.encode(&key)),
        max_keys: Some(query.limit),
        name: Some(input.bucket),
        delimiter: query.delimiter.as_deref().map(|text| query.encode(text)),
        prefix: Some(query.encode(&query.prefix)),
        encoding_type: query.encoding,
        ..ListObjectsV2Output::default()
    })
}

pub async fn objects(
    api: &Api,
    request: S3Request<ListObjectsInput>,
) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let query = Query::new(input.prefix, input.delimiter, input.max_keys, input.encoding_type)?;
    let start = query.after(input.marker.as_deref());
    let page = query.run(api, &input.bucket, start.as_ref()).await?;
    let (contents, common_prefixes) = query.render(&page);
    Ok(ListObjectsOutput {
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        is_truncated: Some(page.next.is_some()),
        next_marker: page.next.map(|next| match next {
            Start::AfterKey(text) | Start::AfterPrefix(text) => query.encode(&text),
        }),
        marker: Some(query.encode(&input.marker.unwrap_or_default())),
        max_keys: Some(query.limit),
        name: Some(input.bucket),
        delimiter: query.delimiter.as_deref().map(|text| query.encode(text)),
        prefix: Some(query.encode(&query.prefix)),
        encoding_type: query.encoding,
        ..ListObjectsOutput::default()
    })
}

/// Every object has one version, `null`, as in a bucket of S3 that was never versioned.
pub async fn versions(
    api: &Api,
    request: S3Request<ListObjectVersionsInput>,
) -> S3Result<ListObjectVersionsOutput> {
    let input = request.input;
    let query = Query::new(input.prefix, input.delimiter, input.max_keys, input.encoding_type)?;
    let start = query.after(input.key_marker.as_deref());
    let page = query.run(api, &input.bucket, start.as_ref()).await?;
    let (contents, common_prefixes) = query.render(&page);
    let versions = contents.into_iter().map(|object| ObjectVersion {
        key: object.key,
        version_id: Some(NULL_VERSION.into()),
        is_latest: Some(true),
        size: object.size,
        e_tag: object.e_tag,
        last_modified: object.last_modified,
        ..ObjectVersion::default()
    });
    Ok(ListObjectVersionsOutput {
        versions: Some(versions.collect()),
        common_prefixes: Some(common_prefixes),
        is_truncated: Some(page.next.is_some()),
        next_version_id_marker: page.next.as_ref().map(|_| NULL_VERSION.into()),
        next_key_marker: page.next.map(|next| match next {
            Start::AfterKey(text) | Start::AfterPrefix(text) => query.encode(&text),
        }),
        key_marker: Some(query.encode(&input.key_marker.unwrap_or_default())),
        max_keys: Some(query.limit),
        name: Some(input.bucket),
        delimiter: query.delimiter.as_deref().map(|text| query.encode(text)),
        prefix: Some(query.encode(&query.prefix)),
        encoding_type: query.encoding,
        ..ListObjectVersionsOutput::default()
    })
}

struct Query {
    prefix: String,
    delimiter: Option<String>,
    limit: i32,
    encoding: Option<EncodingType>,
}

impl Query {
    fn new(
        prefix: Option<String>,
        delimiter: Option<String>,
        limit: Option<i32>,
        encoding: Option<EncodingType>,
    ) -> S3Result<Self> {
        let limit = limit.unwrap_or(PAGE);
        if limit < 0 {
            return Err(s3_error!(InvalidArgument, "max-keys must not be negative"));
        }
        Ok(Self {
            prefix: prefix.unwrap_or_default(),
            delimiter: delimiter.filter(|delimiter| !delimiter.is_empty()),
            limit: limit.min(PAGE),
            encoding,
        })
    }

    /// The start that a marker names: a key, or the common prefix in which an earlier page ended.
    fn after(&self, marker: Option<&str>) -> Option<Start> {
        let marker = marker.filter(|marker| !marker.is_empty())?.to_owned();
        Some(match &self.delimiter {
            Some(delimiter) if marker.ends_with(delimiter) => Start::AfterPrefix(marker),
            _ => Start::AfterKey(marker),
        })
    }

    async fn run(&self, api: &Api, bucket: &str, start: Option<&Start>) -> S3Result<Page> {
        let bucket = api.store.bucket(bucket).await?;
        let mut state = bucket.lock().await?;
        let limit = usize::try_from(self.limit).unwrap_or_default();
        Ok(page(state.index().await?, &self.prefix, self.delimiter.as_deref(), start, limit))
    }

    fn render(&self, page: &Page) -> (Vec<Object>, Vec<CommonPrefix>) {
        let objects = page.objects.iter().map(|(key, entry)| Object {
            key: Some(self.encode(key)),
            size: Some(signed(entry.size)),
            e_tag: Some(ETag::Strong(entry.etag.clone())),
            last_modified: Some(timestamp(entry.modified_ms)),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        });
        let prefixes =
            page.prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.encode(prefix)) });
        (objects.collect(), prefixes.collect())
    }

    fn encode(&self, text: &str) -> String {
        encode(text, self.encoding.as_ref())
    }
}

/// Keys may hold characters that XML cannot: clients then ask for percent-encoding.
pub fn encode(text: &str, encoding: Option<&EncodingType>) -> String {
    use std::fmt::Write as _;
    if encoding.is_none_or(|encoding| encoding.as_str() != EncodingType::URL) {
        return text.to_owned();
    }
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
