//! The log of a step, in the format of the shims' logs, so that one reader serves all.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use agent_harness_shim::logs::{RUNS, rotated};
use agent_harness_shim::timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::runner::Heard;
use crate::fs::{self, FsError};

/// A log that is larger at the start of a run is put aside.
const ROTATE_AT: u64 = 4 << 20;
/// So many that were put aside are kept.
const KEPT: usize = 3;
/// What one run may write.
const RUN_LIMIT: usize = 64 << 20;
/// Longer lines are cut into parts.
const LINE_LIMIT: usize = 16 << 10;
const LAST_LINES: usize = 20;

/// An open log.
pub struct Log {
    pub path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    written: usize,
    last: VecDeque<String>,
}

impl Log {
    /// Opens the log to append to it; only its owner can read it.
    pub fn open(path: &Path) -> Result<Self, FsError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder, 0o700)?;
        }
        if fs::metadata(path)?.is_some_and(|metadata| metadata.len() > ROTATE_AT) {
            put_aside(path)?;
        }
        let file =
            File::options().create(true).append(true).mode(0o600).open(path).map_err(|source| {
                FsError { op: fs::Op::Write, path: path.to_path_buf(), source }
            })?;
        let inner = Inner { file, written: 0, last: VecDeque::new() };
        Ok(Self { path: path.to_path_buf(), inner: Mutex::new(inner) })
    }

    /// The remark that a run begins with.
    pub fn begin(&self, line: &str) -> io::Result<()> {
        self.note(&format!("{RUNS} `{line}`"))
    }

    /// A remark of ours.
    pub fn note(&self, text: &str) -> io::Result<()> {
        self.write("shim", 'F', text.as_bytes())
    }

    /// The last lines that the command printed.
    pub fn last_lines(&self) -> Vec<String> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.last.iter().cloned().collect()
    }

    fn write(&self, stream: &str, part: char, text: &[u8]) -> io::Result<()> {
        let mut line =
            format!("{} {stream} {part} ", timestamp::format(timestamp::now_ms())).into_bytes();
        line.extend_from_slice(text);
        line.push(b'\n');
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if stream != "shim" {
            inner.last.push_back(String::from_utf8_lossy(text).trim_end().to_owned());
            if inner.last.len() > LAST_LINES {
                inner.last.pop_front();
            }
        }
        let before = inner.written;
        inner.written = before.saturating_add(line.len());
        if before < RUN_LIMIT {
            inner.file.write_all(&line)?;
            if inner.written >= RUN_LIMIT {
                let note = format!(
                    "{} shim F this run printed too much; what follows is not kept\n",
                    timestamp::format(timestamp::now_ms())
                );
                inner.file.write_all(note.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes what a stream says, until it ends; `heard` hears it, too.
    pub async fn follow(
        &self,
        stream: &'static str,
        source: impl AsyncRead + Unpin,
        heard: Option<&Heard<'_>>,
    ) -> io::Result<()> {
        let write = |part, line: &[u8]| {
            if let Some(heard) = heard {
                heard(line);
            }
            self.write(stream, part, line)
        };
        let mut reader = BufReader::with_capacity(LINE_LIMIT, source);
        let mut line: Vec<u8> = Vec::new();
        loop {
            let chunk = reader.fill_buf().await?;
            if chunk.is_empty() {
                return if line.is_empty() { Ok(()) } else { write('F', &line) };
            }
            let room = LINE_LIMIT - line.len();
            let end = chunk.iter().take(room).position(|byte| *byte == b'\n');
            let taken = end.map_or(chunk.len().min(room), |end| end);
            line.extend_from_slice(chunk.get(..taken).unwrap_or_default());
            reader.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                write('F', &line)?;
                line.clear();
            } else if line.len() == LINE_LIMIT {
                write('P', &line)?;
                line.clear();
            }
        }
    }
}

/// As a shim does it: `agent_harness_shim::logs::rotated`.
fn put_aside(path: &Path) -> Result<(), FsError> {
    let failed = |op| move |source| FsError { op, path: path.to_path_buf(), source };
    let listing = rotated::list(path).map_err(failed(fs::Op::List))?;
    fs::rename(path, rotated::name(path, listing.last + 1))?;
    for old in listing.files.iter().rev().skip(KEPT - 1) {
        rotated::remove(path, old.number).map_err(failed(fs::Op::Remove))?;
    }
    Ok(())
}
