//! Whether the app can do its work, and with which database and bucket.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::App;
use super::reply::Refusal;
use crate::sql_folder;

/// 200 when the database answers and has all migrations, else 500 with the reason.
pub async fn get(State(app): State<App>) -> Result<Json<Value>, Refusal> {
    let pending = sql_folder::pending(&app.pool).await?;
    if !pending.is_empty() {
        return Err(Refusal::not_ready(format!(
            "the database {} is not migrated: {} did not run; run `hello migrate`",
            app.database,
            pending.join(", ")
        )));
    }
    Ok(Json(json!({
        "status": "ok",
        "agent": app.agent,
        "database": app.database,
        "bucket": app.bucket.name,
    })))
}
