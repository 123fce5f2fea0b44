//! Takes data in: streams a body into a new object file and compares it with what the client said it would be, or
//! copies what is there.

use std::io::SeekFrom;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Result, TrailingHeaders, s3_error};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_stream::StreamExt as _;

use crate::object_store::error::StoreError;
use crate::object_store::object_file::{Checksums, Digests, ObjectWriter};
use crate::object_store::store::Store;

/// How much of a file is read at once.
pub const READ_SIZE: usize = 64 << 10;

/// What the client said about the body; checksums may follow it as trailing headers.
#[derive(Debug, Default)]
pub struct Claims {
    pub algorithm: Option<ChecksumAlgorithm>,
    pub checksums: Checksums,
    /// `Content-MD5`, in base64.
    pub content_md5: Option<String>,
    pub content_length: Option<i64>,
    pub trailers: Option<TrailingHeaders>,
}

impl Claims {
    fn hasher(&self) -> S3Result<ChecksumHasher> {
        let mut hasher = ChecksumHasher::default();
        let named = self.algorithm.as_ref().map(ChecksumAlgorithm::as_str);
        let known = [
            ChecksumAlgorithm::CRC32,
            ChecksumAlgorithm::CRC32C,
            ChecksumAlgorithm::SHA1,
            ChecksumAlgorithm::SHA256,
            ChecksumAlgorithm::CRC64NVME,
        ];
        if named.is_some_and(|named| !known.contains(&named)) {
            return Err(s3_error!(NotImplemented, "This checksum algorithm is not supported"));
        }
        let wants =
            |algorithm, claimed: &Option<String>| named == Some(algorithm) || claimed.is_some();
        if wants(ChecksumAlgorithm::CRC32, &self.checksums.crc32) {
            hasher.crc32 = Some(s3s::crypto::Checksum::new());
        }
        if wants(ChecksumAlgorithm::CRC32C, &self.checksums.crc32c) {
            hasher.crc32c = Some(s3s::crypto::Checksum::new());
        }
        if wants(ChecksumAlgorithm::SHA1, &self.checksums.sha1) {
            hasher.sha1 = Some(s3s::crypto::Checksum::new());
        }
        if wants(ChecksumAlgorithm::SHA256, &self.checksums.sha256) {
            hasher.sha256 = Some(s3s::crypto::Checksum::new());
        }
        if wants(ChecksumAlgorithm::CRC64NVME, &self.checksums.crc64nvme) {
            hasher.crc64nvme = Some(s3s::crypto::Checksum::new());
        }
        Ok(hasher)
    }

    fn check(mut self, digests: &Digests) -> S3Result<()> {
        if let Some(trailers) = self.trailers.take() {
            trailers.read(|headers| {
                let read = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
                let checksums = &mut self.checksums;
                for (claimed, name) in [
                    (&mut checksums.crc32, "x-amz-checksum-crc32"),
                    (&mut checksums.crc32c, "x-amz-checksum-crc32c"),
                    (&mut checksums.sha1, "x-amz-checksum-sha1"),
                    (&mut checksums.sha256, "x-amz-checksum-sha256"),
                    (&mut checksums.crc64nvme, "x-amz-checksum-crc64nvme"),
                ] {
                    *claimed = read(name).or(claimed.take());
                }
            });
        }
        if self.content_length.is_some_and(|length| u64::try_from(length) != Ok(digests.size)) {
            return Err(s3_error!(IncompleteBody));
        }
        if self.content_md5.is_some_and(|claimed| claimed != BASE64.encode(digests.md5)) {
            return Err(s3_error!(BadDigest, "The Content-MD5 is not that of the body"));
        }
        let (claimed, found) = (&self.checksums, &digests.checksums);
        for (claimed, found) in [
            (&claimed.crc32, &found.crc32),
            (&claimed.crc32c, &found.crc32c),
            (&claimed.sha1, &found.sha1),
            (&claimed.sha256, &found.sha256),
            (&claimed.crc64nvme, &found.crc64nvme),
        ] {
            if claimed.is_some() && claimed != found {
                return Err(s3_error!(BadDigest, "The checksum is not that of the body"));
            }
        }
        Ok(())
    }
}

/// Writes a body into a temporary file of the store; nothing of it stays when the body breaks off or is not as claimed.
pub async fn receive(
    store: &Store,
    body: Option<StreamingBlob>,
    claims: Claims,
) -> S3Result<(ObjectWriter, Digests)> {
    let mut body = body.unwrap_or_else(|| StreamingBlob::from(s3s::Body::empty()));
    let mut writer = ObjectWriter::create(store.temporary(), claims.hasher()?).await?;
    while let Some(chunk) = body.next().await {
        // Also a signature of a chunk that does not hold.
        let chunk = chunk.map_err(|error| {
            let mut answer =
                s3_error!(IncompleteBody, "The body broke off or does not fit its signature");
            answer.set_source(error);
            answer
        })?;
        writer.write(&chunk).await?;
    }
    let digests = writer.digests();
    claims.check(&digests)?;
    Ok((writer, digests))
}

/// Copies `(start, length)` of an object's data into a temporary file of the store.
pub async fn copy_of(
    store: &Store,
    file: std::fs::File,
    span: (u64, u64),
) -> S3Result<(ObjectWriter, Digests)> {
    let mut writer = ObjectWriter::create(store.temporary(), ChecksumHasher::default()).await?;
    pour(file, span, &mut writer).await?;
    let digests = writer.digests();
    Ok((writer, digests))
}

/// Adds `(start, length)` of an object's data to a new object.
pub async fn pour(
    file: std::fs::File,
    (start, length): (u64, u64),
    writer: &mut ObjectWriter,
) -> S3Result<()> {
    let io = StoreError::io;
    let mut file = tokio::fs::File::from_std(file);
    file.seek(SeekFrom::Start(start)).await.map_err(io("read", "the source object"))?;
    let mut file = file.take(length);
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let read = file.read(&mut buffer).await.map_err(io("read", "the source object"))?;
        if read == 0 {
            return Ok(());
        }
        writer.write(&buffer[..read]).await?;
    }
}
