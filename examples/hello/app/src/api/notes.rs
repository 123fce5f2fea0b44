//! Notes: read all, add one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::App;
use super::reply::Refusal;

/// A note as the API shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    id: i64,
    body: String,
    /// UTC, RFC 3339.
    created_at: String,
    /// `null` until the worker has counted them.
    words: Option<i32>,
    attachment: Option<Attachment>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    name: String,
    content_type: String,
    size: i64,
}

/// What a caller sends to add a note.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    body: String,
}

/// All notes, the newest first.
pub async fn list(State(app): State<App>) -> Result<Json<Vec<Note>>, Refusal> {
    let rows = sqlx::query(
        r#"SELECT n.id, n.body, n.words, a.name, a.content_type, a.size,
                  to_char(n.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
           FROM note n LEFT JOIN attachment a ON a.note_id = n.id
           ORDER BY n.id DESC LIMIT 200"#,
    )
    .fetch_all(&app.pool)
    .await?;
    Ok(Json(rows.iter().map(read).collect::<Result<_, _>>()?))
}

/// Adds a note and answers with its id.
pub async fn create(
    State(app): State<App>,
    Json(note): Json<NewNote>,
) -> Result<(StatusCode, Json<serde_json::Value>), Refusal> {
    let body = note.body.trim();
    if body.is_empty() {
        return Err(Refusal::bad_request("a note needs some text"));
    }
    let id: i64 = sqlx::query_scalar("INSERT INTO note (body) VALUES ($1) RETURNING id")
        .bind(body)
        .fetch_one(&app.pool)
        .await?;
    Ok((StatusCode::CREATED, Json(serde_json::json!({ "id": id }))))
}

fn read(row: &PgRow) -> Result<Note, sqlx::Error> {
    let name: Option<String> = row.try_get("name")?;
    let attachment = match name {
        None => None,
        Some(name) => Some(Attachment {
            name,
            content_type: row.try_get("content_type")?,
            size: row.try_get("size")?,
        }),
    };
    Ok(Note {
        id: row.try_get("id")?,
        body: row.try_get("body")?,
        created_at: row.try_get("created_at")?,
        words: row.try_get("words")?,
        attachment,
    })
}
