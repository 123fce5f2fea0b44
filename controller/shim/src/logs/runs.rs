//! What the run before the latest one wrote.

use std::io;
use std::path::Path;

use super::{Follower, From, Line, RUNS, STARTED, Stream};

impl Line {
    /// Whether a run begins with it: that of a process, or of a step.
    pub fn begins_run(&self) -> bool {
        let begins = |word: &str| {
            self.text.strip_prefix(word.as_bytes()).is_some_and(|rest| rest.starts_with(b" "))
        };
        self.stream == Stream::Shim && (begins(STARTED) || begins(RUNS))
    }
}

/// The lines of the run before the latest one, its beginning included where it was not rotated away. `None`: the log
/// knows of no run before.
pub fn previous(path: &Path, from: From) -> io::Result<Option<Vec<Line>>> {
    let (_, lines) = Follower::open(path, From::default())?;
    let Some(end) = lines.iter().rposition(Line::begins_run).filter(|end| *end > 0) else {
        return Ok(None);
    };
    let before = lines.get(..end).unwrap_or_default();
    let start = before.iter().rposition(Line::begins_run).unwrap_or(0);
    let in_time =
        |line: &&Line| from.since_ms.is_none_or(|since| line.at_ms.is_none_or(|at| at >= since));
    let mut run: Vec<Line> = before.iter().skip(start).filter(in_time).cloned().collect();
    run.drain(..from.tail.map_or(0, |tail| run.len().saturating_sub(tail)));
    Ok(Some(run))
}
