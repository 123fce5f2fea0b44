//! What goes to and fro while a command runs in a service: frames of one byte that says what it is, four bytes of
//! length (big-endian), and so many bytes.

use serde::{Deserialize, Serialize};

/// The most that one frame may hold: more is somebody else's protocol.
const LARGEST: usize = 16 * 1024 * 1024;
/// Bytes before the content.
const HEAD: usize = 5;

/// What is to be run. The first frame of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecRequest {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The size of a terminal that it is to have; `None`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<WindowSize>,
    /// `TERM`, where it has a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowSize {
    /// Columns.
    pub columns: u16,
    /// Lines.
    pub lines: u16,
}

/// How it ended. The last frame of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ended {
    /// The command ended by itself, with this code.
    Code(i64),
    /// Nothing came of it, or nobody knows what; in words.
    Failed(String),
}

/// One piece of what goes to and fro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// What is to be run.
    Request(ExecRequest),
    /// For its standard input. The end of the request is its end.
    Input(Vec<u8>),
    /// Its terminal has another size now.
    Resize(WindowSize),
    /// From its standard output, or from its terminal.
    Output(Vec<u8>),
    /// From its standard error.
    Errors(Vec<u8>),
    /// How it ended.
    Ended(Ended),
}

/// Why frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Another protocol, or another version of this one.
    #[error("a piece of an unknown kind ({0}); ctl and controller may differ in version")]
    Unknown(u8),
    /// So much is never sent.
    #[error("a piece of {0} bytes, which is more than there may be in one")]
    TooLarge(usize),
    /// The content is not what it should be.
    #[error("a piece that is not understood; ctl and controller may differ in version")]
    Content(#[from] serde_json::Error),
}

impl Frame {
    /// The bytes of a frame.
    pub fn encode(&self) -> Result<Vec<u8>, FrameError> {
        let (kind, content) = match self {
            Self::Request(request) => (0, serde_json::to_vec(request)?),
            Self::Input(bytes) => (1, bytes.clone()),
            Self::Resize(size) => (2, serde_json::to_vec(size)?),
            Self::Output(bytes) => (3, bytes.clone()),
            Self::Errors(bytes) => (4, bytes.clone()),
            Self::Ended(ended) => (5, serde_json::to_vec(ended)?),
        };
        let length = u32::try_from(content.len()).ok().filter(|_| content.len() <= LARGEST);
        let length = length.ok_or(FrameError::TooLarge(content.len()))?;
        let mut bytes = vec![kind];
        bytes.extend(length.to_be_bytes());
        bytes.extend(content);
        Ok(bytes)
    }

    fn decode(kind: u8, content: Vec<u8>) -> Result<Self, FrameError> {
        Ok(match kind {
            0 => Self::Request(serde_json::from_slice(&content)?),
            1 => Self::Input(content),
            2 => Self::Resize(serde_json::from_slice(&content)?),
            3 => Self::Output(content),
            4 => Self::Errors(content),
            5 => Self::Ended(serde_json::from_slice(&content)?),
            other => return Err(FrameError::Unknown(other)),
        })
    }
}

/// Puts frames together from bytes that come in any portions.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Takes in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame; `None` while not all of it has come.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((&[kind, a, b, c, d], _)) = self.buffer.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > LARGEST {
            return Err(FrameError::TooLarge(length));
        }
        if self.buffer.len() < HEAD + length {
            return Ok(None);
        }
        let content = self.buffer.drain(..HEAD + length).skip(HEAD).collect();
        Frame::decode(kind, content).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_from_any_portions() {
        let size = WindowSize { columns: 80, lines: 24 };
        let sent = [
            Frame::Request(ExecRequest {
                command: vec!["psql".into(), "-c".into(), "SELECT 1".into()],
                terminal: Some(size),
                term: Some("xterm".into()),
            }),
            Frame::Input(vec![0, 255, b'\n']),
            Frame::Input(Vec::new()),
            Frame::Resize(size),
            Frame::Output(b"out".to_vec()),
            Frame::Errors(b"err".to_vec()),
            Frame::Ended(Ended::Code(7)),
            Frame::Ended(Ended::Failed("the engine went away".into())),
        ];
        let bytes: Vec<u8> = sent.iter().flat_map(|frame| frame.encode().unwrap()).collect();
        for portion in [1, 3, bytes.len()] {
            let mut frames = Frames::default();
            let mut got = Vec::new();
            for piece in bytes.chunks(portion) {
                frames.push(piece);
                while let Some(frame) = frames.next_frame().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, sent, "in portions of {portion}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let next = |bytes: &[u8]| {
            let mut frames = Frames::default();
            frames.push(bytes);
            frames.next_frame().map_err(|error| error.to_string())
        };
        assert_eq!(next(&[1, 0, 0, 0]), Ok(None));
        assert!(next(b"HTTP/1.1 200 OK").unwrap_err().contains("bytes"));
        assert!(next(&[9, 0, 0, 0, 0]).unwrap_err().contains("unknown kind (9)"));
        assert!(next(&[5, 0, 0, 0, 1, b'x']).unwrap_err().contains("not understood"));
    }
}
