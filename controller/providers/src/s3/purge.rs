//! Empties a bucket: objects, their versions, and uploads that nobody finished. Resumable at any point.

use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};

use super::error::{Effect, S3Error};
use super::remote::{Remote, unsendable};

/// Writers may still be at it: after this many rounds the next attempt is the engine's.
const ROUNDS: usize = 3;

/// Empties and deletes a bucket, whose mark the caller has checked.
pub async fn purge(remote: &Remote, bucket: &str) -> Result<(), S3Error> {
    let mut round = 1;
    loop {
        let emptied = empty(remote, bucket).await;
        if matches!(&emptied, Err(error) if error.code() == Some("NoSuchBucket")) {
            return Ok(());
        }
        emptied?;
        match remote.delete(bucket).await {
            Err(error) if error.code() == Some("BucketNotEmpty") && round < ROUNDS => round += 1,
            result => return result,
        }
    }
}

async fn empty(remote: &Remote, bucket: &str) -> Result<(), S3Error> {
    match versions(remote, bucket).await {
        Err(error) if error.is_unsupported() => objects(remote, bucket).await?,
        result => result?,
    }
    match uploads(remote, bucket).await {
        Err(error) if error.is_unsupported() => Ok(()),
        result => result,
    }
}

/// Deletes page by page, once through: what a store lists and cannot delete does not keep us here for ever.
async fn versions(remote: &Remote, bucket: &str) -> Result<(), S3Error> {
    let mut next = (None, None);
    loop {
        let request = remote.client.list_object_versions().bucket(bucket);
        let request = request.set_key_marker(next.0.clone()).set_version_id_marker(next.1.clone());
        let result = request.encoding_type(EncodingType::Url).send().await;
        let action = format!("list versions in {bucket}");
        let page = result.map_err(|error| remote.sort(error, action, Effect::Reads))?;
        let encoding = page.encoding_type();
        let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers =
            page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let found = versions
            .chain(markers)
            .filter_map(|(key, version)| Some((decode(key?, encoding), version.map(str::to_owned))))
            .collect();
        delete(remote, bucket, found).await?;
        let key = page.next_key_marker().map(|key| decode(key, encoding));
        let after = (key, page.next_version_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) || after == next {
            return Ok(());
        }
        next = after;
    }
}

async fn objects(remote: &Remote, bucket: &str) -> Result<(), S3Error> {
    let mut next = None;
    loop {
        let request = remote.client.list_objects_v2().bucket(bucket);
        let request = request.set_continuation_token(next.clone());
        let result = request.encoding_type(EncodingType::Url).send().await;
        let action = format!("list objects in {bucket}");
        let page = result.map_err(|error| remote.sort(error, action, Effect::Reads))?;
        let found = page
            .contents()
            .iter()
            .filter_map(|object| Some((decode(object.key()?, page.encoding_type()), None)))
            .collect();
        delete(remote, bucket, found).await?;
        let after = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() != Some(true) || after == next {
            return Ok(());
        }
        next = after;
    }
}

async fn delete(
    remote: &Remote,
    bucket: &str,
    found: Vec<(String, Option<String>)>,
) -> Result<(), S3Error> {
    let action = format!("delete objects in {bucket}");
    let (plain, odd): (Vec<_>, Vec<_>) = found.into_iter().partition(|(key, _)| is_xml(key));
    for (key, version) in odd {
        let request = remote.client.delete_object().bucket(bucket).key(key);
        let result = request.set_version_id(version).send().await;
        result.map_err(|error| remote.sort(error, &action, Effect::Changes))?;
    }
    // At most 1,000 a call: a page of versions and markers may hold more.
    for chunk in plain.chunks(1000) {
        let objects: Result<Vec<_>, _> = chunk
            .iter()
            .map(|(key, version)| {
                ObjectIdentifier::builder().key(key).set_version_id(version.clone()).build()
            })
            .collect();
        let delete = objects
            .and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build())
            .map_err(|error| unsendable(&action, error))?;
        let answer = remote
            .client
            .delete_objects()
            .bucket(bucket)
            .delete(delete)
            .send()
            .await
            .map_err(|error| remote.sort(error, &action, Effect::Changes))?;
        if let Some(error) = answer.errors().first() {
            return Err(S3Error::Refused {
                action: format!("delete {} in {bucket}", error.key().unwrap_or("an object")),
                status: 200,
                code: error.code().unwrap_or("unknown").to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            });
        }
    }
    Ok(())
}

/// A key as it is. Listings are asked for in percent-encoding, because XML cannot hold every character.
fn decode(key: &str, encoding: Option<&EncodingType>) -> String {
    if encoding != Some(&EncodingType::Url) {
        return key.to_owned();
    }
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = key.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Whether a request in XML can name the key.
fn is_xml(key: &str) -> bool {
    key.chars().all(|c| matches!(c, ' '..='\u{fffd}' | '\u{10000}'..) && c != '\u{7f}')
}

async fn uploads(remote: &Remote, bucket: &str) -> Result<(), S3Error> {
    let mut next = (None, None);
    loop {
        let request = remote.client.list_multipart_uploads().bucket(bucket);
        let request = request.set_key_marker(next.0.clone()).set_upload_id_marker(next.1.clone());
        let result = request.encoding_type(EncodingType::Url).send().await;
        let action = format!("list uploads in {bucket}");
        let page = result.map_err(|error| remote.sort(error, action, Effect::Reads))?;
        let encoding = page.encoding_type();
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            let request = remote.client.abort_multipart_upload().bucket(bucket).upload_id(id);
            let result = request.key(decode(key, encoding)).send().await;
            let action = format!("abort an upload in {bucket}");
            match result.map_err(|error| remote.sort(error, action, Effect::Changes)) {
                // Finished or aborted by somebody since the listing.
                Err(error) if error.code() == Some("NoSuchUpload") => {}
                result => drop(result?),
            }
        }
        let key = page.next_key_marker().map(|key| decode(key, encoding));
        let after = (key, page.next_upload_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) || after == next {
            return Ok(());
        }
        next = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_decoded_as_stores_encode_them() {
        let url = |key| decode(key, Some(&EncodingType::Url));
        assert_eq!(url("a+b%20c%2B%C3%BC%01"), "a b c+ü\u{1}");
        assert_eq!(url("100%"), "100%");
        assert_eq!(decode("a+b%20", None), "a+b%20");
        assert!(is_xml("ü 😀") && !is_xml("\u{1}") && !is_xml("\u{ffff}"));
    }
}
