//! `leaks`: what carries our mark and is of no object that is known, and its removal by name.

use agent_harness_model::api::{Audit, RemoveLeaks, Removed};
use axum::Json;
use axum::extract::State;

use super::Control;
use super::answer::Refusal;
use super::figures::outside;
use crate::leaks;

/// `GET /v1/leaks`
pub async fn list(State(control): State<Control>) -> Result<Json<Audit>, Refusal> {
    Ok(Json(leaks::audit(&control.core, &outside(&control)?, true).await))
}

/// `POST /v1/leaks/remove`
pub async fn remove(
    State(control): State<Control>,
    Json(request): Json<RemoveLeaks>,
) -> Result<Json<Vec<Removed>>, Refusal> {
    Ok(Json(leaks::remove(&control.core, &outside(&control)?, &request.names).await))
}
