//! One page of a listing: prefix, delimiter, start and limit over the sorted keys of a bucket. Pure.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::object_file::{hex, unhex};

/// What a listing says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Bytes.
    pub size: u64,
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
}

/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After this key.
    AfterKey(String),
    /// After every key with this prefix, which an earlier page gave as a common prefix.
    AfterPrefix(String),
}

impl Start {
    /// An opaque continuation token.
    pub fn token(&self) -> String {
        let (kind, text) = match self {
            Self::AfterKey(key) => ('k', key),
            Self::AfterPrefix(prefix) => ('p', prefix),
        };
        format!("{kind}{}", hex(text.as_bytes()))
    }

    /// Reads a token that [`Start::token`] made.
    pub fn parse(token: &str) -> Option<Self> {
        let kind = token.chars().next()?;
        let text = String::from_utf8(unhex(token.get(1..)?)?).ok()?;
        match kind {
            'k' => Some(Self::AfterKey(text)),
            'p' => Some(Self::AfterPrefix(text)),
            _ => None,
        }
    }
}

/// One page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub objects: Vec<(String, Entry)>,
    pub prefixes: Vec<String>,
    /// Where the next page starts; `None`: this was the last.
    pub next: Option<Start>,
}

/// The page of at most `limit` objects and common prefixes that begins at `start`.
pub fn page(
    index: &BTreeMap<String, Entry>,
    prefix: &str,
    delimiter: Option<&str>,
    start: Option<&Start>,
    limit: usize,
) -> Page {
    let mut page = Page::default();
    if limit == 0 {
        return page;
    }
    let mut from = first(prefix, start);
    let mut last = None;
    while let Some((key, entry)) = index.range::<str, _>((as_str(&from), Bound::Unbounded)).next() {
        let Some(rest) = key.strip_prefix(prefix) else { break };
        if page.objects.len() + page.prefixes.len() == limit {
            page.next = last;
            break;
        }
        let folded = delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            rest.find(delimiter).map(|at| prefix.len() + at + delimiter.len())
        });
        if let Some(end) = folded {
            let common = key[..end].to_owned();
            let Some(next) = successor(&common) else { break };
            from = Bound::Included(next);
            last = Some(Start::AfterPrefix(common.clone()));
            page.prefixes.push(common);
        } else {
            from = Bound::Excluded(key.clone());
            last = Some(Start::AfterKey(key.clone()));
            page.objects.push((key.clone(), entry.clone()));
        }
    }
    page
}

fn first(prefix: &str, start: Option<&Start>) -> Bound<String> {
    match start {
        Some(Start::AfterKey(key)) if key.as_str() >= prefix => Bound::Excluded(key.clone()),
        Some(Start::AfterPrefix(common)) if common.as_str() >= prefix => match successor(common) {
            Some(next) => Bound::Included(next),
            None => Bound::Excluded(common.clone()),
        },
        _ => Bound::Included(prefix.to_owned()),
    }
}

fn as_str(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(text) => Bound::Included(text),
        Bound::Excluded(text) => Bound::Excluded(text),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// The least string that is greater than every string with this prefix.
fn successor(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests;
