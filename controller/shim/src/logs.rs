//! Reads the logs that shims write: the last lines, since a time, of the run before, and what is new.
//!
//! Synchronous and without a watcher: a follower is asked for what is new, and whoever asks decides
//! how often. What files a log consists of is in [`rotated`]; nothing else here writes.

mod follow;
mod last;
pub mod rotated;
mod runs;

use std::path::{Path, PathBuf};

use crate::timestamp;

pub use follow::Follower;
pub use last::{last_lines, last_lines_of_plain};
pub use runs::previous;

/// One line of output, its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since 1970; `None` for a line that no shim wrote.
    pub at_ms: Option<u64>,
    pub stream: Stream,
    /// The bytes as the process wrote them, without the line end; may be no UTF-8.
    pub text: Vec<u8>,
}

/// What a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    /// A remark of the shim itself, such as the exit code.
    Shim,
}

/// Which lines to begin with.
#[derive(Debug, Clone, Copy, Default)]
pub struct From {
    /// At most this many of the last lines.
    pub tail: Option<usize>,
    /// None from before this time, in milliseconds since 1970.
    pub since_ms: Option<u64>,
}

/// Joins the parts of lines, as they lie in a log.
#[derive(Debug, Default)]
pub struct Joiner {
    /// By stream: what one writes comes between the parts of the other.
    partial: [Option<Line>; 3],
}

impl Joiner {
    /// Takes in one line of a log, without its end; `keep` gets what is whole by now.
    pub fn push(&mut self, raw: Vec<u8>, keep: &mut impl FnMut(Line)) {
        let (line, complete) = parse(raw);
        if line.begins_run() {
            // The run before was cut off within a line.
            self.partial.iter_mut().filter_map(Option::take).for_each(&mut *keep);
        }
        let partial = &mut self.partial[line.stream as usize];
        let line = match partial.take() {
            // A line that no shim wrote is no part of anything.
            Some(before) if line.at_ms.is_none() => {
                *partial = Some(before);
                line
            }
            Some(mut before) => {
                before.text.extend_from_slice(&line.text);
                before
            }
            None => line,
        };
        if complete {
            keep(line);
        } else {
            *partial = Some(line);
        }
    }
}

/// Takes a line of the log apart; the flag is `false` for a part that goes on.
fn parse(raw: Vec<u8>) -> (Line, bool) {
    let mut fields = raw.splitn(4, |byte| *byte == b' ');
    let at_ms = fields.next().and_then(timestamp::parse);
    let stream = match fields.next() {
        Some(b"stdout") => Some(Stream::Stdout),
        Some(b"stderr") => Some(Stream::Stderr),
        Some(b"shim") => Some(Stream::Shim),
        _ => None,
    };
    let complete = match fields.next() {
        Some(b"F") => Some(true),
        Some(b"P") => Some(false),
        _ => None,
    };
    match (at_ms, stream, complete, fields.next()) {
        (Some(at), Some(stream), Some(complete), Some(text)) => {
            (Line { at_ms: Some(at), stream, text: text.to_vec() }, complete)
        }
        _ => (Line { at_ms: None, stream: Stream::Stdout, text: raw }, true),
    }
}

/// How the shim's remark on a new run begins.
pub const STARTED: &str = "started with pid";
/// How the remark on a new run of a step begins.
pub const RUNS: &str = "runs";

/// Where the log of a resource lies below the state folder's log root:
/// `LOGS/agent-agent-3/process/api.log`.
pub fn path(log_root: &Path, owner: &str, kind: &str, name: &str) -> PathBuf {
    log_root.join(owner).join(kind).join(format!("{name}.log"))
}
