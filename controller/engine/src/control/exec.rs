//! A command in a service: frames in, frames out, until it ends.

use std::convert::Infallible;
use std::time::Duration;

use agent_harness_model::api::{Ended, ExecRequest, Frame, Frames};
use agent_harness_model::id::ObjectKey;
use agent_harness_model::kinds::Resource;
use agent_harness_providers::live::Live;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::Control;
use super::answer::{Refusal, key};
use super::figures::outside;
use super::objects::live;
use super::services::{self, Service};

/// How long the first frame may take: it is sent with the request.
const FIRST: Duration = Duration::from_secs(10);

/// `POST …/exec/{service}`
pub async fn exec(
    State(control): State<Control>,
    Path((kind, name, service)): Path<(String, String, String)>,
    body: Body,
) -> Result<Response, Refusal> {
    let key = key(&kind, &name)?;
    let service = services::named(&key, &live(&control, &key)?, &service)?;
    let Resource::Container(want) = &service.want else { return Err(no_container(&key, &service)) };
    let outside = outside(&control)?;
    let mut input = Input { body: body.into_data_stream(), frames: Frames::default() };
    let request = match tokio::time::timeout(FIRST, input.next()).await {
        Ok(Ok(Some(Frame::Request(request)))) if !request.command.is_empty() => request,
        Ok(Err(why)) => return Err(invalid(why)),
        Ok(Ok(_)) | Err(_) => return Err(invalid("no command was sent".to_owned())),
    };
    let (sender, mut frames) = mpsc::channel(64);
    let (bytes, received) = mpsc::channel::<Result<Bytes, Infallible>>(64);
    let (container, mark) = (want.place.container.clone(), outside.mark(&service.id));
    tokio::spawn(run(outside, container, mark, request, input, sender));
    let stop = control.stop.clone();
    tokio::spawn(async move {
        loop {
            let frame: Frame = tokio::select! {
                frame = frames.recv() => match frame {
                    Some(frame) => frame,
                    None => return,
                },
                () = bytes.closed() => return,
                () = stop.cancelled() => Frame::Ended(Ended::Failed("the controller is ending".into())),
            };
            let last = matches!(frame, Frame::Ended(_));
            let Ok(encoded) = frame.encode() else { return };
            if bytes.send(Ok(Bytes::from(encoded))).await.is_err() || last {
                return;
            }
        }
    });
    let body = Body::from_stream(ReceiverStream::new(received));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

async fn run(
    outside: Live,
    container: String,
    mark: agent_harness_model::id::Mark,
    request: ExecRequest,
    mut input: Input,
    output: mpsc::Sender<Frame>,
) {
    let (sender, typed) = mpsc::channel(64);
    let feed = tokio::spawn(async move {
        while let Ok(Some(frame)) = input.next().await {
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    let done = outside.containers().exec(&container, &mark, request, typed, output.clone()).await;
    feed.abort();
    if let Err(error) = done {
        let why = crate::facts::chain(&error);
        let _ = output.send(Frame::Ended(Ended::Failed(why))).await;
    }
}

/// What the client sends.
struct Input {
    body: axum::body::BodyDataStream,
    frames: Frames,
}

impl Input {
    /// The next frame; `None` when the client has ended its request.
    async fn next(&mut self) -> Result<Option<Frame>, String> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return Err(error.to_string()),
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.frames.push(&bytes),
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(None),
            }
        }
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::Invalid { message, diagnostics: Vec::new() }
}

fn no_container(key: &ObjectKey, service: &Service) -> Refusal {
    let name = &service.id.name;
    Refusal::Conflict(match &service.want {
        Resource::Process(_) => format!(
            "{name} of {key} is a process of this host, not a container: run the command right here"
        ),
        _ if service.is_external() => {
            format!("{name} of {key} is run by somebody else: nothing can be run inside of it")
        }
        _ if name == "postgres" => format!(
            "postgres of {key} is a process of this host, not a container: run the command right here, or open an \
             agent's database with `ctl psql NAME`"
        ),
        _ => format!(
            "{name} of {key} is a process of this host, not a container: run the command right here"
        ),
    })
}
