//! Whether a process has printed a line. Once it has, it has: that is kept in its run folder, as the log is rotated and
//! the next controller may not find the line any more.

use std::io;

use agent_harness_shim::files::{self, Durability};
use agent_harness_shim::logs::{Follower, From, Line, Stream};
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};

use super::Run;

/// In the run folder: what was found.
const FILE: &str = "printed.json";

/// The lines of one run.
pub struct Lines {
    run: Run,
    follower: Option<Follower>,
}

/// The expressions that a line of this run has matched.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Printed {
    instance: String,
    lines: Vec<String>,
}

impl Lines {
    pub fn new(run: &Run) -> Self {
        Self { run: run.clone(), follower: None }
    }

    /// Looks at what was printed since the last look; a log may be long, so beside whoever must not wait.
    pub async fn look(&mut self, expression: &str) -> Result<(), String> {
        let (run, follower, expression) =
            (self.run.clone(), self.follower.take(), expression.to_owned());
        let looked = tokio::task::spawn_blocking(move || search(&run, follower, &expression)).await;
        match looked {
            Ok(Ok(Found::Yes)) => Ok(()),
            Ok(Ok(Found::NotYet(follower))) => {
                self.follower = Some(*follower);
                Err("was not printed yet".to_owned())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

enum Found {
    Yes,
    NotYet(Box<Follower>),
}

fn search(run: &Run, follower: Option<Follower>, expression: &str) -> io::Result<Found> {
    let file = run.folder.join(FILE);
    // Half a file, or another version's, is as good as none.
    let mut printed: Printed = files::read_json(&file).ok().flatten().unwrap_or_default();
    if printed.instance != run.instance {
        printed = Printed { instance: run.instance.clone(), lines: Vec::new() };
    }
    if printed.lines.iter().any(|line| line == expression) {
        return Ok(Found::Yes);
    }
    // Checked by validation.
    let regex = Regex::new(expression).map_err(io::Error::other)?;
    let (follower, lines) = match follower {
        Some(mut follower) => {
            let lines = follower.next_lines()?;
            (follower, lines)
        }
        None => {
            let from = From { tail: None, since_ms: Some(run.started_at_ms) };
            Follower::open(&run.log_path, from)?
        }
    };
    let is_it = |line: &Line| line.stream != Stream::Shim && regex.is_match(&line.text);
    if !lines.iter().any(is_it) {
        return Ok(Found::NotYet(Box::new(follower)));
    }
    printed.lines.push(expression.to_owned());
    files::write_json(&file, &printed, Durability::Boot)?;
    Ok(Found::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs;

    const LINE: &str = "listening on port [0-9]+";

    fn run(folder: &tempfile::TempDir, instance: &str) -> Run {
        Run {
            pid: 1,
            started_at_ms: agent_harness_shim::timestamp::parse(b"2026-11-24T02:07:42.000Z")
                .unwrap(),
            instance: instance.to_owned(),
            folder: folder.path().to_owned(),
            log_path: folder.path().to_owned().join("api.log"),
            mark: String::new(),
        }
    }

    #[allow(clippy::disallowed_methods, reason = "appended to, as by a shim")]
    fn print(run: &Run, text: &str) {
        use std::io::Write as _;
        let mut log =
            std::fs::OpenOptions::new().append(true).create(true).open(&run.log_path).unwrap();
        log.write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn a_line_of_this_run_counts_and_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let first = run(&folder, "one");
        print(&first, "2026-11-24T01:00:00.000Z stdout F listening on port 1\n");
        let mut lines = Lines::new(&first);
        let not_yet = Err("was not printed yet".to_owned());
        assert_eq!(lines.look(LINE).await, not_yet, "that was the run before");
        print(&first, "2026-11-24T02:07:43.000Z shim F listening on port 1\n");
        print(&first, "2026-11-24T02:07:43.000Z stderr P listening on \n");
        assert_eq!(lines.look(LINE).await, not_yet, "half a line, and what is not its own");
        print(&first, "2026-11-24T02:07:43.000Z stderr F port 80\n");
        assert_eq!(lines.look(LINE).await, Ok(()));

        fs::remove_file_if_exists(&first.log_path).unwrap();
        assert_eq!(Lines::new(&first).look(LINE).await, Ok(()), "the log was rotated away");
        assert_eq!(Lines::new(&first).look("ready").await, not_yet, "another line");
        assert_eq!(Lines::new(&run(&folder, "two")).look(LINE).await, not_yet, "another run");
    }
}
