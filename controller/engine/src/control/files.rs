//! The text of spec files as requests change it: one document put in, replaced or taken out; the others and all
//! comments stay as they are. Pure; who writes what where is said in `edits`.

use std::path::Path;

use agent_harness_model::spec::node::{Node, NodeKind};
use agent_harness_model::spec::parse::{Document, parse};
use agent_harness_model::spec::yaml::{self, marker};

use crate::intake::sources::slice;

/// A file's text with one of its documents replaced, or taken out (`None`). `None` when no document is left.
pub fn with(text: &str, document: &Document, replacement: Option<&str>) -> Option<String> {
    // The places in a document count from behind the mark that some editors put in front of a file.
    let mark = text.strip_prefix('\u{feff}').map_or("", |_| "\u{feff}");
    let text = document.node.source.text.as_ref();
    let (before, after) = (&text[..document.range.start], &text[document.range.end..]);
    if let Some(new) = replacement {
        // The old one may have begun on the line of its border.
        let needs_border = is_border(first_line(&text[document.range.clone()]))
            && !is_border(first_line(new))
            && !is_blank(before);
        let border = if needs_border { "---\n" } else { "" };
        let newline = if new.ends_with('\n') || after.is_empty() { "" } else { "\n" };
        return Some(format!("{mark}{before}{border}{new}{newline}{after}"));
    }
    // The border in front goes with it, and the mark of its end; of the first one, the border behind.
    let before = if is_border(last_line(before)) { without_last_line(before) } else { before };
    let after = if is_end(first_line(after)) { without_first_line(after) } else { after };
    let first = is_blank(before);
    let after =
        if first && is_bare_border(first_line(after)) { without_first_line(after) } else { after };
    let apart =
        first || is_blank(after) || is_end(last_line(before)) || is_border(first_line(after));
    let left = format!("{mark}{before}{}{after}", if apart { "" } else { "---\n" });
    (!is_blank(&left)).then_some(left)
}

fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or_default()
}

fn last_line(text: &str) -> &str {
    text.split_inclusive('\n').next_back().unwrap_or_default()
}

fn without_first_line(text: &str) -> &str {
    &text[first_line(text).len()..]
}

fn without_last_line(text: &str) -> &str {
    &text[..text.len() - last_line(text).len()]
}

/// Whether a line begins a document: with `---` in its first column.
fn is_border(line: &str) -> bool {
    marker(line, "---").is_some()
}

/// Whether nothing but a comment stands on such a line.
fn is_bare_border(line: &str) -> bool {
    marker(line, "---").is_some_and(is_blank)
}

/// Whether a line ends a document.
fn is_end(line: &str) -> bool {
    marker(line, "...").is_some()
}

/// Whether a text holds no document.
fn is_blank(text: &str) -> bool {
    yaml::is_blank(text.trim_start_matches('\u{feff}'))
}

/// A document for another folder: relative paths, which start at `from`, are made absolute; everything else stays
/// letter by letter. `file` is the name that it gets there.
///
/// # Errors
/// A sentence when a path is written in a way that cannot be replaced.
pub fn rebased(
    document: &Document,
    from: &Path,
    to: &Path,
    file: &Path,
) -> Result<Document, String> {
    let (_, text) = slice(document);
    let moves =
        from != to && from.canonicalize().ok().is_none_or(|it| Some(it) != to.canonicalize().ok());
    let edits: Vec<(Vec<String>, Edit)> = if moves { edits(document, from) } else { Vec::new() };
    let changed = replaced(&text, document, edits.iter().map(|(_, edit)| edit));
    let file = file.display().to_string();
    let moved =
        parse(&file, changed.as_bytes()).documents.into_iter().find(|it| it.key == document.key);
    let is_moved = |moved: &Document| {
        edits.iter().all(|(path, edit)| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            moved.node.find(&path).and_then(Node::as_str) == Some(&edit.path)
        })
    };
    moved.filter(is_moved).ok_or_else(|| {
        let paths: Vec<String> = edits.iter().map(|(path, _)| path.join(".")).collect();
        format!(
            "the relative paths of {} cannot be rewritten for {}: write {} on one line, or absolute",
            document.key,
            to.display(),
            paths.join(" and ")
        )
    })
}

