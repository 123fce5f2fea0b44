//! Pages over small sets of keys.

use super::*;

fn index(keys: &[&str]) -> BTreeMap<String, Entry> {
    keys.iter()
        .map(|key| ((*key).to_owned(), Entry { size: 1, etag: String::new(), modified_ms: 0 }))
        .collect()
}

/// All pages of a listing, each as its objects and prefixes.
fn pages(keys: &[&str], prefix: &str, delimiter: Option<&str>, limit: usize) -> Vec<String> {
    let index = index(keys);
    let mut start = None;
    let mut all = Vec::new();
    loop {
        let page = page(&index, prefix, delimiter, start.as_ref(), limit);
        let objects: Vec<_> = page.objects.iter().map(|(key, _)| key.as_str()).collect();
        all.push(format!("{} | {}", objects.join(" "), page.prefixes.join(" ")));
        match page.next {
            // As a client would: through the token.
            Some(next) => start = Start::parse(&next.token()),
            None => return all,
        }
    }
}

#[test]
fn pages_without_delimiter() {
    assert_eq!(pages(&["a", "b", "c", "d"], "", None, 2), ["a b | ", "c d | "]);
    assert_eq!(pages(&["a", "b", "c"], "", None, 2), ["a b | ", "c | "]);
    assert_eq!(pages(&[], "", None, 2), [" | "]);
}

#[test]
fn folds_at_the_delimiter_and_does_not_repeat_a_prefix_on_the_next_page() {
    let keys = ["a", "dir/1", "dir/2", "dir/sub/3", "dir0", "é/ü", "z"];
    assert_eq!(pages(&keys, "", Some("/"), 100), ["a dir0 z | dir/ é/"]);
    assert_eq!(pages(&keys, "", Some("/"), 1), ["a | ", " | dir/", "dir0 | ", "z | ", " | é/"]);
    assert_eq!(pages(&keys, "dir/", Some("/"), 100), ["dir/1 dir/2 | dir/sub/"]);
}

#[test]
fn a_key_that_is_also_a_folder_keeps_both() {
    assert_eq!(pages(&["a", "a/", "a/b"], "", Some("/"), 10), ["a | a/"]);
    assert_eq!(pages(&["a", "a/", "a/b"], "a/", Some("/"), 10), ["a/ a/b | "]);
}

#[test]
fn starts_after_a_key() {
    let index = index(&["a/1", "a/2", "b"]);
    let start = Start::AfterKey("a/1".into());
    let page = page(&index, "", Some("/"), Some(&start), 10);
    assert_eq!(page.prefixes, ["a/"]);
    assert_eq!(page.objects.len(), 1);
}

#[test]
fn a_token_that_is_not_ours_is_refused() {
    for token in ["", "x", "k1", "kzz", "kff", "ké1"] {
        assert_eq!(Start::parse(token), None, "{token:?}");
    }
}

#[test]
fn the_successor_skips_what_is_not_a_character() {
    assert_eq!(successor("a/").as_deref(), Some("a0"));
    assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(successor("\u{10ffff}"), None);
}
