//! Reads the logs that shims write: the last lines, since a time, and what is new.
//!
//! Synchronous and without a watcher: a follower is asked for what is new, and whoever asks decides
//! how often. Rotation is followed by inode. Nothing here writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::timestamp;

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

/// A position in a log that may be rotated meanwhile.
pub struct Follower {
    path: PathBuf,
    file: Option<BufReader<File>>,
    inode: u64,
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
    joiner: Joiner,
}

/// Joins the parts of lines, as they lie in a log.
#[derive(Debug, Default)]
pub struct Joiner {
    partial: Option<Line>,
}

impl Joiner {
    /// Takes in one line of a log, without its end; `keep` gets what is whole by now.
    pub fn push(&mut self, raw: Vec<u8>, keep: &mut impl FnMut(Line)) {
        let (line, complete) = parse(raw);
        let line = match self.partial.take() {
            Some(mut before) if before.stream == line.stream => {
                before.text.extend_from_slice(&line.text);
                before
            }
            Some(before) => {
                keep(before);
                line
            }
            None => line,
        };
        if complete {
            keep(line);
        } else {
            self.partial = Some(line);
        }
    }
}

impl Follower {
    /// Opens a log and gives the lines that are there, rotated files included; a log that does not
    /// exist yet has none.
    pub fn open(path: &Path, from: From) -> io::Result<(Self, Vec<Line>)> {
        let mut rotated = Vec::new();
        for number in 1.. {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{number}"));
            match File::open(&name) {
                Ok(file) => rotated.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        let mut follower = Self {
            path: path.to_owned(),
            file: None,
            inode: 0,
            torn: Vec::new(),
            joiner: Joiner::default(),
        };
        let mut kept = VecDeque::new();
        let mut keep = |line: Line| {
            if from.since_ms.is_some_and(|since| line.at_ms.is_some_and(|at| at < since)) {
                return;
            }
            kept.push_back(line);
            if from.tail.is_some_and(|tail| kept.len() > tail) {
                kept.pop_front();
            }
        };
        for file in rotated.into_iter().rev() {
            follower.file = Some(BufReader::new(file));
            follower.read(&mut keep)?;
        }
        follower.file = None;
        follower.read_new(&mut keep)?;
        Ok((follower, kept.into()))
    }

    /// The lines written since the last call.
    pub fn next_lines(&mut self) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        self.read_new(&mut |line| lines.push(line))?;
        Ok(lines)
    }

    fn read_new(&mut self, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        self.read(keep)?;
        let current = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata.ino(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.file.is_none() || current != self.inode {
            // The old file is read to its end once more: it grew until it was renamed.
            self.read(keep)?;
            let file = File::open(&self.path)?;
            self.inode = file.metadata()?.ino();
            self.file = Some(BufReader::new(file));
            self.read(keep)?;
        }
        Ok(())
    }

    fn read(&mut self, keep: &mut impl FnMut(Line)) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        loop {
            if file.read_until(b'\n', &mut self.torn)? == 0 {
                return Ok(());
            }
            if self.torn.last() != Some(&b'\n') {
                return Ok(());
            }
            let mut raw = std::mem::take(&mut self.torn);
            raw.pop();
            self.joiner.push(raw, keep);
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

/// How far back [`last_lines`] looks.
const LAST_BYTES: u64 = 64 * 1024;
/// What it shows of a long line.
const LAST_WIDTH: usize = 400;

/// The last lines of the process's latest run as text, for a person: long ones cut, at most 64 KiB
/// of the current file looked at.
pub fn last_lines(path: &Path, count: usize) -> io::Result<Vec<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let start = file.metadata()?.len().saturating_sub(LAST_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut text)?;
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut goes_on = false;
    // The first piece of a file that is read from its middle is no line.
    for raw in text.split(|byte| *byte == b'\n').skip(usize::from(start > 0)) {
        let (line, complete) = parse(raw.to_vec());
        if line.stream == Stream::Shim && line.text.starts_with(STARTED.as_bytes()) {
            lines.clear();
        }
        if line.at_ms.is_none() || line.stream == Stream::Shim {
            continue;
        }
        match lines.back_mut() {
            Some(before) if goes_on => before.extend_from_slice(&line.text),
            _ => lines.push_back(line.text),
        }
        goes_on = !complete;
        if lines.len() > count {
            lines.pop_front();
        }
    }
    Ok(lines.into_iter().map(|line| cut(&String::from_utf8_lossy(&line))).collect())
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LAST_WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// Where the log of a resource lies below the state folder's log root:
/// `LOGS/agent-agent-3/process/api.log`.
pub fn path(log_root: &Path, owner: &str, kind: &str, name: &str) -> PathBuf {
    log_root.join(owner).join(kind).join(format!("{name}.log"))
}
