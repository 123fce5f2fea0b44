//! Tables: aligned columns without lines. Where the terminal is too narrow, the columns that may
//! shrink do, the last one first, and some give way altogether; the others never do. Prose goes on in
//! the lines below.

use super::{Tone, wrap};

/// One field of a table.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text in a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        // A tab would break the alignment.
        let text = text.into().trim_end().replace('\t', "    ");
        Self { text, tone }
    }
}

impl Cell {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    fn width(&self) -> usize {
        self.text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// A column: its title, and how narrow it may become.
#[derive(Debug, Clone, Default)]
struct Column {
    title: String,
    least: Option<usize>,
    /// Left out while no row has anything in it.
    optional: bool,
    /// Text that is never cut off, but goes on in the lines below.
    prose: bool,
    /// Left out where there is no room for it, even cut down.
    dispensable: bool,
}

/// Rows under titles.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    titles: bool,
    indent: usize,
    /// The only row that is printed.
    shown: Option<usize>,
    /// The least width of each column.
    floor: Vec<usize>,
}

impl Table {
    /// A table that begins with a line of titles.
    pub fn new() -> Self {
        Self { titles: true, ..Self::default() }
    }

    /// A table without titles, each line indented.
    pub fn plain(indent: usize) -> Self {
        Self { indent, ..Self::default() }
    }

    /// The same, with a line of titles.
    pub fn titled(indent: usize) -> Self {
        Self { titles: true, ..Self::plain(indent) }
    }

    /// A column that is always there in full.
    pub fn column(self, title: &str) -> Self {
        self.with(Column { title: title.to_owned(), ..Column::default() })
    }

    /// A column that is left out while no row has anything in it.
    pub fn optional(self, title: &str) -> Self {
        self.with(Column { title: title.to_owned(), optional: true, ..Column::default() })
    }

    /// A column that is left out while it is empty, and that is cut down to `least` characters where
    /// there is no room.
    pub fn flexible(self, title: &str, least: usize) -> Self {
        let title = title.to_owned();
        self.with(Column { title, least: Some(least), optional: true, ..Column::default() })
    }

    /// Like a flexible one, but left out altogether where there is no room even for `least`.
    pub fn dispensable(self, title: &str, least: usize) -> Self {
        let title = title.to_owned();
        let column = Column { title, least: Some(least), optional: true, ..Column::default() };
        self.with(Column { dispensable: true, ..column })
    }

    /// A last column of whole sentences, that go on in the lines below where there is no room.
    pub fn prose(self) -> Self {
        self.sentences("")
    }

    /// The same, with a title.
    pub fn sentences(self, title: &str) -> Self {
        let (title, least) = (title.to_owned(), Some(24));
        self.with(Column { title, least, optional: true, prose: true, ..Column::default() })
    }

    fn with(mut self, column: Column) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// One row alone, in columns that are nowhere narrower than `floor`: what a watch prints one
    /// after another.
    pub fn only(mut self, index: usize, floor: &[usize]) -> Self {
        self.shown = Some(index);
        floor.clone_into(&mut self.floor);
        self
    }

    /// The lines, each with its end.
    pub fn render(&self, width: Option<usize>, colour: bool) -> String {
        let widths = self.widths(width);
        let mut text = String::new();
        if let Some(index) = self.shown {
            if let Some(row) = self.rows.get(index) {
                self.push(&mut text, row, &widths, colour);
            }
            return text;
        }
        if self.titles {
            let titles: Vec<_> = self
                .columns
                .iter()
                .map(|column| Cell::new(Tone::Quiet, column.title.as_str()))
                .collect();
            self.push(&mut text, &titles, &widths, colour);
        }
        for row in &self.rows {
            self.push(&mut text, row, &widths, colour);
        }
        text
    }

    fn push(&self, text: &mut String, row: &[Cell], widths: &[usize], colour: bool) {
        let mut line = " ".repeat(self.indent);
        let mut gap = 0;
        let mut column = self.indent;
        let mut below = Vec::new();
        for ((cell, &width), spec) in row.iter().zip(widths).zip(&self.columns) {
            if width == 0 {
                continue;
            }
            let mut lines = if spec.prose {
                cell.text.lines().flat_map(|line| wrap(line, width)).collect()
            } else {
                vec![fit(cell.first_line(), width)]
            }
            .into_iter();
            let shown = lines.next().unwrap_or_default();
            if !shown.is_empty() {
                line.push_str(&" ".repeat(gap));
                line.push_str(&cell.tone.paint(colour, &shown));
                gap = 0;
            }
            gap += width.saturating_sub(shown.chars().count()) + 2;
            let indent = " ".repeat(column);
            below.extend(lines.map(|line| format!("{indent}{}\n", cell.tone.paint(colour, &line))));
            column += width + 2;
        }
        text.push_str(line.trim_end());
        text.push('\n');
        text.extend(below);
    }

    /// The width of each column, 0 for one that is left out.
    pub fn widths(&self, available: Option<usize>) -> Vec<usize> {
        let whole: Vec<usize> = (0..self.columns.len()).map(|index| self.natural(index)).collect();
        let Some(available) = available else { return whole };
        let mut widths = self.squeezed(whole.clone(), available);
        for (index, column) in self.columns.iter().enumerate() {
            if self.total(&widths) > available && column.dispensable {
                let mut fewer = whole.clone();
                fewer[index] = 0;
                widths = self.squeezed(fewer, available);
            }
        }
        widths
    }

    /// The width of a column where there is all the room that it wants.
    fn natural(&self, index: usize) -> usize {
        let column = &self.columns[index];
        let width = |cell: &Cell| {
            if column.prose { cell.width() } else { cell.first_line().chars().count() }
        };
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(width).max().unwrap_or(0);
        let widest = widest.max(self.floor.get(index).copied().unwrap_or(0));
        if widest == 0 && (column.optional || !self.titles) {
            return 0;
        }
        if self.titles { widest.max(column.title.chars().count()) } else { widest }
    }

    /// The widths with those columns cut down that may be, the last one first.
    fn squeezed(&self, mut widths: Vec<usize>, available: usize) -> Vec<usize> {
        for index in (0..widths.len()).rev() {
            let excess = self.total(&widths).saturating_sub(available);
            if let Some(least) = self.columns[index].least {
                let least = least.min(widths[index]);
                widths[index] = widths[index].saturating_sub(excess).max(least);
            }
        }
        widths
    }

    /// The length of a whole line.
    fn total(&self, widths: &[usize]) -> usize {
        let shown = widths.iter().filter(|width| **width > 0).count();
        self.indent + widths.iter().sum::<usize>() + 2 * shown.saturating_sub(1)
    }
}

/// A text in at most `width` characters, with `…` where something was cut off.
pub fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
