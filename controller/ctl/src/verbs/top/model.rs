//! The state of the view, and how it changes: an event comes in, and what is to be done about it goes out. It asks
//! nobody and draws nothing.

use agent_harness_model::api::{Info, Object, ServiceNow};
use agent_harness_model::id::{ObjectKey, ObjectKind};
use jiff::{SignedDuration, Timestamp};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::page::{Kind, Page};
use super::rows::{Id, Learned, Row, View, rows};
use crate::ui::Tone;

/// How long a notice stays.
const NOTICE: SignedDuration = SignedDuration::from_secs(6);
/// How old a description may become.
const STALE: SignedDuration = SignedDuration::from_secs(2);

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size: columns and lines.
    Resize(u16, u16),
    /// Time goes on.
    Tick(Timestamp),
    /// The controller told of all objects, and of itself.
    Objects(Vec<Object>, Option<Info>),
    /// It told of the parts of one; or why it could not.
    Figures(ObjectKey, Result<Vec<ServiceNow>, String>),
    /// It does not answer: why, what to do about it, and what it once wrote.
    Away(String, Vec<Object>),
    /// Something was printed for the page of that number.
    Printed(u64, Vec<u8>),
    /// All was printed.
    Ended(u64),
    /// What came of an order.
    Told(Tone, String),
    /// There is no terminal any more.
    Closed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Print this for the page of that number, in lines of a width, and nothing else.
    Page(u64, Kind, Id, usize),
    /// Nothing is to be printed any more.
    NoPage,
    /// Start it anew.
    Restart(Id),
    /// End.
    Leave,
}

/// What keys are about.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The list.
    List,
    /// The filter is written; what it was before.
    Filter(String),
    /// Whether it is to be started anew.
    Confirm(Id),
    /// A page over the list.
    Page(Page),
}

/// The state.
#[derive(Debug, Clone)]
pub struct Model {
    /// What was learned.
    pub learned: Learned,
    /// Who told it.
    pub info: Option<Info>,
    /// When.
    pub told: Option<Timestamp>,
    /// Why nobody tells anything now.
    pub away: Option<String>,
    /// The time.
    pub now: Timestamp,
    /// What of it is shown.
    pub view: View,
    /// What keys are about.
    pub mode: Mode,
    /// A word about what was done.
    pub notice: Option<(Timestamp, Tone, String)>,
    /// The line that is chosen.
    pub selected: Option<Id>,
    /// Where that is.
    pub cursor: usize,
    /// The first line of the list that is seen.
    pub top: usize,
    /// Whether there are colours.
    pub colour: bool,
    size: (u16, u16),
    pages: u64,
}

impl Model {
    /// Nothing is known yet.
    pub fn new(now: Timestamp, size: (u16, u16), colour: bool) -> Self {
        Self {
            learned: Learned::default(),
            info: None,
            told: None,
            away: None,
            now,
            view: View::default(),
            mode: Mode::List,
            notice: None,
            selected: None,
            cursor: 0,
            top: 0,
            colour,
            size,
            pages: 0,
        }
    }

    /// The lines of the list.
    pub fn rows(&self) -> Vec<Row> {
        rows(&self.learned, &self.view)
    }

    /// Lines that the list has: all but the head (2), the titles, the word below and the keys.
    pub fn list_height(&self) -> usize {
        usize::from(self.size.1).saturating_sub(5)
    }

    /// Columns and lines that a page has between its title and its keys.
    pub fn page_size(&self) -> (usize, usize) {
        (usize::from(self.size.0), usize::from(self.size.1).saturating_sub(2))
    }

    /// Takes in what happened; what is to be done.
    pub fn update(&mut self, event: Event) -> Vec<Ask> {
        let mut asks = Vec::new();
        match event {
            Event::Key(key) => asks = self.key(key),
            Event::Resize(columns, lines) => {
                let narrower = self.size.0 != columns;
                self.size = (columns, lines);
                if narrower {
                    // Its lines were made for another width.
                    asks.extend(self.describe_again());
                }
            }
            Event::Tick(now) => {
                self.now = now;
                self.notice.take_if(|(since, ..)| now.duration_since(*since) > NOTICE);
                if let Mode::Page(Page { asked: Some(asked), .. }) = &self.mode {
                    if now.duration_since(*asked) >= STALE {
                        asks.extend(self.describe_again());
                    }
                }
            }
            Event::Objects(objects, info) => {
                // What went away uses nothing.
                let keys: Vec<_> = objects.iter().filter_map(Object::key).collect();
                self.learned.figures.retain(|key, _| keys.contains(key));
                self.learned.objects = objects;
                self.info = info;
                self.told = Some(self.now);
                self.away = None;
            }
            Event::Figures(key, figures) => {
                self.learned.figures.insert(key, figures);
            }
            Event::Away(why, last) => {
                if self.learned.objects.is_empty() {
                    self.learned.objects = last;
                }
                self.away = Some(why);
            }
            Event::Printed(number, bytes) => {
                if let Some(page) = self.page(number) {
                    page.printed(&bytes);
                }
            }
            Event::Ended(number) => {
                let now = self.now;
                if let Some(page) = self.page(number) {
                    page.ended(now);
                }
            }
            Event::Told(tone, words) => self.notice = Some((self.now, tone, words)),
            Event::Closed => asks.push(Ask::Leave),
        }
        self.settle();
        asks
    }

