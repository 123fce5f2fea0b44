//! `hello api`: the HTTP API. One module per resource.

mod attachments;
mod cors;
mod health;
mod notes;
mod reply;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use sqlx::PgPool;

use crate::error::Error;
use crate::store::Bucket;
use crate::{config, db, serve};

/// The most bytes that a request's body may have.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// What every handler can reach.
#[derive(Clone)]
struct App {
    agent: String,
    database: String,
    pool: PgPool,
    bucket: Bucket,
}

/// Serves until the process is asked to end.
pub async fn run() -> Result<(), Error> {
    let port = config::port("PORT")?;
    let app = App {
        agent: config::agent(),
        database: config::required("PGDATABASE")?,
        pool: db::pool()?,
        bucket: Bucket::from_env()?,
    };
    let router = Router::new()
        .route("/api/v1/health", get(health::get))
        .route("/api/v1/notes", get(notes::list).post(notes::create))
        .route("/api/v1/notes/{id}/attachment", get(attachments::get).put(attachments::put))
        .layer(from_fn_with_state(cors::Origins::from_env(), cors::allow))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(app);
    serve::serve("api", port, router).await
}
