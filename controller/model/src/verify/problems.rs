//! Finds problems in what tools print, line by line: whatever the lines are, and however many.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};
use serde::{Deserialize, Serialize};

use super::known::KNOWN;
use crate::spec::ProblemMatcher;

/// So many of one command are listed.
const LISTED: usize = 50;
/// Longer lines are looked at up to here, in bytes.
const LONGEST: usize = 4096;
/// Longer messages are cut, in characters.
const MESSAGE: usize = 500;
/// What ends a text that was cut.
const CUT: char = '…';

/// What a tool said of one place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// As the tool wrote it; below the worktree and relative to it where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// From 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// How bad it is.
    pub severity: Severity,
    /// The tool's name for it, such as `TS2322`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In words.
    pub message: String,
    /// Which matcher found it.
    pub matcher: String,
}

impl Problem {
    /// In one line: `src/a.ts:42:7 Type 'string' is not assignable`.
    pub fn words(&self) -> String {
        let mut at = self.file.clone().unwrap_or_default();
        for number in [self.line, self.column].into_iter().flatten() {
            at = format!("{at}:{number}");
        }
        let code = self.code.as_ref().map_or_else(String::new, |code| format!("{code}: "));
        let words = format!("{code}{}", self.message);
        if at.is_empty() { words } else { format!("{at} {words}") }
    }
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something to be put right.
    #[default]
    Error,
    /// Something to be looked at.
    Warning,
}

/// All matchers of one pipeline.
#[derive(Debug)]
pub struct Matchers {
    all: Vec<Matcher>,
    /// The first line of each: most lines are none of them.
    first: RegexSet,
}

#[derive(Debug)]
struct Matcher {
    name: String,
    lines: Vec<Regex>,
    within: u32,
    repeat: bool,
    keeps_first: bool,
}

impl Matchers {
    /// Those that are known, after these of the user's. What is no regular expression has been refused before.
    pub fn new(own: &BTreeMap<String, ProblemMatcher>) -> Result<Self, regex::Error> {
        let mut all = Vec::new();
        for (name, matcher) in own {
            let lines = matcher.lines.iter().map(|line| Regex::new(line));
            all.push(Matcher {
                name: name.clone(),
                lines: lines.collect::<Result<_, _>>()?,
                within: matcher.within,
                repeat: matcher.repeat,
                keeps_first: false,
            });
        }
        for known in KNOWN {
            let lines = known.lines.iter().map(|line| Regex::new(line));
            all.push(Matcher {
                name: known.name.to_owned(),
                lines: lines.collect::<Result<_, _>>()?,
                within: known.within,
                repeat: known.repeat,
                keeps_first: known.keeps_first,
            });
        }
        all.retain(|matcher| !matcher.lines.is_empty());
        let first = RegexSet::new(all.iter().map(|matcher| matcher.lines[0].as_str()))?;
        Ok(Self { all, first })
    }

    /// Begins to read the output of one command.
    pub fn reader(&self) -> Reader<'_> {
        let open = self.all.iter().map(|_| None).collect();
        Reader { matchers: self, open, opened: 0, folder: None, found: Vec::new(), more: false }
    }
}

/// Reads the output of one command.
#[derive(Debug)]
pub struct Reader<'a> {
    matchers: &'a Matchers,
    /// Of each matcher, what it has of a problem that is told in several lines.
    open: Vec<Option<Open>>,
    /// How many of these there are.
    opened: usize,
    /// The folder that the output is about by now, where it says so.
    folder: Option<String>,
    found: Vec<(Problem, Option<String>)>,
    more: bool,
}

#[derive(Debug, Clone)]
struct Open {
    /// Which line comes next.
    next: usize,
    /// How many others came in between.
    gap: u32,
    so_far: Problem,
}

/// Colours and the like, which a tool that takes us for a terminal prints.
static ESCAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])").ok()
});
/// `backend:typecheck: `, as turbo has before each line; `packages/backend typecheck: `, as pnpm has.
static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^(?:@?[\w-]+(?:/[\w.-]+)?:[A-Za-z][\w:-]*: |(?:[\w@.-]+/)*[\w@.-]+ [\w:-]+: )")
        .ok()
});
/// `> backend@0.1.0 typecheck /home/me/app/packages/backend`, as pnpm begins a script with.
static SCRIPT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^> \S+@\S+ \S+ (?<folder>/.+)$").ok());

