//! Env files, as compose reads them: `NAME=VALUE` lines, quotes, comments, `${VAR}`.

use agent_harness_model::spec::diagnostic::Diagnostic;
use agent_harness_model::spec::source::{At, Source};

use super::interpolate::fill;
use super::variables::Variables;

/// The variables of a file, in the order written. One that is named without a value has that of the caller, or none.
pub fn parse(
    file: &str,
    text: &str,
    variables: &Variables,
) -> Result<Vec<(String, String)>, Box<Diagnostic>> {
    let source = Source::new(file, text);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let wrong = |message: String, help: &str| {
            let width = u32::try_from(line.chars().count()).unwrap_or(u32::MAX).max(1);
            let place = source.place(At { line: number, column: 1, width });
            Box::new(Diagnostic::at(place, message).help(help))
        };
        let said = line.trim();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let said = said.strip_prefix("export ").unwrap_or(said).trim_start();
        let Some((name, value)) = said.split_once(['=', ':']) else {
            if let Some(value) = variables.get(said) {
                found.push((said.to_owned(), value.to_owned()));
            }
            continue;
        };
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong(format!("{name:?} is no name for a variable"), "write NAME=VALUE"));
        }
        let mut value = value.trim_start().to_owned();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let value = match quote {
            None => expand(unquoted(&value), &found, variables),
            Some(quote) => {
                // A quoted value may go on over several lines.
                while end_of(&value[1..], quote).is_none() {
                    let Some((_, next)) = lines.next() else {
                        let help = "close the quote";
                        return Err(wrong(format!("the quote {quote} is never closed"), help));
                    };
                    value.push('\n');
                    value.push_str(next);
                }
                let inner = &value[1..];
                let inner = &inner[..end_of(inner, quote).unwrap_or(inner.len())];
                match quote {
                    '"' => expand(&unescaped(inner), &found, variables),
                    _ => inner.to_owned(),
                }
            }
        };
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

/// A value without the comment after it.
fn unquoted(value: &str) -> &str {
    let comment = value.find(" #").or(value.find("\t#"));
    let comment = if value.starts_with('#') { Some(0) } else { comment };
    value[..comment.unwrap_or(value.len())].trim_end()
}

/// Where the closing quote stands.
fn end_of(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('r')) => out.push('\r'),
            ('\\', Some('t')) => out.push('\t'),
            // Written so that it begins no variable.
            ('\\', Some('$')) => out.push_str("$$"),
            ('\\', Some(next @ ('"' | '\\' | '\''))) => out.push(next),
            _ => {
                out.push(c);
                continue;
            }
        }
        chars.next();
    }
    out
}

/// A text with its variables filled in; as it is where that cannot be done, as compose leaves it.
fn expand(text: &str, found: &[(String, String)], variables: &Variables) -> String {
    let get = |name: &str| {
        let earlier = || found.iter().rev().find(|(other, _)| other == name);
        variables.get(name).or_else(|| earlier().map(|(_, value)| value.as_str()))
    };
    fill(text, &get).map_or_else(|_| text.to_owned(), |filled| filled.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let caller = [("CALLER".to_owned(), "from outside".to_owned())];
        parse(".env", text, &Variables::of_process(caller)).unwrap()
    }

    #[test]
    fn values_are_read_as_compose_reads_them() {
        for (line, expected) in [
            ("A=b", "b"),
            ("export A = b c ", "b c"),
            ("A: b", "b"),
            ("A=", ""),
            ("A=b # comment", "b"),
            ("A=#c", ""),
            ("A=b#c", "b#c"),
            ("A='$X # \"'", "$X # \""),
            ("A=\"a\\nb \\\"c\\\" \\$X\" # comment", "a\nb \"c\" $X"),
            ("A=\"a\nb\"", "a\nb"),
            ("A=$CALLER", "from outside"),
            ("A=${NONE:-x}", "x"),
            ("A=pa$", "pa$"),
        ] {
            assert_eq!(read(line), [("A".to_owned(), expected.to_owned())], "{line}");
        }
        assert_eq!(read("# comment\n\nCALLER\nNONE\nB=1\nC=$B\n").len(), 3);
    }

    #[test]
    fn what_is_wrong_is_at_its_line() {
        let wrong = |text: &str| parse(".env", text, &Variables::default()).unwrap_err().line();
        insta::assert_snapshot!(
            ["A=1\nB C=2\n", "A='1\n\n", "=x"].map(wrong).join("\n"),
            @r#"
            .env:2:1: "B C" is no name for a variable; write NAME=VALUE
            .env:1:1: the quote ' is never closed; close the quote
            .env:1:1: "" is no name for a variable; write NAME=VALUE
            "#
        );
    }
}
