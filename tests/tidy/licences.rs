//! Every crate that we link may be used under a licence of the list.

use super::{metadata, report};

const ALLOWED: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    "PostgreSQL",
];

/// Crates whose licence is not on the list, and why that is fine.
const EXCEPTIONS: [(&str, &str); 0] = [];

#[test]
fn every_licence_is_on_the_list() {
    let problems: Vec<_> = metadata()["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap();
            let licence = package["license"].as_str().unwrap_or("no licence");
            let fine =
                allowed(licence) || EXCEPTIONS.iter().any(|(crate_name, _)| *crate_name == name);
            (!fine).then(|| format!("{name} {}: {licence}", package["version"].as_str().unwrap()))
        })
        .collect();
    report("licences that are not on the list", &problems);
}

#[test]
fn expressions_are_understood() {
    for fine in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0"] {
        assert!(allowed(fine), "{fine}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-3.0) OR AGPL-3.0", "", "no licence"] {
        assert!(!allowed(bad), "{bad}");
    }
}

/// Whether an SPDX expression leaves us a choice that is on the list. `AND` binds tighter than `OR`.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split(&expression, " OR ").into_iter().any(|choice| {
        split(choice, " AND ").into_iter().all(|part| {
            let part = part.trim();
            match part.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
                Some(inner) => allowed(inner),
                None => ALLOWED.contains(&part),
            }
        })
    })
}

/// Splits at a word that is not within parentheses.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && text[at..].starts_with(word) => {
                parts.push(&text[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}