impl Reader<'_> {
    /// Takes in the next line, without its end.
    pub fn line(&mut self, raw: &[u8]) {
        let text = match raw.get(..LONGEST) {
            // Whoever takes secrets out has to know that one may have been cut.
            Some(begin) if raw.len() > LONGEST => {
                Cow::Owned(format!("{}{CUT}", String::from_utf8_lossy(begin)))
            }
            _ => String::from_utf8_lossy(raw),
        };
        let text = match &*ESCAPES {
            Some(escapes) => escapes.replace_all(&text, ""),
            None => text.clone(),
        };
        let line = text.trim_end();
        if let Some(found) = SCRIPT.as_ref().and_then(|script| script.captures(line)) {
            self.folder = Some(found["folder"].to_owned());
        }
        // What a runner puts before each line is no part of it; what only looks so, is.
        let rest = PREFIX.as_ref().and_then(|prefix| line.get(prefix.find(line)?.end()..));
        if !rest.is_some_and(|rest| self.look(rest)) {
            self.look(line);
        }
    }

    /// What was found: each problem, and the folder that its tool ran in where the output says so.
    pub fn finish(self) -> (Vec<(Problem, Option<String>)>, bool) {
        (self.found, self.more)
    }

    /// Lets all matchers see a line; says whether it tells any of them something.
    fn look(&mut self, line: &str) -> bool {
        let begins = self.matchers.first.matches(line);
        if self.opened == 0 && !begins.matched_any() {
            return false;
        }
        let mut tells = begins.matched_any();
        for index in 0..self.matchers.all.len() {
            tells |= self.advance(index, line, begins.matched(index));
        }
        self.opened = self.open.iter().flatten().count();
        tells
    }

    /// Lets one matcher see a line; says whether it is the next one of a problem that was begun.
    fn advance(&mut self, index: usize, line: &str, begins: bool) -> bool {
        let matcher = &self.matchers.all[index];
        if let Some(mut open) = self.open[index].take() {
            let is_last = open.next + 1 == matcher.lines.len();
            let captures = matcher.lines[open.next].captures(line);
            if let Some(captures) = captures.filter(|found| is_place(found)) {
                let mut whole = open.so_far.clone();
                take(&mut whole, &captures);
                if is_last {
                    self.add(whole);
                    self.open[index] = matcher.repeat.then_some(Open { gap: 0, ..open });
                } else {
                    self.open[index] = Some(Open { next: open.next + 1, gap: 0, so_far: whole });
                }
                return true;
            }
            let continues = matcher.keeps_first && begins && open.gap == 0;
            open.gap += u32::from(!continues);
            if continues || (open.gap <= matcher.within && !begins) {
                self.open[index] = Some(open);
                return false;
            }
        }
        let captures = begins.then(|| matcher.lines[0].captures(line)).flatten();
        let Some(captures) = captures.filter(is_place) else { return false };
        let mut so_far = Problem { matcher: matcher.name.clone(), ..Problem::default() };
        take(&mut so_far, &captures);
        if matcher.lines.len() == 1 {
            self.add(so_far);
        } else {
            self.open[index] = Some(Open { next: 1, gap: 0, so_far });
        }
        false
    }

    fn add(&mut self, problem: Problem) {
        let same = |known: &Problem| {
            let place = |of: &Problem| (of.file.clone(), of.line, of.column);
            place(known) == place(&problem)
                && (problem.matcher != known.matcher || problem.message == known.message)
        };
        if problem.message.is_empty() || self.found.iter().any(|(known, _)| same(known)) {
            return;
        }
        if self.found.len() == LISTED {
            self.more = true;
            return;
        }
        self.found.push((problem, self.folder.clone()));
    }
}

/// Whether it is about the user's own files: what lies on the way of a stack trace is not.
fn is_place(captures: &Captures<'_>) -> bool {
    let file = captures.name("file").map_or("", |found| found.as_str());
    !file.contains("node_modules/") && !file.starts_with("node:")
}

/// Adds what the groups of a line hold.
fn take(problem: &mut Problem, captures: &Captures<'_>) {
    let text = |group| captures.name(group).map(|found| found.as_str().trim().to_owned());
    let number = |group| text(group).and_then(|text| text.parse().ok());
    problem.file = text("file").or_else(|| problem.file.take());
    problem.line = number("line").or(problem.line);
    problem.column = number("column").or(problem.column);
    problem.code = text("code").or_else(|| problem.code.take());
    if let Some(severity) = text("severity") {
        let is_warning = severity.to_ascii_lowercase().starts_with("warn");
        problem.severity = if is_warning { Severity::Warning } else { Severity::Error };
    }
    if let Some(message) = text("message").filter(|message| !message.is_empty()) {
        let whole = match problem.message.as_str() {
            "" => message,
            before => format!("{before}: {message}"),
        };
        problem.message = short(&whole);
    }
}

/// No longer than a message may be.
fn short(text: &str) -> String {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}{CUT}", &text[..end]),
        None => text.to_owned(),
    }
}

/// What most probably says why a command failed, out of its last lines.
pub fn first_words(last: &[String]) -> Option<String> {
    const TELLING: [&str; 8] =
        ["error", "fail", "fatal", "exception", "panic", "not found", "no such", "cannot"];
    let clean = |line: &String| {
        let text = match &*ESCAPES {
            Some(escapes) => escapes.replace_all(line, "").into_owned(),
            None => line.clone(),
        };
        short(text.trim())
    };
    let lines: Vec<String> = last.iter().map(clean).filter(|line| !line.is_empty()).collect();
    let telling = |line: &&String| {
        let line = line.to_lowercase();
        TELLING.iter().any(|word| line.contains(word))
    };
    lines.iter().find(telling).or_else(|| lines.last()).cloned()
}
