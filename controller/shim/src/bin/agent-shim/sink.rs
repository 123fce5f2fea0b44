//! The log: a timestamp and the stream's name before each line, rotation by size and age, never in the way.
//!
//! Lines have the form that Kubernetes' container runtimes write:
//! `2026-11-24T02:07:42.123Z stdout F text`, with `P` for a part of a line that is too long.
//! What cannot be written (a full disk) is counted and dropped, and the log says so later.
//!
//! Rotated files are named as `agent_harness_shim::logs::rotated` says. Compressing them, and how old and how many they
//! may become over all logs of an agent, is the controller's: here it would take memory and time from each process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use agent_harness_shim::logs::rotated;
use agent_harness_shim::protocol::LogFile;
use agent_harness_shim::timestamp;

/// The size of one read. All that a pipe holds would be twice as much; it is hardly faster, and what was touched once
/// stays resident.
pub const READ: usize = 32 * 1024;
/// A line longer than this is written in parts.
const CHUNK: usize = 16 * 1024;
/// So much is gathered for one write.
const WRITE: usize = 32 * 1024;
/// What is kept for the next lines when there is no flood.
const IDLE: usize = 1024;
/// A log that was begun longer ago is rotated with its next line.
const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;

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
    /// When its first line was written, in milliseconds since 1970.
    begun_ms: u64,
    /// The number of the last file that was rotated.
    rotated: u64,
    /// The unfinished lines of both streams.
    open: [Open; 2],
    out: Vec<u8>,
    lost_bytes: u64,
    torn: bool,
}

/// The end of a line is still to come.
#[derive(Default)]
struct Open {
    text: Vec<u8>,
    /// Parts of it were written.
    goes_on: bool,
}

impl Sink {
    /// Opens the log for appending; a symlink in its place is refused.
    pub fn open(spec: LogFile) -> io::Result<Self> {
        let file = open_file(&spec.path)?;
        let size = file.metadata()?.len();
        let (begun_ms, torn) = what_is_there(&file, size)?;
        Ok(Self {
            spec,
            file,
            size,
            begun_ms,
            rotated: 0,
            open: [Open::default(), Open::default()],
            out: Vec::new(),
            lost_bytes: 0,
            torn,
        })
    }

    /// Writes the whole lines of `bytes` and keeps the rest until its end comes.
    pub fn feed(&mut self, stream: Stream, mut bytes: &[u8]) {
        let now = timestamp::now_ms();
        let head = Head::new(now, if stream == Stream::Stdout { "stdout" } else { "stderr" });
        while !bytes.is_empty() {
            let open = &mut self.open[stream as usize];
            let window = &bytes[..bytes.len().min(CHUNK - open.text.len())];
            let (text, is_end) = match memchr::memchr(b'\n', window) {
                Some(end) => (&bytes[..end], true),
                None if open.text.len() + window.len() < CHUNK => {
                    open.text.extend_from_slice(window);
                    break;
                }
                None => (window, false),
            };
            bytes = &bytes[text.len() + usize::from(is_end)..];
            head.push(&mut self.out, is_end, [&open.text, text]);
            open.goes_on = !is_end;
            open.text.clear();
            // A short line's buffer is used again; a long one's goes back to the system.
            open.text.shrink_to(IDLE);
            if self.out.len() >= WRITE {
                self.write_out(now);
            }
        }
        self.write_out(now);
    }

    /// Writes the unfinished lines: both streams have ended.
    pub fn finish(&mut self) {
        let now = timestamp::now_ms();
        for (stream, name) in [(Stream::Stdout, "stdout"), (Stream::Stderr, "stderr")] {
            let open = std::mem::take(&mut self.open[stream as usize]);
            if open.goes_on || !open.text.is_empty() {
                Head::new(now, name).push(&mut self.out, true, [&open.text, b""]);
            }
        }
        self.write_out(now);
    }

    /// A line of the shim's own.
    pub fn note(&mut self, text: &str) {
        let now = timestamp::now_ms();
        Head::new(now, "shim").push(&mut self.out, true, [text.as_bytes(), b""]);
        self.write_out(now);
    }

