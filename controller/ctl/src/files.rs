//! Reading and writing files, with errors that name the path.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Exit, Failure};

/// The most that is read of one file: what no spec or status ever is.
pub const LIMIT: u64 = 16 * 1024 * 1024;

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no text.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
    /// It is larger than [`LIMIT`].
    #[error("{} is larger than 16 MiB: that is no spec", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
}

impl FileError {
    /// Whether the file is simply not there.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::NotText { .. } | Self::TooLarge { .. } => false,
        }
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::from_error(Exit::Failed, &error)
    }
}

/// A whole text file.
pub fn read(path: &Path) -> Result<String, FileError> {
    let bytes = read_bytes(path, LIMIT)?;
    if bytes.len() as u64 > LIMIT {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.to_owned() })
}

/// The bytes of a file, and no more than one beyond the limit.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    bytes(path, File::open(path).map_err(fail)?, limit)
}

/// The bytes of a stream that is named `path` in errors, and no more than one beyond the limit.
pub fn bytes(path: &Path, stream: impl io::Read, limit: u64) -> Result<Vec<u8>, FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    stream.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    Ok(bytes)
}

/// Writes a new file, or over an old one.
pub fn write(path: &Path, text: &str) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    File::create(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(fail)
}

/// Puts a text in the place of a file, all at once: whoever reads it meanwhile gets the old or the
/// new one. A link stays a link, and the mode stays.
pub fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let path = path.canonicalize().map_err(fail)?;
    let folder = path.parent().unwrap_or(&path);
    let put = || {
        // A name by which the controller knows whose it is, should we be killed before the end.
        let (prefix, suffix) = (format!(".ctl.{}-", std::process::id()), ".harness-tmp");
        let mut file =
            tempfile::Builder::new().prefix(&prefix).suffix(suffix).tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(path.metadata()?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(fail)
}

/// The entries of a folder, in the order of their names.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let fail = |source| FileError::Io { path: folder.to_owned(), source };
    let mut paths = std::fs::read_dir(folder)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(fail)?;
    paths.sort();
    Ok(paths)
}