    fn page(&mut self, number: u64) -> Option<&mut Page> {
        match &mut self.mode {
            Mode::Page(page) if page.number == number => Some(page),
            Mode::Page(_) | Mode::List | Mode::Filter(_) | Mode::Confirm(_) => None,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Ask> {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return vec![Ask::Leave];
        }
        // What is held beside a letter makes another key of it.
        if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
            return Vec::new();
        }
        match &mut self.mode {
            Mode::List => self.list_key(key.code),
            Mode::Filter(before) => {
                let before = before.clone();
                self.filter_key(key.code, before);
                Vec::new()
            }
            Mode::Confirm(id) => {
                let id = id.clone();
                self.mode = Mode::List;
                match key.code {
                    KeyCode::Char('y' | 'Y') => {
                        let words = format!("{id} is to start anew");
                        self.notice = Some((self.now, Tone::Info, words));
                        vec![Ask::Restart(id)]
                    }
                    _ => Vec::new(),
                }
            }
            Mode::Page(_) => self.page_key(key.code),
        }
    }

    fn list_key(&mut self, code: KeyCode) -> Vec<Ask> {
        let page = self.list_height().max(1).cast_signed();
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-page),
            KeyCode::PageDown => self.go(page),
            KeyCode::Home | KeyCode::Char('g') => self.go(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.go(isize::MAX),
            KeyCode::Enter | KeyCode::Char('d') => return self.open(Kind::Describe),
            KeyCode::Char('l') => return self.open(Kind::Logs),
            KeyCode::Char('r') => {
                if let Some(id) = self.selected.clone() {
                    self.mode = Mode::Confirm(id);
                }
            }
            KeyCode::Char(' ') => self.fold(None),
            KeyCode::Left => self.fold(Some(true)),
            KeyCode::Right => self.fold(Some(false)),
            KeyCode::Char('a') => self.fold_all(),
            KeyCode::Char('/') => self.mode = Mode::Filter(self.view.filter.clone()),
            KeyCode::Char('s') => self.view.sort = self.view.sort.next(),
            // Of a list that a filter makes short, the whole is one step nearer than the end.
            KeyCode::Esc if !self.view.filter.is_empty() => self.view.filter.clear(),
            KeyCode::Char('q') | KeyCode::Esc => return vec![Ask::Leave],
            _ => {}
        }
        Vec::new()
    }

    fn filter_key(&mut self, code: KeyCode, before: String) {
        match code {
            KeyCode::Enter => self.mode = Mode::List,
            KeyCode::Esc => {
                self.view.filter = before;
                self.mode = Mode::List;
            }
            KeyCode::Backspace => {
                self.view.filter.pop();
            }
            KeyCode::Char(char) => self.view.filter.push(char),
            _ => {}
        }
    }

    fn page_key(&mut self, code: KeyCode) -> Vec<Ask> {
        let size = self.page_size();
        let Mode::Page(page) = &mut self.mode else { return Vec::new() };
        let by = match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -size.1.cast_signed(),
            KeyCode::PageDown | KeyCode::Char(' ') => size.1.cast_signed(),
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => {
                self.mode = Mode::List;
                return vec![Ask::NoPage];
            }
            _ => return Vec::new(),
        };
        page.scroll(by, size);
        Vec::new()
    }

    /// Chooses the line that is so many lines away, or the last one on the way.
    fn go(&mut self, by: isize) {
        let rows = self.rows();
        let last = rows.len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
        self.selected = rows.get(self.cursor).map(|row| row.id.clone());
    }

    fn open(&mut self, kind: Kind) -> Vec<Ask> {
        let Some(id) = self.selected.clone() else { return Vec::new() };
        self.pages += 1;
        self.mode = Mode::Page(Page::new(kind.clone(), id.clone(), self.pages, self.colour));
        vec![Ask::Page(self.pages, kind, id, self.page_size().0)]
    }

    /// Asks for the description that is open once more.
    fn describe_again(&mut self) -> Option<Ask> {
        let (number, width) = (self.pages + 1, self.page_size().0);
        let Mode::Page(page) = &mut self.mode else { return None };
        if page.kind != Kind::Describe {
            return None;
        }
        page.again(number);
        let ask = Ask::Page(number, Kind::Describe, page.id.clone(), width);
        self.pages = number;
        Some(ask)
    }

    /// Hides the parts of the object that is chosen, or shows them.
    fn fold(&mut self, hide: Option<bool>) {
        let Some(id) = &self.selected else { return };
        let folded = &mut self.view.folded;
        if hide.unwrap_or_else(|| !folded.contains(&id.key)) {
            folded.insert(id.key.clone());
        } else {
            folded.remove(&id.key);
        }
        self.rise();
    }

    /// Hides the parts of all; shows those of all where they are hidden.
    fn fold_all(&mut self) {
        let keys = self.learned.objects.iter().filter_map(Object::key);
        let keys: Vec<_> = keys.filter(|key| key.kind != ObjectKind::Stack).collect();
        if keys.iter().all(|key| self.view.folded.contains(key)) {
            self.view.folded.clear();
        } else {
            self.view.folded.extend(keys);
        }
        self.rise();
    }

    /// A part that is hidden cannot be chosen: its object is.
    fn rise(&mut self) {
        if let Some(id) = self.selected.as_mut().filter(|id| self.view.folded.contains(&id.key)) {
            id.part = None;
        }
    }

    /// What is chosen stays so wherever it went, and in sight; where it is gone, whatever is in its place is chosen.
    fn settle(&mut self) {
        let rows = self.rows();
        let place = rows.iter().position(|row| self.selected.as_ref() == Some(&row.id));
        self.cursor = place.unwrap_or(self.cursor.min(rows.len().saturating_sub(1)));
        self.selected = rows.get(self.cursor).map(|row| row.id.clone());
        let height = self.list_height().max(1);
        self.top = self.top.min(self.cursor).max((self.cursor + 1).saturating_sub(height));
        // No room is left empty below while there is something above.
        self.top = self.top.min(rows.len().saturating_sub(height));
    }
}