/// A path that is to be written in another way.
struct Edit {
    line: usize,
    column: usize,
    width: usize,
    path: String,
}

fn replaced<'a>(text: &str, document: &Document, edits: impl Iterator<Item = &'a Edit>) -> String {
    let (begin, _) = slice(document);
    let mut edits: Vec<&Edit> = edits.collect();
    // From the end, so that earlier places stay right.
    edits.sort_unstable_by_key(|edit| std::cmp::Reverse((edit.line, edit.column)));
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    for edit in edits {
        let index = edit.line.checked_sub(begin);
        let Some(line) = index.and_then(|index| lines.get_mut(index)) else { continue };
        let quoted = format!("\"{}\"", edit.path.replace('\\', "\\\\").replace('"', "\\\""));
        let characters: Vec<char> = line.chars().collect();
        let start = edit.column.saturating_sub(1).min(characters.len());
        let end = (start + edit.width).min(characters.len());
        let (head, tail) = (&characters[..start], &characters[end..]);
        *line = head.iter().collect::<String>() + &quoted + &tail.iter().collect::<String>();
    }
    lines.concat()
}

/// The relative paths of a document, by where they stand in it, and what they become.
fn edits(document: &Document, from: &Path) -> Vec<(Vec<String>, Edit)> {
    let mut found: Vec<Vec<&str>> = vec![
        vec!["spec", "worktree", "repo"],
        vec!["spec", "worktree", "path"],
        vec!["spec", "postgres", "embedded", "binDir"],
    ];
    let files = document.node.find(&["spec", "files"]).map(Node::entries).unwrap_or_default();
    found.extend(files.iter().map(|entry| vec!["spec", "files", entry.key.as_str(), "from"]));
    let edit = |path: Vec<&str>| {
        let node = document.node.find(&path)?;
        let NodeKind::String(written) = &node.kind else { return None };
        let at = node.at;
        let edit = Edit {
            line: at.line as usize,
            column: at.column as usize,
            width: at.width as usize,
            path: is_relative(written).then(|| {
                agent_harness_model::layout::normal(&from.join(written)).display().to_string()
            })?,
        };
        Some((path.into_iter().map(str::to_owned).collect(), edit))
    };
    found.into_iter().filter_map(edit).collect()
}