    fn write_out(&mut self, now: u64) {
        if self.out.is_empty() {
            return;
        }
        let length = self.out.len() as u64;
        let is_full = self.size + length > self.spec.max_bytes;
        let is_old = now.saturating_sub(self.begun_ms) > MAX_AGE_MS;
        if self.size > 0 && (is_full || is_old) {
            self.rotate();
            self.begun_ms = now;
        } else if self.size == 0 {
            self.begun_ms = now;
        }
        let result = self.repair().and_then(|()| self.file.write_all(&self.out));
        if result.is_ok() {
            self.size += length;
        } else {
            self.lost_bytes += length;
            self.torn = true;
        }
        self.out.clear();
        if length <= IDLE as u64 {
            self.out.shrink_to(IDLE);
        }
    }

    /// After a failed write: ends the torn line and says what is missing.
    fn repair(&mut self) -> io::Result<()> {
        if !self.torn {
            return Ok(());
        }
        let mut note = b"\n".to_vec();
        if self.lost_bytes > 0 {
            let text = format!("{} bytes could not be written and are lost", self.lost_bytes);
            Head::new(timestamp::now_ms(), "shim").push(&mut note, true, [text.as_bytes(), b""]);
        }
        self.file.write_all(&note)?;
        self.size += note.len() as u64;
        (self.torn, self.lost_bytes) = (false, 0);
        Ok(())
    }

    /// On any failure the current file is used on, where it is, for as long again. A log that is too long beats none,
    /// and one that is rotated at each write loses all but the last lines.
    fn rotate(&mut self) {
        if let Ok((file, number)) = self.begin_next() {
            (self.file, self.rotated) = (file, number);
        }
        self.size = 0;
    }

    /// The new file first, and its name last: nothing is written over, and what has the name of the log is what is
    /// written to.
    #[allow(
        clippy::disallowed_methods,
        reason = "every error is the same: the current file is used on"
    )]
    fn begin_next(&self) -> io::Result<(File, u64)> {
        let log = &self.spec.path;
        let next = rotated::with_ending(log, ".next");
        // One that a shim left which was killed right here.
        let _ = fs::remove_file(&next);
        let file = open_file(&next)?;
        let listing = rotated::list(log)?;
        let number = listing.last.max(self.rotated) + 1;
        let aside = rotated::name(log, number);
        let moved = fs::rename(log, &aside).and_then(|()| {
            fs::rename(&next, log).inspect_err(|_| {
                let _ = fs::rename(&aside, log);
            })
        });
        if let Err(error) = moved {
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        // The oldest go: one place is the current file's, another one that of the file which was it until now.
        let kept = (self.spec.files as usize).saturating_sub(2);
        let numbers = listing.files.iter().map(|file| file.number);
        for number in numbers.rev().skip(kept).chain((self.spec.files < 2).then_some(number)) {
            let _ = rotated::remove(log, number);
        }
        Ok((file, number))
    }
}

/// What stands before each line that is written at the same time: `2026-11-24T02:07:42.123Z stdout F `.
struct Head {
    whole: Vec<u8>,
}

impl Head {
    fn new(now: u64, stream: &str) -> Self {
        Self { whole: format!("{} {stream} F ", timestamp::format(now)).into_bytes() }
    }

    fn push(&self, out: &mut Vec<u8>, is_end: bool, text: [&[u8]; 2]) {
        out.extend_from_slice(&self.whole);
        if !is_end {
            let tag = out.len() - 2;
            out[tag] = b'P';
        }
        out.extend_from_slice(text[0]);
        out.extend_from_slice(text[1]);
        out.push(b'\n');
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// When a log was begun, and whether its last line has no end: its writer was killed within it.
fn what_is_there(file: &File, size: u64) -> io::Result<(u64, bool)> {
    let now = timestamp::now_ms();
    let Some(last) = size.checked_sub(1) else { return Ok((now, false)) };
    let mut first = Vec::new();
    file.take(timestamp::LENGTH as u64).read_to_end(&mut first)?;
    let mut end = [0];
    file.read_exact_at(&mut end, last)?;
    Ok((timestamp::parse(&first).unwrap_or(now), end != [b'\n']))
}

#[cfg(test)]
mod tests;
