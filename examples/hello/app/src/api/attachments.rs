//! The file attached to a note: its bytes lie in the bucket, its name and type in the database.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;

use super::App;
use super::reply::Refusal;
use crate::attachment_key;

/// What the caller says about the file.
#[derive(Debug, Deserialize)]
pub struct About {
    /// The file's name, for the one who downloads it. Default: `attachment`.
    name: Option<String>,
}

/// Attaches a file to a note, in place of the one before.
pub async fn put(
    State(app): State<App>,
    Path(id): Path<i64>,
    Query(about): Query<About>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Result<StatusCode, Refusal> {
    let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM note WHERE id = $1)")
        .bind(id)
        .fetch_one(&app.pool)
        .await?;
    if !known {
        return Err(Refusal::not_found(format!("there is no note {id}")));
    }
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream");
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    // First the bytes: a crash between the two leaves an object that nobody sees, never a name without bytes.
    app.bucket.put(&attachment_key(id), content_type, bytes.to_vec()).await?;
    sqlx::query(
        "INSERT INTO attachment (note_id, name, content_type, size) VALUES ($1, $2, $3, $4)
         ON CONFLICT (note_id) DO UPDATE
         SET name = excluded.name, content_type = excluded.content_type, size = excluded.size",
    )
    .bind(id)
    .bind(about.name.as_deref().unwrap_or("attachment"))
    .bind(content_type)
    .bind(size)
    .execute(&app.pool)
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The attached file, always as a download: it may be anything, and must not run as a page of ours.
pub async fn get(
    State(app): State<App>,
    Path(id): Path<i64>,
) -> Result<impl IntoResponse, Refusal> {
    let missing = || Refusal::not_found(format!("note {id} has no attachment"));
    let (name, content_type): (String, String) =
        sqlx::query_as("SELECT name, content_type FROM attachment WHERE note_id = $1")
            .bind(id)
            .fetch_optional(&app.pool)
            .await?
            .ok_or_else(missing)?;
    let bytes = app.bucket.get(&attachment_key(id)).await?.ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", plain(&name))),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, bytes))
}

/// A name without what would end the quotes or the header.
fn plain(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' })
        .collect()
}