/// Whether a path starts at the folder of its file. What it begins with may be filled in later.
fn is_relative(path: &str) -> bool {
    let elsewhere = ["/", "~/", "${harness.", "${home}", "${worktree.path}"];
    !path.is_empty() && path != "~" && !elsewhere.iter().any(|start| path.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "\
# about both
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: a}
spec: {stack: s}
";
    const B: &str = "\
# about b
apiVersion: agent-harness.dev/v1alpha1
kind: Agent
metadata: {name: b}
spec: {stack: s}
";
    const FLOW: &str = "{apiVersion: agent-harness.dev/v1alpha1, kind: Agent, metadata: {name: c}, spec: {stack: s}}\n";

    fn documents(text: &str) -> Vec<Document> {
        let parsed = parse("/specs/x.yaml", text.as_bytes());
        assert!(parsed.problems.is_empty(), "{text}\n{:#?}", parsed.problems);
        parsed.documents
    }

    fn without(text: &str, index: usize) -> Option<String> {
        with(text, &documents(text)[index], None)
    }

    #[test]
    fn a_document_is_replaced_and_the_rest_stays() {
        let new = "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {name: a}\nspec: {stack: t}\n";
        for text in
            [format!("{A}---\n{B}"), format!("{A}...\n{B}"), format!("\u{feff}{A}---\t\n{B}")]
        {
            let changed = with(&text, &documents(&text)[0], Some(new)).unwrap();
            assert_eq!(changed, text.replace(A, new));
        }
        let text = format!("{A}--- {FLOW}---\n{B}");
        let changed = with(&text, &documents(&text)[1], Some(new)).unwrap();
        assert_eq!(changed, format!("{A}---\n{new}---\n{B}"));
        assert_eq!(
            documents(&changed.replace("name: a", "name: x").replacen("name: x", "name: a", 1))
                .len(),
            3
        );
    }

    #[test]
    fn a_document_is_taken_out_with_its_border_and_nothing_else() {
        for border in ["---\n", "---\t\n", "--- # of b\n", "---\r\n"] {
            let text = format!("{A}{border}{B}");
            assert_eq!(without(&text, 0).as_deref(), Some(B), "{border:?}");
            assert_eq!(without(&text, 1).as_deref(), Some(A), "{border:?}");
        }
        let text = format!("{A}...\n{B}");
        assert_eq!(without(&text, 0).as_deref(), Some(B));
        assert_eq!(without(&text, 1), Some(format!("{A}...\n")));
        for middle in
            [format!("---\n{FLOW}...\n"), format!("--- {FLOW}...\n"), format!("--- {FLOW}---\n")]
        {
            assert_eq!(without(&format!("{A}{middle}{B}"), 1), Some(format!("{A}---\n{B}")));
        }
        let text = format!("{A}--- {FLOW}---\n{B}...\n");
        assert_eq!(without(&text, 1), Some(format!("{A}---\n{B}...\n")));
        assert_eq!(without(&text, 0), Some(format!("--- {FLOW}---\n{B}...\n")));
        assert_eq!(without(&text, 2), Some(format!("{A}--- {FLOW}")));
        for alone in [
            A.to_owned(),
            format!("# x\n---\n{A}"),
            format!("---\n{A}...\n# y\n"),
            format!("--- {FLOW}"),
        ] {
            assert_eq!(without(&alone, 0), None, "{alone:?}");
        }
    }

    #[test]
    fn relative_paths_are_made_absolute() {
        let text = "\
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: s}
spec:
  worktree: {repo: ../../app, base: main, path: \"trees/${agent.name}\"}   # the app
  files:
    a: {from: 'a.template'}
    b: {from: /abs/b.template}
    c: {content: x}
    d: {from: \"${worktree.path}/d\"}
    e: {from: \"${agent.name}.template\"}
";
        let document = documents(text).remove(0);
        let (from, to, file) = ("/home/me/specs", "/etc/specs", "/etc/specs/s.yaml");
        let moved = rebased(&document, from.as_ref(), to.as_ref(), file.as_ref()).unwrap();
        let expected = text
            .replace("../../app", "\"/home/app\"")
            .replace("\"trees/${agent.name}\"", "\"/home/me/specs/trees/${agent.name}\"")
            .replace("'a.template'", "\"/home/me/specs/a.template\"")
            .replace("\"${agent.name}.template\"", "\"/home/me/specs/${agent.name}.template\"");
        assert_eq!(slice(&moved).1, expected);
        // What was moved once stays where it is.
        let again = rebased(&moved, "/tmp".as_ref(), to.as_ref(), file.as_ref()).unwrap();
        assert_eq!((slice(&again).1, again.hash()), (expected, moved.hash()));
        let same = rebased(&document, to.as_ref(), to.as_ref(), file.as_ref()).unwrap();
        assert_eq!(slice(&same).1, text);
    }

    #[test]
    fn a_path_that_cannot_be_replaced_is_refused() {
        let text = "\
apiVersion: agent-harness.dev/v1alpha1
kind: Stack
metadata: {name: s}
spec:
  worktree:
    repo: >-
      ../app
    base: main
";
        let document = documents(text).remove(0);
        let moved = rebased(&document, "/a".as_ref(), "/b".as_ref(), "/b/s.yaml".as_ref());
        assert_eq!(
            moved.unwrap_err(),
            "the relative paths of stack/s cannot be rewritten for /b: write spec.worktree.repo on one line, or absolute"
        );
    }
}
