//! One object is one file: the data, then a footer that says all about it.
//!
//! ```text
//! data ‖ footer (JSON) ‖ length of the footer (u32, little endian) ‖ "AHOBJv1\n"
//! ```
//!
//! Data and metadata therefore appear in one rename, and a reader sees an object whole or not at all, also after a
//! `kill -9` at any instruction. The name of the file is the hash of the key, so that no key can leave the bucket.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::error::StoreError;
use super::now_ms;
use super::work::blocking;
use crate::fs;

const MAGIC: &[u8; 8] = b"AHOBJv1\n";
const TAIL: usize = 4 + MAGIC.len();
/// 2 KiB of user metadata and a few headers fit many times over.
const FOOTER_MAX: u64 = 1 << 20;

/// All that is known about an object except its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Without quotes: the MD5 of the data, or `MD5-of-MD5s` and `-parts` for a multipart upload.
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    #[serde(default)]
    pub attributes: Attributes,
    #[serde(default)]
    pub checksums: Checksums,
}

impl ObjectMeta {
    /// An object of now, with the MD5 of its data for an ETag.
    pub fn new(key: String, attributes: Attributes, digests: Digests) -> Self {
        let Digests { size, md5, checksums } = digests;
        Self { key, size, etag: hex(&md5), modified_ms: now_ms(), attributes, checksums }
    }
}

/// What the writer said about the object, given back as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    /// RFC 3339.
    pub expires: Option<String>,
    pub website_redirect_location: Option<String>,
    /// `x-amz-meta-*`.
    pub user: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// Checksums that the writer sent and that were found right, in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checksums {
    pub crc32: Option<String>,
    pub crc32c: Option<String>,
    pub sha1: Option<String>,
    pub sha256: Option<String>,
    pub crc64nvme: Option<String>,
}

impl From<s3s::dto::Checksum> for Checksums {
    fn from(from: s3s::dto::Checksum) -> Self {
        Self {
            crc32: from.checksum_crc32,
            crc32c: from.checksum_crc32c,
            sha1: from.checksum_sha1,
            sha256: from.checksum_sha256,
            crc64nvme: from.checksum_crc64nvme,
        }
    }
}

/// What the data came to.
#[derive(Debug)]
pub struct Digests {
    pub size: u64,
    pub md5: [u8; 16],
    pub checksums: Checksums,
}

/// A new object being written into a temporary file; dropped without [`ObjectWriter::seal`], the file goes.
pub struct ObjectWriter {
    temporary: Temporary,
    file: BufWriter<File>,
    size: u64,
    md5: Md5,
    hasher: ChecksumHasher,
}

impl ObjectWriter {
    /// Starts a file at `temporary`, which must be on the file system of the bucket.
    pub async fn create(temporary: PathBuf, hasher: ChecksumHasher) -> Result<Self, StoreError> {
        // File and guard come together: a client that leaves at this moment leaves no file behind.
        let create = move || {
            let file = std::fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)
                .map_err(StoreError::io("create", &temporary))?;
            Ok((Temporary(Some(temporary)), file))
        };
        let (temporary, file) = blocking(create).await?;
        Ok(Self {
            temporary,
            file: BufWriter::with_capacity(64 << 10, File::from_std(file)),
            size: 0,
            md5: Md5::new(),
            hasher,
        })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.hasher.update(bytes);
        self.file.write_all(bytes).await.map_err(StoreError::io("write", self.temporary.path()))
    }

    /// The digests of all that was written; call once, when the data is complete.
    pub fn digests(&mut self) -> Digests {
        let md5 = std::mem::replace(&mut self.md5, Md5::new());
        Digests {
            size: self.size,
            md5: md5.finalize(),
            checksums: std::mem::take(&mut self.hasher).finalize().into(),
        }
    }

    /// Appends the footer and syncs; the object exists once the result is committed to its bucket.
    ///
    /// Fails when the metadata is more than an object file can hold.
    pub async fn seal(mut self, meta: ObjectMeta) -> Result<Sealed, StoreError> {
        let footer = serde_json::to_vec(&meta).map_err(|source| StoreError::BadFile {
            path: self.temporary.path().to_path_buf(),
            what: "object footer",
            source,
        })?;
        // What nobody could open again is not acknowledged.
        let length = match u32::try_from(footer.len()) {
            Ok(length) if u64::from(length) <= FOOTER_MAX => length,
            _ => return Err(StoreError::TooMuchMetadata { bytes: footer.len() }),
        };
        let path = self.temporary.path().to_path_buf();
        let write = async {
            self.file.write_all(&footer).await?;
            self.file.write_all(&length.to_le_bytes()).await?;
            self.file.write_all(MAGIC).await?;
            self.file.flush().await?;
            self.file.get_ref().sync_data().await
        };
        write.await.map_err(StoreError::io("write", path))?;
        Ok(Sealed { temporary: self.temporary, meta })
    }
}

