//! What git takes for the name of a branch, so that a wrong one is refused here and not when its worktree is made.

/// What to do about a name that is [`refused`].
pub(crate) const HELP: &str = "write a name that git takes, such as `agent/${agent.name}`";

/// The message about a branch that was `written` so and comes to `name`, unless git takes it.
pub(crate) fn refused(written: &str, name: &str) -> Option<String> {
    Some(format!("{written:?} is no name for a branch: {}", problem(name)?))
}

/// The first rule of `git check-ref-format --branch` that a name breaks.
fn problem(name: &str) -> Option<String> {
    const SPECIAL: [char; 7] = ['~', '^', ':', '?', '*', '[', '\\'];
    if name.is_empty() {
        return Some("it is empty".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| *c == ' ' || c.is_ascii_control()) {
        return Some(match bad {
            ' ' => "it contains a space".to_owned(),
            _ => format!("it contains the control character {bad:?}"),
        });
    }
    if let Some(bad) = name.chars().find(|c| SPECIAL.contains(c)) {
        return Some(format!("it contains `{bad}`"));
    }
    let contained = ["..", "@{", "//"].into_iter().find(|part| name.contains(part));
    if let Some(part) = contained {
        return Some(format!("it contains `{part}`"));
    }
    if name == "@" || name == "HEAD" {
        return Some(format!("`{name}` stands for what is checked out"));
    }
    if let Some(first) = name.chars().next().filter(|c| ['-', '/'].contains(c)) {
        return Some(format!("it starts with `{first}`"));
    }
    if let Some(last) = name.chars().last().filter(|c| ['.', '/'].contains(c)) {
        return Some(format!("it ends with `{last}`"));
    }
    name.split('/').find_map(|part| {
        if part.starts_with('.') {
            Some(format!("its part `{part}` starts with `.`"))
        } else if part.strip_suffix(".lock").is_some() {
            Some(format!("its part `{part}` ends with `.lock`"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_takes_is_right() {
        for name in ["main", "fix/foo", "agent/agent-3", "a@b", "a.b/c", "ä", "a{b}", "a-", "Head"]
        {
            assert_eq!(problem(name), None, "{name}");
        }
    }

    #[test]
    fn what_git_refuses_is_refused_with_the_rule() {
        let names = [
            "", "a b", "a\tb", "a\0b", "a\u{7f}b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b",
            "a\\b", "a..b", "a@{b", "a//b", "@", "HEAD", "-a", "/a", "a.", "a/", ".a", "a/.b",
            "a.lock", "a.lock/b",
        ];
        let words: Vec<String> = names
            .iter()
            .map(|name| format!("{name:?}: {}", problem(name).unwrap_or_else(|| "right".into())))
            .collect();
        insta::assert_snapshot!(words.join("\n"), @r#"
        "": it is empty
        "a b": it contains a space
        "a\tb": it contains the control character '\t'
        "a\0b": it contains the control character '\0'
        "a\u{7f}b": it contains the control character '\u{7f}'
        "a~b": it contains `~`
        "a^b": it contains `^`
        "a:b": it contains `:`
        "a?b": it contains `?`
        "a*b": it contains `*`
        "a[b": it contains `[`
        "a\\b": it contains `\`
        "a..b": it contains `..`
        "a@{b": it contains `@{`
        "a//b": it contains `//`
        "@": `@` stands for what is checked out
        "HEAD": `HEAD` stands for what is checked out
        "-a": it starts with `-`
        "/a": it starts with `/`
        "a.": it ends with `.`
        "a/": it ends with `/`
        ".a": its part `.a` starts with `.`
        "a/.b": its part `.b` starts with `.`
        "a.lock": its part `a.lock` ends with `.lock`
        "a.lock/b": its part `a.lock` ends with `.lock`
        "#);
    }
}
