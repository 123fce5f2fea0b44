//! Failures as HTTP answers: JSON with one `error` that says what happened.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::Error;
use crate::output;

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal(StatusCode, String);

impl Refusal {
    /// What was asked for is not there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }

    /// The request does not make sense.
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into())
    }

    /// The app is not ready to answer.
    pub fn not_ready(why: impl Into<String>) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, why.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, output::chain(&error))
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        if status.is_server_error() {
            output::line(format!("error: {message}"));
        }
        (status, Json(json!({ "error": message }))).into_response()
    }
}
