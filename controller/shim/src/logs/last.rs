//! The last lines of the latest run, for a person: what a status says of a process that ended.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::rotated::{self, Rotated};
use super::{Stream, parse};

/// How far back [`last_lines`] looks.
const LAST_BYTES: u64 = 64 * 1024;
/// What it shows of a long line.
const LAST_WIDTH: usize = 400;

/// The last lines of the process's latest run as text, for a person: long ones cut. It looks at most at 64 KiB of the
/// current file, and at as much of the one before where the log was rotated just now.
pub fn last_lines(path: &Path, count: usize) -> io::Result<Vec<String>> {
    lines_of(path, count, end_of_rotated)
}

/// The same for a shim: the file before is not looked at once it is compressed, as what reads it is large.
pub fn last_lines_of_plain(path: &Path, count: usize) -> io::Result<Vec<String>> {
    lines_of(path, count, |rotated| match rotated.file()? {
        Some((file, false)) => end_of(file).map(Some),
        _ => Ok(None),
    })
}

fn lines_of(
    path: &Path,
    count: usize,
    end_of_rotated: impl Fn(&Rotated) -> io::Result<Option<(Vec<u8>, bool)>>,
) -> io::Result<Vec<String>> {
    let (mut text, is_whole) = match File::open(path) {
        Ok(file) => end_of(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = of_latest_run(&text, is_whole, count);
    if is_whole && lines.len() < count && !has_start(&text) {
        let before = rotated::list(path)?.files.pop();
        // Only a convenience: what the current file has is told in any case.
        if let Some((mut before, is_whole)) = before.and_then(|it| end_of_rotated(&it).ok()?) {
            before.append(&mut text);
            lines = of_latest_run(&before, is_whole, count);
        }
    }
    Ok(lines.into_iter().map(|line| cut(&String::from_utf8_lossy(&line))).collect())
}

/// The last bytes of a file, and whether they are all.
fn end_of(mut file: File) -> io::Result<(Vec<u8>, bool)> {
    let start = file.metadata()?.len().saturating_sub(LAST_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut text = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut text)?;
    Ok((text, start == 0))
}

/// The same of a rotated file; a compressed one has to be read from its beginning.
fn end_of_rotated(rotated: &Rotated) -> io::Result<Option<(Vec<u8>, bool)>> {
    match rotated.file()? {
        None => return Ok(None),
        Some((file, false)) => return end_of(file).map(Some),
        Some((_, true)) => {}
    }
    let Some(mut file) = rotated.open()? else { return Ok(None) };
    let (mut text, mut is_whole) = (Vec::new(), true);
    while file.by_ref().take(LAST_BYTES).read_to_end(&mut text)? > 0 {
        let excess = text.len().saturating_sub(usize::try_from(LAST_BYTES).unwrap_or(usize::MAX));
        text.drain(..excess);
        is_whole &= excess == 0;
    }
    Ok(Some((text, is_whole)))
}

fn has_start(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|raw| parse(raw.to_vec()).0.begins_run())
}

fn of_latest_run(text: &[u8], is_whole: bool, count: usize) -> VecDeque<Vec<u8>> {
    let mut lines: VecDeque<Vec<u8>> = VecDeque::new();
    let mut goes_on = false;
    // The first piece of a file that is read from its middle is no line.
    for raw in text.split(|byte| *byte == b'\n').skip(usize::from(!is_whole)) {
        let (line, complete) = parse(raw.to_vec());
        if line.begins_run() {
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
    lines
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LAST_WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
