//! How lines of logs are printed: in the order of time, each after the name of its log where there are several, or
//! as JSON. Each is searched as it is shown, without its colours.

use agent_harness_model::id::ObjectKey;
use agent_harness_shim::logs::{Line, Stream};
use regex::bytes::Regex;
use serde_json::json;

use crate::error::Result;
use crate::ui::{Tone, Ui};

use super::clean::clean;

/// How lines are printed.
pub struct Printer<'a> {
    names: Vec<String>,
    width: usize,
    grep: Option<&'a Regex>,
    timestamps: bool,
    /// As JSON: of which object.
    json: Option<&'a ObjectKey>,
}

impl<'a> Printer<'a> {
    pub fn new(grep: Option<&'a Regex>, timestamps: bool, json: Option<&'a ObjectKey>) -> Self {
        Self { names: Vec::new(), width: 0, grep, timestamps, json }
    }

    /// Whether a line is one of those that are asked for.
    pub fn wants(&self, line: &Line) -> bool {
        self.grep.is_none_or(|regex| regex.is_match(&clean(&line.text, false)))
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
            if !self.wants(&line) {
                continue;
            }
            match self.json {
                Some(object) => self.json(object, log, &line, &mut text),
                None => self.line(ui, log, &line, &mut text),
            }
        }
        if !text.is_empty() {
            ui.bytes(&text)?;
        }
        Ok(())
    }

    fn json(&self, object: &ObjectKey, log: usize, line: &Line, text: &mut Vec<u8>) {
        let line = json!({
            "time": time(line),
            "object": object.to_string(),
            "log": self.names[log],
            "stream": match line.stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
                Stream::Shim => "shim",
            },
            "text": String::from_utf8_lossy(&clean(&line.text, false)),
        });
        text.extend_from_slice(line.to_string().as_bytes());
        text.push(b'\n');
    }

    fn line(&self, ui: &Ui, log: usize, line: &Line, text: &mut Vec<u8>) {
        if self.timestamps {
            let at = format!("{:24} ", time(line).unwrap_or_default());
            text.extend_from_slice(ui.paint(Tone::Quiet, &at).as_bytes());
        }
        if self.names.len() > 1 {
            let name = format!("{:width$} | ", self.names[log], width = self.width);
            text.extend_from_slice(ui.paint(Tone::Series(log), &name).as_bytes());
        }
        // What is found is coloured in place of what the line has of its own.
        let found = self.grep.filter(|_| ui.is_coloured());
        let shown = clean(&line.text, ui.is_coloured() && found.is_none());
        match (line.stream, found) {
            (Stream::Shim, _) => {
                let remark = String::from_utf8_lossy(&shown);
                text.extend_from_slice(ui.paint(Tone::Quiet, &format!("· {remark}")).as_bytes());
            }
            (Stream::Stdout | Stream::Stderr, Some(regex)) => {
                let shown = regex.replace_all(&shown, |found: &regex::bytes::Captures<'_>| {
                    let found = String::from_utf8_lossy(&found[0]).into_owned();
                    ui.paint(Tone::Bad, &found).into_bytes()
                });
                text.extend_from_slice(&shown);
            }
            (Stream::Stdout | Stream::Stderr, None) => text.extend_from_slice(&shown),
        }
        text.push(b'\n');
    }
}

/// When a line was written, if anybody knows.
fn time(line: &Line) -> Option<String> {
    line.at_ms.map(agent_harness_shim::timestamp::format)
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
