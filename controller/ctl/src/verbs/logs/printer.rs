//! How lines of logs are printed: in the order of time, each after the name of its log where there are several.

use agent_harness_shim::logs::{Line, Stream};
use jiff::Timestamp;
use regex::bytes::Regex;

use crate::error::Result;
use crate::ui::{Tone, Ui};

/// How lines are printed.
pub struct Printer<'a> {
    names: Vec<String>,
    width: usize,
    grep: Option<&'a Regex>,
    timestamps: bool,
}

impl<'a> Printer<'a> {
    pub fn new(grep: Option<&'a Regex>, timestamps: bool) -> Self {
        Self { names: Vec::new(), width: 0, grep, timestamps }
    }

    /// Whether it has a log of this name.
    pub fn knows(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// Adds a log; the number by which its lines are printed.
    pub fn add(&mut self, name: &str) -> usize {
        self.width = self.width.max(name.chars().count());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// Prints the lines of several logs in the order of time.
    pub fn print(&self, ui: &mut Ui, logs: Vec<(usize, Vec<Line>)>) -> Result<()> {
        let mut text = Vec::new();
        for (log, line) in in_time(logs) {
            if self.grep.is_none_or(|regex| regex.is_match(&line.text)) {
                self.line(ui, log, &line, &mut text);
            }
        }
        if !text.is_empty() {
            ui.bytes(&text)?;
        }
        Ok(())
    }

    fn line(&self, ui: &Ui, log: usize, line: &Line, text: &mut Vec<u8>) {
        if self.timestamps {
            let at = line.at_ms.and_then(|at| i64::try_from(at).ok());
            let at = at.and_then(|at| Timestamp::from_millisecond(at).ok());
            let at = at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            let at = format!("{:24} ", at.unwrap_or_default());
            text.extend_from_slice(ui.paint(Tone::Quiet, &at).as_bytes());
        }
        if self.names.len() > 1 {
            let name = format!("{:width$} | ", self.names[log], width = self.width);
            text.extend_from_slice(ui.paint(Tone::Series(log), &name).as_bytes());
        }
        match (line.stream, self.grep.filter(|_| ui.is_coloured())) {
            (Stream::Shim, _) => {
                let remark = String::from_utf8_lossy(&line.text);
                text.extend_from_slice(ui.paint(Tone::Quiet, &format!("· {remark}")).as_bytes());
            }
            (Stream::Stdout | Stream::Stderr, Some(regex)) => {
                let shown = regex.replace_all(&line.text, |found: &regex::bytes::Captures<'_>| {
                    let found = String::from_utf8_lossy(&found[0]).into_owned();
                    ui.paint(Tone::Bad, &found).into_bytes()
                });
                text.extend_from_slice(&shown);
            }
            (Stream::Stdout | Stream::Stderr, None) => text.extend_from_slice(&line.text),
        }
        text.push(b'\n');
    }
}

/// All lines in the order of time; a line that knows no time stays behind the one before it.
fn in_time(logs: Vec<(usize, Vec<Line>)>) -> Vec<(usize, Line)> {
    let mut all = Vec::new();
    for (log, lines) in logs {
        let mut at = 0;
        for line in lines {
            at = line.at_ms.unwrap_or(at).max(at);
            all.push((at, log, line));
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    all.into_iter().map(|(_, log, line)| (log, line)).collect()
}
