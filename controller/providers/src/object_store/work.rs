//! Work that does not depend on the task of a request: on files, off the runtime's thread; and in several steps that
//! belong together.

use s3s::S3Result;

use super::error::StoreError;

/// Runs file work off the runtime's thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // The work was cancelled because the server stops, or it panicked: an error for the client either way.
        Err(error) => Err(StoreError::Runtime(std::io::Error::other(error))),
    }
}

/// Runs a change to its end, whatever becomes of the client: the future of a request is dropped when its connection
/// breaks, and a file that was renamed by then would stay out of the index for good.
pub async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = S3Result<T>> + Send + 'static,
) -> S3Result<T> {
    match tokio::spawn(change).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Runtime(std::io::Error::other(error)).into()),
    }
}
