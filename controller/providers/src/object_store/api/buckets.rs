//! Create, list, find and delete buckets.

use std::collections::BTreeMap;

use s3s::dto::{
    Bucket, CreateBucketInput, CreateBucketOutput, DeleteBucketInput, DeleteBucketOutput,
    GetBucketLocationInput, GetBucketLocationOutput, GetBucketVersioningInput,
    GetBucketVersioningOutput, HeadBucketInput, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput, Owner,
};
use s3s::{S3Request, S3Result, s3_error};

use super::{Api, timestamp};
use crate::object_store::access::is_shared;
use crate::object_store::bucket::Listed;
use crate::object_store::store::Creation;

/// The header that gives a new bucket its tags in the same step, as `key=value&key=value` (percent-encoded).
pub const TAGGING_HEADER: &str = "x-amz-tagging";

pub async fn list(api: &Api, request: S3Request<ListBucketsInput>) -> S3Result<ListBucketsOutput> {
    let access_key =
        request.credentials.map(|credentials| credentials.access_key).unwrap_or_default();
    let only = if api.keys.is_root(&access_key) {
        None
    } else {
        // A key without a bucket sees none: no bucket has an empty name.
        Some(api.keys.bucket_of(&access_key).await?.unwrap_or_default())
    };
    let prefix = request.input.prefix.clone().unwrap_or_default();
    let buckets = api
        .store
        .list()
        .await?
        .into_iter()
        .filter_map(|(name, listed)| {
            // Of one whose description does not read there is more to say than that it is there, but not to everybody.
            let meta = match listed {
                Listed::Readable(meta) => Some(meta),
                Listed::Unreadable { .. } => None,
            };
            let opens = only
                .as_ref()
                .is_none_or(|only| *only == name || meta.as_ref().is_some_and(is_shared));
            (opens && name.starts_with(&prefix)).then(|| Bucket {
                name: Some(name),
                creation_date: meta.map(|meta| timestamp(meta.created_ms)),
                ..Bucket::default()
            })
        })
        .collect();
    Ok(ListBucketsOutput {
        buckets: Some(buckets),
        owner: Some(Owner { id: Some(access_key.clone()), display_name: Some(access_key) }),
        prefix: request.input.prefix,
        ..ListBucketsOutput::default()
    })
}

pub async fn create(
    api: &Api,
    request: S3Request<CreateBucketInput>,
) -> S3Result<CreateBucketOutput> {
    let name = request.input.bucket;
    let root =
        request.credentials.is_some_and(|credentials| api.keys.is_root(&credentials.access_key));
    if !root {
        return Err(match api.store.bucket(&name).await {
            Ok(_) => s3_error!(BucketAlreadyOwnedByYou, "The bucket exists and is yours"),
            Err(_) => s3_error!(AccessDenied, "The controller makes this bucket"),
        });
    }
    let tags = match request.headers.get(TAGGING_HEADER) {
        Some(value) => {
            value.to_str().ok().and_then(parse_tags).ok_or_else(|| s3_error!(InvalidTag))?
        }
        None => BTreeMap::new(),
    };
    match api.store.create(&name, tags).await? {
        Creation::Created => Ok(CreateBucketOutput { location: Some(format!("/{name}")) }),
        Creation::AlreadyThere => {
            Err(s3_error!(BucketAlreadyOwnedByYou, "The bucket exists and is yours"))
        }
    }
}

pub async fn delete(
    api: &Api,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<DeleteBucketOutput> {
    api.store.delete(&request.input.bucket).await?;
    Ok(DeleteBucketOutput::default())
}

pub async fn head(api: &Api, request: S3Request<HeadBucketInput>) -> S3Result<HeadBucketOutput> {
    api.store.bucket(&request.input.bucket).await?;
    Ok(HeadBucketOutput { bucket_region: Some("us-east-1".into()), ..HeadBucketOutput::default() })
}

pub async fn location(
    api: &Api,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<GetBucketLocationOutput> {
    api.store.bucket(&request.input.bucket).await?;
    Ok(GetBucketLocationOutput::default())
}

/// Never versioned.
pub async fn versioning(
    api: &Api,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<GetBucketVersioningOutput> {
    api.store.bucket(&request.input.bucket).await?;
    Ok(GetBucketVersioningOutput::default())
}

fn parse_tags(text: &str) -> Option<BTreeMap<String, String>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((percent_decode(key)?, percent_decode(value)?))
        })
        .collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_a_header() {
        let tags = parse_tags("a=1&b%20c=%C3%BC").unwrap();
        assert_eq!(tags, BTreeMap::from([("a".into(), "1".into()), ("b c".into(), "ü".into())]));
        assert_eq!(parse_tags("").unwrap(), BTreeMap::new());
        for bad in ["a", "a=%", "a=%zz", "a=%ff"] {
            assert_eq!(parse_tags(bad), None, "{bad}");
        }
    }
}
