//! A session that holds the lock of a name on a server, and what it saw once it had the lock.

use super::catalog::Catalog;
use super::error::PgError;
use super::server::{Server, Session};

/// The session and its look. Nobody else of ours makes or removes the database meanwhile.
pub(super) struct Locked<'s> {
    pub session: Session<'s>,
    pub catalog: Catalog,
}

/// Does something while it holds the lock. Afterwards the session is handed on; after a failure it is closed:
/// what it still does, or has open, is not known.
pub(super) async fn with_lock<T>(
    server: &Server,
    name: &str,
    work: impl AsyncFnOnce(&mut Locked<'_>) -> Result<T, PgError>,
) -> Result<T, PgError> {
    let mut session = server.session().await?;
    session.lock(name).await?;
    let catalog = Catalog::read(&mut session).await?;
    let mut locked = Locked { session, catalog };
    // The whole of an action is in this future: too much for whoever awaits it to carry around.
    let done = Box::pin(work(&mut locked)).await?;
    locked.session.release().await;
    Ok(done)
}
