//! Bodies that go on: lines and frames that come one by one, and frames that are sent while others come.

use std::convert::Infallible;

use agent_harness_model::api::{Frame, Frames};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body, Bytes, Incoming};
use tokio::sync::mpsc::Receiver;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::{Answer, ClientError};

/// A stream of values, one a line.
pub struct Lines {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Lines {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, buffer: Vec::new() }
    }

    /// The next value; `None` when the controller ended the stream.
    pub async fn next<T: serde::de::DeserializeOwned>(&mut self) -> Answer<Option<T>> {
        loop {
            let Some(line) = self.next_line().await? else { return Ok(None) };
            if !line.trim_ascii().is_empty() {
                return serde_json::from_slice(&line).map(Some).map_err(ClientError::Answer);
            }
        }
    }

    /// The next line as it is, without its end.
    pub async fn next_line(&mut self) -> Answer<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame.map_err(ClientError::Broken)?.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None if self.buffer.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.buffer))),
            }
        }
    }
}

/// What a command in a service writes, and how it ends.
pub struct Replies {
    body: Incoming,
    frames: Frames,
}

impl Replies {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, frames: Frames::default() }
    }

    /// The next frame; `None` when the controller ended the stream.
    pub async fn next(&mut self) -> Answer<Option<Frame>> {
        loop {
            if let Some(frame) = self.frames.next_frame().map_err(ClientError::Frame)? {
                return Ok(Some(frame));
            }
            let Some(piece) = self.body.frame().await else { return Ok(None) };
            if let Ok(data) = piece.map_err(ClientError::Broken)?.into_data() {
                self.frames.push(&data);
            }
        }
    }
}

/// A body of frames, sent as they come. One that is too large to be sent is left out; none is made here.
pub fn body(frames: Receiver<Frame>) -> impl Body<Data = Bytes, Error = Infallible> + Send + Unpin {
    let bytes = ReceiverStream::new(frames).filter_map(|frame| frame.encode().ok());
    StreamBody::new(bytes.map(|bytes| Ok(hyper::body::Frame::data(Bytes::from(bytes)))))
}