/// A complete object file under a temporary name.
pub struct Sealed {
    temporary: Temporary,
    meta: ObjectMeta,
}

impl Sealed {
    pub fn key(&self) -> &str {
        &self.meta.key
    }

    /// Moves the file to its place, over what was there. Blocks.
    pub fn commit(mut self, destination: &Path) -> Result<ObjectMeta, StoreError> {
        fs::rename(self.temporary.path(), destination)?;
        self.temporary.0 = None;
        Ok(self.meta)
    }
}

struct Temporary(Option<PathBuf>);

impl Temporary {
    fn path(&self) -> &Path {
        self.0.as_deref().unwrap_or(Path::new(""))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Opens an object's file, positioned at the first byte of data; `None`: there is none. Blocks.
pub fn open(path: &Path) -> Result<Option<(std::fs::File, ObjectMeta)>, StoreError> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path)(error)),
    };
    let io = |error| StoreError::io("read", path)(error);
    let damaged = |reason: String| StoreError::Damaged { path: path.to_path_buf(), reason };
    let length = file.metadata().map_err(io)?.len();
    if length < TAIL as u64 {
        return Err(damaged("it is too short".into()));
    }
    let mut tail = [0_u8; TAIL];
    file.seek(SeekFrom::Start(length - TAIL as u64)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let (size, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(damaged("it does not end as an object does".into()));
    }
    let footer = size.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    if footer > FOOTER_MAX || footer + TAIL as u64 > length {
        return Err(damaged("its footer has an impossible length".into()));
    }
    let data = length - TAIL as u64 - footer;
    file.seek(SeekFrom::Start(data)).map_err(io)?;
    let mut text = vec![0; usize::try_from(footer).unwrap_or_default()];
    file.read_exact(&mut text).map_err(io)?;
    let meta: ObjectMeta = serde_json::from_slice(&text)
        .map_err(|error| damaged(format!("its footer does not parse ({error})")))?;
    if meta.size != data {
        return Err(damaged(format!("it has {data} bytes of data, its footer says {}", meta.size)));
    }
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    Ok(Some((file, meta)))
}

/// The file name of a key: its hash.
pub fn file_name(key: &str) -> String {
    blake3::hash(key.as_bytes()).to_hex().to_string()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a text in hexadecimal; `None`: it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_metadata_than_can_be_read_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let seal = async |letters: usize| {
            let path = folder.path().join(letters.to_string());
            let writer = ObjectWriter::create(path.clone(), ChecksumHasher::default()).await?;
            let attributes = Attributes {
                user: BTreeMap::from([("k".to_owned(), "x".repeat(letters))]),
                ..Attributes::default()
            };
            let meta = ObjectMeta {
                key: "k".into(),
                size: 0,
                etag: String::new(),
                modified_ms: 0,
                attributes,
                checksums: Checksums::default(),
            };
            let meta = writer.seal(meta).await?.commit(&path)?;
            assert_eq!(open(&path)?.map(|(_, found)| found), Some(meta));
            Ok(())
        };
        seal(900_000).await.unwrap();
        let refused: Result<(), StoreError> = seal(1_100_000).await;
        assert!(matches!(refused, Err(StoreError::TooMuchMetadata { .. })), "{refused:?}");
        assert_eq!(fs::list_dir(folder.path()).unwrap().len(), 1, "nothing stays behind");
    }
}
