//! What can go wrong in the embedded object store outside of a single S3 request.

use std::io;
use std::path::PathBuf;

use crate::Class;
use crate::fs::FsError;

/// A failure of the server or of its files.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Streaming input or output of one file.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file of ours that does not read as what we wrote.
    #[error("{} is damaged: {reason}; move it away to go on without it", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("the metadata of an object takes {bytes} bytes, which is too much")]
    TooMuchMetadata { bytes: usize },
    /// A configuration or key file that is not what it should be.
    #[error("{} is not a valid {what}", path.display())]
    BadFile {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot listen on 127.0.0.1:{port} (is another server on this port?)")]
    Listen {
        port: u16,
        #[source]
        source: io::Error,
    },
    /// It would become a file name.
    #[error(
        "`{0}` is no access key: 3 to 128 letters, digits, `-`, `_` or `.`, and no `.` at the start"
    )]
    BadAccessKey(String),
    #[error("another object store serves {} already", .0.display())]
    InUse(PathBuf),
    #[error("cannot start the object store's runtime")]
    Runtime(#[source] io::Error),
}

impl StoreError {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    fn is_disk_full(&self) -> bool {
        let kind = match self {
            Self::Fs(error) => error.kind(),
            Self::Io { source, .. } => source.kind(),
            Self::Damaged { .. }
            | Self::TooMuchMetadata { .. }
            | Self::BadFile { .. }
            | Self::Listen { .. }
            | Self::BadAccessKey(_)
            | Self::InUse(_)
            | Self::Runtime(_) => return false,
        };
        matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// What the caller may do about it.
    pub fn class(&self) -> Class {
        match self {
            Self::Fs(error) => error.class(),
            Self::Io { .. } | Self::Listen { .. } | Self::InUse(_) | Self::Runtime(_) => {
                Class::Transient
            }
            Self::Damaged { .. }
            | Self::TooMuchMetadata { .. }
            | Self::BadFile { .. }
            | Self::BadAccessKey(_) => Class::Terminal,
        }
    }
}

impl From<StoreError> for s3s::S3Error {
    fn from(error: StoreError) -> Self {
        if let StoreError::TooMuchMetadata { .. } = error {
            return s3s::s3_error!(MetadataTooLarge, "The metadata of the object is too large");
        }
        let mut answer = if error.is_disk_full() {
            let mut full = s3s::S3Error::with_message(
                s3s::S3ErrorCode::Custom("InsufficientStorage".into()),
                "The disk of the object store is full: free some space.",
            );
            full.set_status_code(hyper::StatusCode::INSUFFICIENT_STORAGE);
            full
        } else {
            s3s::S3Error::with_message(
                s3s::S3ErrorCode::InternalError,
                // Paths of the host are not for the clients; the log has the whole chain.
                "The object store could not read or write its files; see its log.",
            )
        };
        tracing::error!(error = %chain(&error), "a request failed");
        answer.set_source(Box::new(error));
        answer
    }
}

/// An error and its sources, separated by colons.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_and_a_path_is_not() {
        let answer = |kind: io::ErrorKind| {
            let error = StoreError::io("write", "/secret/path")(kind.into());
            let answer = s3s::S3Error::from(error);
            (answer.status_code().unwrap().as_u16(), answer.message().unwrap().to_owned())
        };
        let (status, text) = answer(io::ErrorKind::StorageFull);
        assert_eq!(
            (status, text.as_str()),
            (507, "The disk of the object store is full: free some space.")
        );
        let (status, text) = answer(io::ErrorKind::Other);
        assert_eq!(status, 500);
        assert!(!text.contains("/secret"), "{text}");
    }
}
