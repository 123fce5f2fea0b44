//! Which logs there are of an object, and the output of containers, which only the engine has. Files are read by the
//! client: it has the same rights.

use std::convert::Infallible;
use std::path::Path as FilePath;

use agent_harness_model::api::LogFile;
use agent_harness_model::id::{ObjectKey, ObjectKind, ResourceKind};
use agent_harness_model::kinds::Resource;
use agent_harness_providers::docker::From;
use agent_harness_providers::fs;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Control;
use super::answer::{Refusal, key};
use super::objects::live;
use super::services;
use crate::leftovers;

/// `GET …/logs`: `STATE/logs/agent-agent-3/process/api.log` is `api`, `…/setup/install.log` is `setup/install`. Those of
/// an Infra are called as its services are.
pub async fn list(
    State(control): State<Control>,
    Path((kind, name)): Path<(String, String)>,
) -> Result<Json<Vec<LogFile>>, Refusal> {
    let key = key(&kind, &name)?;
    let core = &control.core;
    let root = leftovers::logs_of(&core.config.state, &core.ledger(), &key);
    let mut logs = Vec::new();
    for kind in fs::list_dir(&root).map_err(|error| Refusal::failed(&error))? {
        let Some(folder) = kind.file_name().and_then(|name| name.to_str()) else { continue };
        for path in fs::list_dir(&kind).map_err(|error| Refusal::failed(&error))? {
            if let Some(name) = log_name(&key, folder, &path) {
                logs.push(LogFile { name, path: Some(path) });
            }
        }
    }
    add_containers(&control, &key, &mut logs);
    if logs.is_empty() && !control.core.keys().contains(&key) {
        return Err(Refusal::no_object(&key));
    }
    Ok(Json(logs))
}

/// A server that was a process of ours before has a file from then; its container is what is meant now.
fn add_containers(control: &Control, key: &ObjectKey, logs: &mut Vec<LogFile>) {
    if key.kind != ObjectKind::Infra {
        return;
    }
    let Ok(object) = live(control, key) else { return };
    let services = services::of(&object).into_iter();
    for service in services.filter(|it| it.id.kind == ResourceKind::Container) {
        logs.retain(|log| log.name != service.id.name);
        logs.push(LogFile { name: service.id.name, path: None });
    }
    logs.sort_by(|a, b| a.name.cmp(&b.name));
}

fn log_name(key: &ObjectKey, kind: &str, path: &FilePath) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let bare = kind == ResourceKind::Process.as_str()
        || (key.kind == ObjectKind::Infra && kind == ResourceKind::Service.as_str());
    Some(if bare { name.to_owned() } else { format!("{kind}/{name}") })
}

#[derive(Debug, serde::Deserialize)]
pub struct StreamQuery {
    /// Milliseconds since 1970.
    since: Option<u64>,
    tail: Option<usize>,
    #[serde(default)]
    follow: bool,
}

/// `GET …/logs/{service}?since=MS&tail=N&follow=true`: the output of a container, line by line.
pub async fn stream(
    State(control): State<Control>,
    Path((kind, name, service)): Path<(String, String, String)>,
    Query(query): Query<StreamQuery>,
) -> Result<Response, Refusal> {
    let key = key(&kind, &name)?;
    let service = services::named(&key, &live(&control, &key)?, &service)?;
    let Resource::Container(want) = &service.want else {
        return Err(Refusal::Conflict(format!(
            "{} of {key} is no container: its log is a file",
            service.id.name
        )));
    };
    let outside = super::figures::outside(&control)?;
    let from = From { tail: query.tail, since_ms: query.since, follow: query.follow };
    let mark = outside.mark(&service.id);
    let lines = outside.containers().logs(&want.place.container, &mark, from).await;
    let Some(lines) = lines.map_err(|error| Refusal::failed(&error))? else {
        return Err(Refusal::Conflict(format!(
            "{} of {key} has no container now; `ctl describe {key}` says what it waits for",
            service.id.name
        )));
    };
    // Ends with the controller, however long somebody follows.
    let stop = control.stop.clone();
    let lines = ReceiverStream::new(lines).map(|line| Ok::<_, Infallible>(Bytes::from(line)));
    let lines = until(lines, stop);
    Ok(([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(lines)).into_response())
}

/// The values of a stream until it is to end.
fn until<T: Send + 'static>(
    values: impl tokio_stream::Stream<Item = T> + Send + Unpin + 'static,
    stop: tokio_util::sync::CancellationToken,
) -> ReceiverStream<T> {
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let mut values = values;
    tokio::spawn(async move {
        loop {
            let value = tokio::select! {
                value = values.next() => value,
                () = stop.cancelled() => return,
                () = sender.closed() => return,
            };
            match value {
                Some(value) => {
                    if sender.send(value).await.is_err() {
                        return;
                    }
                }
                None => return,
            }
        }
    });
    ReceiverStream::new(receiver)
}
