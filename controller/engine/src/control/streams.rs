//! Answers that go on: one JSON value a line.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use agent_harness_model::api::{DownRequest, ErrorBody};
use agent_harness_model::id::ObjectKey;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::Control;
use super::answer::Refusal;
use crate::core::Progress;
use crate::publish;

pub(super) type Lines = mpsc::Sender<Result<Bytes, Infallible>>;

/// `GET /v1/watch`
pub async fn watch(State(control): State<Control>) -> Response {
    let (lines, response) = stream();
    tokio::spawn(async move {
        control.core.until(Progress::Working).await;
        // Subscribed before the first look, so nothing falls in between.
        let mut news = control.core.news.subscribe();
        let mut pending: BTreeSet<ObjectKey> =
            publish::objects(&control.core).into_keys().collect();
        let mut last = BTreeMap::new();
        loop {
            for key in std::mem::take(&mut pending) {
                let now = publish::one(&control.core, &key);
                let object = match now {
                    Some(object) => {
                        last.insert(key, object.clone());
                        object
                    }
                    // Its last words: the same object, leaving, without a status.
                    None => match last.remove(&key) {
                        Some(mut object) => {
                            let now = jiff::Timestamp::now();
                            object.metadata.deletion_timestamp.get_or_insert(now);
                            object.status = None;
                            object
                        }
                        None => continue,
                    },
                };
                if send(&lines, &object).await.is_none() {
                    return;
                }
            }
            tokio::select! {
                changed = news.recv() => match changed {
                    Ok(news) => {
                        pending.insert(news.0);
                    }
                    Err(RecvError::Lagged(_)) => {
                        pending.extend(control.core.keys());
                        pending.extend(last.keys().cloned());
                    }
                    Err(RecvError::Closed) => return,
                },
                () = lines.closed() => return,
                () = control.stop.cancelled() => return,
            }
        }
    });
    response
}

#[derive(Debug, serde::Deserialize)]
pub struct EventsQuery {
    object: Option<String>,
    #[serde(default)]
    follow: bool,
}

/// `GET /v1/events?object=KIND/NAME&follow=true`
pub async fn events(
    State(control): State<Control>,
    Query(query): Query<EventsQuery>,
) -> Result<Response, Refusal> {
    let object = match query.object.as_deref().map(str::parse::<ObjectKey>) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(error)) => return Err(Refusal::NotFound(error.to_string())),
    };
    let (lines, response) = stream();
    tokio::spawn(async move {
        let (past, mut news) = control.core.events.follow(object.as_ref());
        for event in past {
            if send(&lines, &event).await.is_none() {
                return;
            }
        }
        if !query.follow {
            return;
        }
        loop {
            tokio::select! {
                event = news.next() => if send(&lines, &event).await.is_none() {
                    return;
                },
                () = lines.closed() => return,
                () = control.stop.cancelled() => return,
            }
        }
    });
    Ok(response)
}

/// `POST /v1/down`
pub async fn down(
    State(control): State<Control>,
    Json(request): Json<DownRequest>,
) -> Result<Response, Refusal> {
    let (lines, response) = stream();
    // Goes on when nobody listens any more.
    tokio::spawn(async move {
        let mut news = control.core.events.follow(None).1;
        let work = control.outside.down(request.purge);
        tokio::pin!(work);
        let result = loop {
            tokio::select! {
                result = &mut work => break result,
                event = news.next() => {
                    let _ = send(&lines, &event).await;
                }
            }
        };
        while let Some(event) = news.try_next() {
            let _ = send(&lines, &event).await;
        }
        if let Err(error) = result {
            let message = crate::facts::chain(&error);
            tracing::error!("{message}");
            let _ = send(&lines, &ErrorBody { message, diagnostics: Vec::new() }).await;
        }
        control.core.advance(Progress::Down);
    });
    Ok(response)
}

pub(super) fn stream() -> (Lines, Response) {
    let (lines, received) = mpsc::channel(64);
    let body = Body::from_stream(ReceiverStream::new(received));
    (lines, ([(header::CONTENT_TYPE, "application/jsonl")], body).into_response())
}

/// Sends one value; `None` when nobody listens any more.
pub(super) async fn send<T: Serialize>(lines: &Lines, value: &T) -> Option<()> {
    let mut line = serde_json::to_vec(value).ok()?;
    line.push(b'\n');
    lines.send(Ok(Bytes::from(line))).await.ok()
}
