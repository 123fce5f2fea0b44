//! Lets the page of this agent's own frontend call the API from a browser, and no other page.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config;

/// Pages that may call.
#[derive(Debug, Clone)]
pub struct Origins(Vec<String>);

impl Origins {
    /// The page on `FE_PORT`, by both names of this host.
    pub fn from_env() -> Self {
        Self(config::port("FE_PORT").map_or_else(
            |_| Vec::new(),
            |port| ["localhost", "127.0.0.1"].map(|host| format!("http://{host}:{port}")).into(),
        ))
    }
}

/// Answers preflights, and marks answers for pages that may read them.
pub async fn allow(
    State(Origins(allowed)): State<Origins>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .filter(|origin| origin.to_str().is_ok_and(|o| allowed.iter().any(|a| a == o)))
        .cloned();
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PUT"),
        );
        headers
            .insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
    }
    response
}
