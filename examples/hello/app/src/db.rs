//! The pool of connections.

use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::config;
use crate::error::Error;

/// A pool that connects when it is first used, so that the app starts while the database is away.
pub fn pool() -> Result<PgPool, Error> {
    Ok(PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(2))
        .idle_timeout(Duration::from_mins(1))
        .connect_lazy_with(config::database()?))
}
