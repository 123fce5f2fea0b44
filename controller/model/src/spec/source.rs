//! A spec file's text, and places in it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The text of one file, shared by everything that was read from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, as messages show it.
    pub file: Arc<str>,
    /// Its text.
    pub text: Arc<str>,
    /// Where each line begins, in bytes.
    starts: Vec<usize>,
}

impl Source {
    /// A file of that name and text.
    pub fn new(file: &str, text: &str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { file: file.into(), text: text.into(), starts: starts.collect() }
    }

    /// One line of it, without its end; numbered from 1.
    pub fn line(&self, number: u32) -> &str {
        let index = number.saturating_sub(1) as usize;
        let Some(start) = self.starts.get(index).copied() else { return "" };
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches(['\r', '\n'])
    }

    /// The place of a position in it.
    pub fn place(&self, at: At) -> Place {
        let line = self.line(at.line);
        // A generated line of megabytes helps nobody.
        let text = line.chars().take(400).collect();
        Place {
            file: self.file.to_string(),
            line: at.line,
            column: at.column,
            width: at.width.max(1),
            text,
        }
    }
}

/// A position: line and column from 1, and how many characters from there are meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters on that line that are meant.
    pub width: u32,
}

/// A position in a file, with the line itself: all that a message needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The file's name.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Characters that are meant, at least 1.
    pub width: u32,
    /// The whole line.
    pub text: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
