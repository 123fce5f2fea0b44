//! `hello frontend`: serves the page. Its files are read at each request, so that an edit in the
//! worktree shows at the next reload.

use std::path::Path;

use axum::extract::Path as UrlPath;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::error::Error;
use crate::{config, serve};

const FOLDER: &str = "frontend";

/// Serves until the process is asked to end.
pub async fn run() -> Result<(), Error> {
    let port = config::port("FE_PORT")?;
    config::port("PORT")?;
    let router = Router::new()
        .route("/", get(|| file("index.html")))
        .route("/config.json", get(page_config))
        .route("/{name}", get(|UrlPath(name): UrlPath<String>| async move { file(&name).await }));
    serve::serve("frontend", port, router).await
}

/// A file of the folder, if its name is one that a page has.
async fn file(name: &str) -> Response {
    let content_type = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => return (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    };
    // The router gives one decoded segment; a slash in it was written %2F and is nobody's file.
    if name.contains(['/', '\\']) || name.starts_with('.') {
        return (StatusCode::NOT_FOUND, "there is no such page\n").into_response();
    }
    match tokio::fs::read(Path::new(FOLDER).join(name)).await {
        Ok(bytes) => {
            let headers =
                [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")];
            (headers, bytes).into_response()
        }
        Err(_) => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    }
}

/// What the page has to know: whose it is, and where the API is.
async fn page_config() -> Json<Value> {
    Json(json!({
        "agent": config::agent(),
        "branch": branch().await,
        "apiPort": config::port("PORT").ok(),
        "database": config::or("PGDATABASE", ""),
        "bucket": config::or("S3_BUCKET", ""),
    }))
}

/// The branch that is checked out where this process runs, if any.
async fn branch() -> Option<String> {
    let output = Command::new("git").args(["branch", "--show-current"]).output().await.ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    Some(name.trim().to_owned()).filter(|name| output.status.success() && !name.is_empty())
}
