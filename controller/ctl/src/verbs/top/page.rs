//! A page over the list: what another verb prints, to be scrolled. A description is replaced as a whole each time
//! that it was asked for; a log grows, and is followed while one looks at its end.

use jiff::Timestamp;
use ratatui::text::Line;

use super::ansi;
use super::rows::Id;

/// The most lines of a log that are kept.
const KEPT: usize = 5000;

/// What a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// What `ctl describe` prints.
    Describe,
    /// What `ctl logs -f` prints.
    Logs,
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// What it shows.
    pub kind: Kind,
    /// Of whom.
    pub id: Id,
    /// Tells what is printed for it from what was printed for another.
    pub number: u64,
    /// When that was asked for; `None` while it goes on.
    pub asked: Option<Timestamp>,
    lines: Vec<Line<'static>>,
    /// What is not shown yet: all of a description, the beginning of a line of a log.
    coming: Vec<u8>,
    /// The first row that is seen; `None`: the last ones are.
    top: Option<usize>,
    colour: bool,
}

impl Page {
    /// An empty one.
    pub fn new(kind: Kind, id: Id, number: u64, colour: bool) -> Self {
        let top = (kind == Kind::Describe).then_some(0);
        Self { kind, id, number, asked: None, lines: Vec::new(), coming: Vec::new(), top, colour }
    }

    /// Its headline.
    pub fn title(&self) -> String {
        match self.kind {
            Kind::Describe => format!("ctl describe {}", self.id.key),
            Kind::Logs => format!("ctl logs {} -f", self.id),
        }
    }

    /// Whether the end is shown, whatever comes.
    pub fn follows(&self) -> bool {
        self.top.is_none()
    }

    /// It is asked for anew.
    pub fn again(&mut self, number: u64) {
        self.number = number;
        self.asked = None;
        self.coming.clear();
    }

    /// Takes in what was printed.
    pub fn printed(&mut self, bytes: &[u8]) {
        self.coming.extend_from_slice(bytes);
        if self.kind == Kind::Logs {
            self.take_lines();
        }
    }

    /// All of it was printed.
    pub fn ended(&mut self, now: Timestamp) {
        if self.kind == Kind::Describe {
            self.lines.clear();
        }
        if !self.coming.is_empty() && self.coming.last() != Some(&b'\n') {
            self.coming.push(b'\n');
        }
        self.take_lines();
        self.asked = Some(now);
    }

    fn take_lines(&mut self) {
        let Some(end) = self.coming.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = self.coming.drain(..=end).collect();
        let lines = whole[..end].split(|byte| *byte == b'\n');
        self.lines.extend(lines.map(|line| ansi::line(line, self.colour)));
        let excess = self.lines.len().saturating_sub(KEPT);
        self.lines.drain(..excess);
        // What one looks at stays where it is.
        self.top = self.top.map(|top| top.saturating_sub(excess));
    }

    /// Goes on or back by so many rows. Whoever comes to the end of a log follows it.
    pub fn scroll(&mut self, by: isize, (width, height): (usize, usize)) {
        let last = self.rows(width).len().saturating_sub(height);
        let top = self.top.unwrap_or(last).saturating_add_signed(by).min(last);
        self.top = (top < last || self.kind == Kind::Describe).then_some(top);
    }

    /// The rows that are seen in a place of that size.
    pub fn seen(&self, (width, height): (usize, usize)) -> Vec<Line<'static>> {
        let rows = self.rows(width);
        let last = rows.len().saturating_sub(height);
        let top = self.top.unwrap_or(last).min(last);
        rows.into_iter().skip(top).take(height).collect()
    }

    fn rows(&self, width: usize) -> Vec<Line<'static>> {
        self.lines.iter().flat_map(|line| ansi::wrapped(line, width)).collect()
    }
}
