//! Answers that are not what was asked for: each with a sentence, and diagnostics where there are some.

use agent_harness_model::api::ErrorBody;
use agent_harness_model::id::{ObjectKey, ObjectKind};
use agent_harness_model::spec::diagnostic::Diagnostic;
use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// The largest request, in bytes: a folder of hundreds of spec files, each as large as they may be at most.
pub const LARGEST: usize = 512 * 1024 * 1024;

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such object.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    Conflict(String),
    /// What was sent is wrong.
    #[error("{message}")]
    Invalid {
        /// In a sentence.
        message: String,
        /// Each thing that is wrong, at its place.
        diagnostics: Vec<Diagnostic>,
    },
    /// It cannot be answered yet.
    #[error("{0}")]
    NotYet(String),
    /// It could not be carried out.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// An object that is not there.
    pub fn no_object(key: &ObjectKey) -> Self {
        Self::NotFound(format!("there is no {key}"))
    }

    /// An error of the machine.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Failed(crate::facts::chain(error))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotYet(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let message = self.to_string();
        let diagnostics = match self {
            Self::Invalid { diagnostics, .. } => {
                diagnostics.iter().map(|diagnostic| diagnostic.render(false)).collect()
            }
            Self::NotFound(_) | Self::Conflict(_) | Self::NotYet(_) | Self::Failed(_) => Vec::new(),
        };
        (status, Json(ErrorBody { message, diagnostics })).into_response()
    }
}

/// The object that a path names.
pub fn key(kind: &str, name: &str) -> Result<ObjectKey, Refusal> {
    let kind = match kind {
        "infra" => ObjectKind::Infra,
        "stack" => ObjectKind::Stack,
        "agent" => ObjectKind::Agent,
        other => return Err(Refusal::NotFound(format!("there is no kind {other}"))),
    };
    Ok(ObjectKey::new(kind, name))
}

/// A refusal of the framework's own (no JSON, too large, a method that there is not) in the form of all others.
pub async fn in_words(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !status.is_client_error() && !status.is_server_error()
        || kind.is_some_and(|kind| kind.starts_with("application/json"))
    {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), 64 * 1024).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            "there is no such request of this method; ctl and controller may differ in version"
                .into()
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            format!("the request is larger than {} MiB: apply fewer files at once", LARGEST >> 20)
        }
        _ if said.is_empty() => status.to_string(),
        _ => said,
    };
    (status, Json(ErrorBody { message, diagnostics: Vec::new() })).into_response()
}

/// A request that nobody knows.
pub async fn no_such_request(uri: Uri) -> Refusal {
    Refusal::NotFound(format!(
        "there is no request {}; ctl and controller may differ in version",
        uri.path()
    ))
}
