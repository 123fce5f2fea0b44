//! The log: a timestamp and the stream's name before each line, rotation by size, never in the way.
//!
//! Lines have the form that Kubernetes' container runtimes write:
//! `2026-11-24T02:07:42.123Z stdout F text`, with `P` for a part of a line that is too long.
//! What cannot be written (a full disk) is counted and dropped, and the log says so later.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use agent_harness_shim::protocol::LogFile;
use agent_harness_shim::timestamp;

/// A line longer than this is written in parts; also the size of one read.
pub const CHUNK: usize = 16 * 1024;

/// What a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// The log file of one process.
pub struct Sink {
    spec: LogFile,
    file: File,
    size: u64,
    /// The unfinished lines of both streams.
    open: [Vec<u8>; 2],
    out: Vec<u8>,
    lost_bytes: u64,
    torn: bool,
}

impl Sink {
    /// Opens the log for appending; a symlink in its place is refused.
    pub fn open(spec: LogFile) -> io::Result<Self> {
        let (file, size) = open_file(&spec.path)?;
        Ok(Self {
            spec,
            file,
            size,
            open: [Vec::new(), Vec::new()],
            out: Vec::new(),
            lost_bytes: 0,
            torn: false,
        })
    }

    /// Writes the whole lines of `bytes` and keeps the rest until its end comes.
    pub fn feed(&mut self, stream: Stream, mut bytes: &[u8]) {
        let now = timestamp::format(timestamp::now_ms());
        while !bytes.is_empty() {
            let open = &mut self.open[stream as usize];
            let room = CHUNK - open.len();
            let window = &bytes[..bytes.len().min(room)];
            if let Some(end) = window.iter().position(|byte| *byte == b'\n') {
                open.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end + 1..];
                self.line(stream, &now, b'F');
            } else {
                open.extend_from_slice(window);
                bytes = &bytes[window.len()..];
                if self.open[stream as usize].len() == CHUNK {
                    self.line(stream, &now, b'P');
                }
            }
        }
        self.write_out();
    }

    /// Writes the unfinished lines: both streams have ended.
    pub fn finish(&mut self) {
        let now = timestamp::format(timestamp::now_ms());
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.open[stream as usize].is_empty() {
                self.line(stream, &now, b'F');
            }
        }
        self.write_out();
    }

    /// A line of the shim's own.
    pub fn note(&mut self, text: &str) {
        let now = timestamp::format(timestamp::now_ms());
        self.push(&now, "shim", b'F', text.as_bytes());
        self.write_out();
    }

    fn line(&mut self, stream: Stream, now: &str, tag: u8) {
        let mut text = std::mem::take(&mut self.open[stream as usize]);
        let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
        self.push(now, name, tag, &text);
        if self.out.len() > CHUNK {
            self.write_out();
        }
        text.clear();
        if text.capacity() <= 1024 {
            // A short line's buffer is used again; a long one's goes back to the system.
            self.open[stream as usize] = text;
        }
    }

    fn push(&mut self, now: &str, stream: &str, tag: u8, text: &[u8]) {
        for part in [now.as_bytes(), b" ", stream.as_bytes(), b" ", &[tag], b" ", text, b"\n"] {
            self.out.extend_from_slice(part);
        }
    }

    fn write_out(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.out);
        if self.size > 0 && self.size + out.len() as u64 > self.spec.max_bytes {
            self.rotate();
        }
        let result = self.repair().and_then(|()| self.file.write_all(&out));
        if result.is_ok() {
            self.size += out.len() as u64;
        } else {
            self.lost_bytes += out.len() as u64;
            self.torn = true;
        }
    }

    /// After a failed write: ends the torn line and says what is missing.
    fn repair(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        let now = timestamp::format(timestamp::now_ms());
        let note =
            format!("\n{now} shim F {} bytes could not be written and are lost\n", self.lost_bytes);
        self.file.write_all(note.as_bytes())?;
        self.size += note.len() as u64;
        (self.torn, self.lost_bytes) = (false, 0);
        Ok(())
    }

    /// On any failure the current file is used on, where it is, for as long again. A log that is too long beats none,
    /// and one that is rotated at each write loses all but the last lines.
    fn rotate(&mut self) {
        match self.begin_next() {
            Ok((file, size)) => (self.file, self.size) = (file, size),
            Err(_) => self.size = 0,
        }
    }

    /// The new file first, and its name last: what cannot be moved on is not written over, and what has the name
    /// of the log is what is written to.
    #[allow(
        clippy::disallowed_methods,
        reason = "every error is the same: the current file is used on"
    )]
    fn begin_next(&self) -> io::Result<(File, u64)> {
        let named = |ending: &str| {
            let mut name = self.spec.path.clone().into_os_string();
            name.push(ending);
            name
        };
        let next = named(".next");
        // One that a shim left which was killed right here.
        let _ = fs::remove_file(&next);
        let opened = open_file(next.as_ref())?;
        let kept = self.spec.files.saturating_sub(1);
        let moved = (1..kept)
            .rev()
            .map(|number| (named(&format!(".{number}")), named(&format!(".{}", number + 1))))
            .try_for_each(|(from, to)| match fs::rename(from, to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
            .and_then(|()| match kept {
                0 => Ok(()),
                _ => fs::rename(&self.spec.path, named(".1")),
            })
            .and_then(|()| {
                fs::rename(&next, &self.spec.path).inspect_err(|_| {
                    if kept > 0 {
                        let _ = fs::rename(named(".1"), &self.spec.path);
                    }
                })
            });
        if moved.is_err() {
            let _ = fs::remove_file(&next);
        }
        moved.map(|()| opened)
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests;
