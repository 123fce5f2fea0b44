//! Tags of an object: read from what a client sends, held to S3's limits, and put over those of an object that is there.

use std::collections::BTreeMap;

use s3s::dto::{
    DeleteObjectTaggingInput, DeleteObjectTaggingOutput, GetObjectTaggingInput,
    GetObjectTaggingOutput, PutObjectTaggingInput, PutObjectTaggingOutput, Tag, Tagging,
};
use s3s::xml::{Deserialize as _, Deserializer};
use s3s::{S3Request, S3Result, s3_error};

use super::Api;
use super::read::only_version;
use super::write::copy_of;
use crate::object_store::bucket::Condition;
use crate::object_store::object_file::unhex;

/// Tags of one object, by key.
pub type Tags = BTreeMap<String, String>;

/// S3's limits: tags of an object, and characters of a key and of a value.
const MOST: usize = 10;
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

pub async fn get(
    api: &Api,
    request: S3Request<GetObjectTaggingInput>,
) -> S3Result<GetObjectTaggingOutput> {
    let bucket = api.store.bucket(&request.input.bucket).await?;
    only_version(request.input.version_id.as_deref())?;
    let (_, meta) = bucket.open(&request.input.key).await?;
    let tags = meta.attributes.tags.into_iter();
    let tag_set = tags.map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
    Ok(GetObjectTaggingOutput { tag_set, version_id: None })
}

pub async fn put(
    api: &Api,
    request: S3Request<PutObjectTaggingInput>,
) -> S3Result<PutObjectTaggingOutput> {
    let input = request.input;
    let tags = of_xml(input.tagging)?;
    replace(api, &input.bucket, &input.key, input.version_id.as_deref(), tags).await?;
    Ok(PutObjectTaggingOutput::default())
}

pub async fn delete(
    api: &Api,
    request: S3Request<DeleteObjectTaggingInput>,
) -> S3Result<DeleteObjectTaggingOutput> {
    let input = request.input;
    replace(api, &input.bucket, &input.key, input.version_id.as_deref(), Tags::new()).await?;
    Ok(DeleteObjectTaggingOutput::default())
}

/// Writes the object anew with other tags and all else as it was: data and metadata are one file.
async fn replace(
    api: &Api,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    tags: Tags,
) -> S3Result<()> {
    let bucket = api.store.bucket(bucket).await?;
    only_version(version)?;
    let (file, mut meta) = bucket.open(key).await?;
    meta.attributes.tags = tags;
    let still = file.try_clone().map_err(crate::object_store::StoreError::io("open", key))?;
    let (writer, _) = copy_of(&api.store, file, (0, meta.size)).await?;
    let condition = Condition { still: Some(still), ..Condition::default() };
    bucket.commit(writer.seal(meta).await?, condition).await?;
    Ok(())
}

/// The tags of an `x-amz-tagging` header, `key=value&key=value`; a form gives them in XML.
pub fn of_text(text: Option<&str>) -> S3Result<Tags> {
    let text = text.unwrap_or_default();
    if text.trim_start().starts_with('<') {
        let tagging = Tagging::deserialize(&mut Deserializer::new(text.as_bytes()));
        return of_xml(tagging.map_err(|_| s3_error!(MalformedXML, "The tags do not parse"))?);
    }
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(key)?, decoded(value)?))
    });
    checked(pairs.collect())
}

fn of_xml(tagging: Tagging) -> S3Result<Tags> {
    checked(tagging.tag_set.into_iter().map(|tag| Some((tag.key?, tag.value?))).collect())
}

/// The tags, if S3 would take them.
fn checked(pairs: Option<Vec<(String, String)>>) -> S3Result<Tags> {
    let pairs = pairs
        .ok_or_else(|| s3_error!(InvalidTag, "A tag has a key and a value, percent-encoded"))?;
    let count = pairs.len();
    if count > MOST {
        return Err(s3_error!(InvalidTag, "An object has {MOST} tags at most"));
    }
    if pairs.iter().any(|(key, _)| key.is_empty() || key.chars().count() > KEY_MAX) {
        return Err(s3_error!(InvalidTag, "The key of a tag has 1 to {KEY_MAX} characters"));
    }
    if pairs.iter().any(|(_, value)| value.chars().count() > VALUE_MAX) {
        return Err(s3_error!(InvalidTag, "The value of a tag has {VALUE_MAX} characters at most"));
    }
    let tags: Tags = pairs.into_iter().collect();
    if tags.len() < count {
        return Err(s3_error!(InvalidTag, "Two tags have the same key"));
    }
    Ok(tags)
}

/// A text of a query without its encoding; `None`: it is none.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.extend(unhex(std::str::from_utf8(digits).ok()?)?);
                rest = after;
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match of_text(Some(text)) {
            Ok(tags) => format!("{tags:?}"),
            Err(error) => error.code().as_str().to_owned(),
        }
    }

    #[test]
    fn a_header_is_read_and_held_to_the_limits() {
        assert_eq!(said(""), "{}");
        assert_eq!(said("a=1&b%26=%C3%BC+x&c"), r#"{"a": "1", "b&": "ü x", "c": ""}"#);
        let many =
            |count: usize| (0..count).map(|it| format!("k{it}=v")).collect::<Vec<_>>().join("&");
        assert!(said(&many(10)).contains("k9"));
        let long = |key: usize, value: usize| format!("{}={}", "ü".repeat(key), "ü".repeat(value));
        assert!(said(&long(128, 256)).contains("üü"));
        for wrong in
            [&many(11), &long(129, 1), &long(1, 257), "a=1&a=2", "=1", "a=%", "a=%zz", "a=%ff"]
        {
            assert_eq!(said(wrong), "InvalidTag", "{wrong}");
        }
    }

    #[test]
    fn a_form_gives_them_in_xml() {
        let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
        let xml = |tags: &str| format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        assert_eq!(said(&xml(tag)), r#"{"a": "1"}"#);
        assert_eq!(said(&xml(&tag.repeat(2))), "InvalidTag");
        assert_eq!(said("<Tagging>"), "MalformedXML");
    }
}
