//! Several documents in one file: each knows what is its own.

use super::super::parse::parse;

fn flow(name: &str) -> String {
    format!(
        "{{apiVersion: agent-harness.dev/v1alpha1, kind: Agent, metadata: {{name: {name}}}, spec: {{stack: s}}}}"
    )
}

/// The text of each document of a file.
fn own(text: &str) -> Vec<String> {
    let parsed = parse("x.yaml", text.as_bytes());
    assert!(parsed.problems.is_empty(), "{text}\n{:#?}", parsed.problems);
    let own = |document: &super::super::parse::Document| {
        document.node.source.text[document.range.clone()].to_owned()
    };
    parsed.documents.iter().map(own).collect()
}

#[test]
fn a_document_is_what_lies_between_two_markers() {
    let (a, b) = (flow("a"), flow("b"));
    for (border, whose) in [
        ("---\n", ""),
        ("---\t\n", ""),
        ("---\r\n", ""),
        ("--- # of b\n", ""),
        ("...\n", ""),
        ("... # the end\n", ""),
        ("...\n---\n", ""),
        ("...\n# of nobody\n---\n", ""),
        ("--- ", "--- "),
        ("---\t", "---\t"),
        ("...\n--- ", "--- "),
    ] {
        let text = format!("# first\n{a}\n{border}{b}\n# last\n");
        let expected = [format!("# first\n{a}\n"), format!("{whose}{b}\n# last\n")];
        assert_eq!(own(&text), expected, "{border:?}");
    }
}

#[test]
fn markers_at_the_ends_of_a_file_belong_to_nobody() {
    let a = flow("a");
    for text in ["---\nA\n", "A", "\u{feff}---\nA\n...\n", "# x\n---\nA\n...\n# y\n"] {
        let own = own(&text.replace('A', &a));
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].trim_end(), a, "{text:?}");
    }
}

#[test]
fn a_border_with_a_comment_alone_is_no_document() {
    let a = flow("a");
    assert_eq!(own(&format!("--- # nothing yet\n---\n{a}\n... # the end\n")).len(), 1);
}
