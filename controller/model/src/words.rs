//! Splits a command line into words as POSIX `sh` does, and tells when a line needs a real shell.
//!
//! A line without shell syntax runs without a shell: no process more, and no value in it can be taken for
//! syntax. `${…}` is our own template syntax and counts as part of a word.

use crate::template::{Piece, pieces};

/// How a command line is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// As these words.
    Words(Vec<String>),
    /// By `/bin/sh -c`, because it holds unquoted shell syntax.
    Shell,
}

/// A quote that is never closed, or a backslash with nothing after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// No closing quote.
    #[error("the quote {0} is never closed")]
    OpenQuote(char),
    /// Nothing to escape.
    #[error("a backslash at the end escapes nothing")]
    OpenBackslash,
    /// No words at all.
    #[error("the command is empty")]
    Empty,
}

/// Reads a command line.
pub fn split(line: &str) -> Result<Line, WordsError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '$' if chars.peek() == Some(&'{') => {
                let word = word.get_or_insert_default();
                word.push('$');
                for c in chars.by_ref() {
                    word.push(c);
                    if c == '}' {
                        break;
                    }
                }
            }
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(WordsError::OpenQuote('\'')),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        // Substitution happens inside double quotes too.
                        Some('`') => return Ok(Line::Shell),
                        Some('$') if chars.peek().is_some_and(|c| is_expansion(*c)) => {
                            return Ok(Line::Shell);
                        }
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(WordsError::OpenBackslash),
                        },
                        Some(c) => word.push(c),
                        None => return Err(WordsError::OpenQuote('"')),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(WordsError::OpenBackslash),
            },
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' | '*' | '?' | '[' | '\n' => {
                return Ok(Line::Shell);
            }
            '$' if chars.peek().is_some_and(|c| is_expansion(*c)) => return Ok(Line::Shell),
            '~' if word.is_none() => return Ok(Line::Shell),
            '#' if word.is_none() => return Ok(Line::Shell),
            // `NAME=value command` sets a variable for a shell.
            '=' if words.is_empty() && word.as_deref().is_some_and(is_name) => {
                return Ok(Line::Shell);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.first().map(String::as_str) {
        None => Err(WordsError::Empty),
        // `! command` turns its exit code around.
        Some("!") => Ok(Line::Shell),
        Some(_) => Ok(Line::Words(words)),
    }
}

fn is_expansion(c: char) -> bool {
    c == '(' || c == '_' || c == '?' || c == '$' || c.is_ascii_alphanumeric()
}

fn is_name(word: &str) -> bool {
    word.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// Reads a shell line up to a value, and says how the value has to be written there, so that nothing in it
/// is taken for syntax.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    open: Vec<Open>,
    escaped: bool,
    before: Option<char>,
    here_document: bool,
}

/// What is open at a place of a shell line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// `'`
    Single,
    /// `"`
    Double,
    /// `(` or `$(`
    Parenthesis,
    /// A backquote.
    Backquote,
}

impl Shell {
    /// Reads on.
    pub fn read(&mut self, text: &str) {
        for c in text.chars() {
            self.next(c);
            self.before = Some(c);
        }
    }

    fn next(&mut self, c: char) {
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match (self.open.last(), c) {
            (Some(Open::Single), '\'') | (Some(Open::Double), '"') => self.close(),
            (Some(Open::Single), _) => {}
            (_, '\\') => self.escaped = true,
            (Some(Open::Backquote), '`') | (Some(Open::Parenthesis), ')') => self.close(),
            (_, '`') => self.open.push(Open::Backquote),
            (Some(Open::Double), '(') if self.before == Some('$') => {
                self.open.push(Open::Parenthesis);
            }
            (Some(Open::Double), _) => {}
            (_, '(') => self.open.push(Open::Parenthesis),
            (_, '\'') => self.open.push(Open::Single),
            (_, '"') => self.open.push(Open::Double),
            (_, '<') if self.before == Some('<') => self.here_document = true,
            _ => {}
        }
    }

    fn close(&mut self) {
        self.open.pop();
    }

    /// A value as it has to be written here; `None` where there is no way that is sure.
    pub fn quote(&self, value: &str) -> Option<String> {
        if self.here_document || self.open.contains(&Open::Backquote) {
            return None;
        }
        Some(match self.open.last() {
            Some(Open::Single) => value.replace('\'', r"'\''"),
            Some(Open::Double) => {
                let mut out = String::with_capacity(value.len());
                for c in value.chars() {
                    if matches!(c, '"' | '\\' | '$' | '`') {
                        out.push('\\');
                    }
                    out.push(c);
                }
                out
            }
            Some(Open::Parenthesis | Open::Backquote) | None => quote(value),
        })
    }
}

/// The first name in a shell line that stands where no value can be written safely.
pub fn unquotable(line: &str) -> Option<&str> {
    let mut shell = Shell::default();
    pieces(line).map_while(Result::ok).find_map(|piece| match piece {
        Piece::Literal(text) => {
            shell.read(text);
            None
        }
        Piece::Name { name, .. } => shell.quote("").is_none().then_some(name),
    })
}

/// What is wrong with such a name, and what to do.
pub fn unquotable_words(name: &str) -> (String, String) {
    (
        format!("`${{{name}}}` cannot stand within backquotes or a here-document"),
        format!(
            "write `$(…)` in place of backquotes, or pass it in `env` as `X: ${{{name}}}` and write `$X`"
        ),
    )
}

/// A value as one word of a shell line.
pub fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,=-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        match split(line) {
            Ok(Line::Words(words)) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(words("a  b\tc"), ["a", "b", "c"]);
        assert_eq!(words(r#"a 'b c' "d \"e\"" f\ g"#), ["a", "b c", "d \"e\"", "f g"]);
        assert_eq!(words("a '' \"\""), ["a", "", ""]);
        assert_eq!(
            words("x --port ${ports.api} '$HOME' 'a|b'"),
            ["x", "--port", "${ports.api}", "$HOME", "a|b"]
        );
        assert_eq!(words("x a=b $"), ["x", "a=b", "$"]);
    }

    #[test]
    fn shell_syntax_needs_a_shell() {
        for line in [
            "a && b",
            "a | b",
            "a > f",
            "echo $HOME",
            "echo \"$HOME\"",
            "ls *",
            "A=1 b",
            "cd ~",
            "a; b",
            "$(x)",
            "! a",
        ] {
            assert_eq!(split(line), Ok(Line::Shell), "{line}");
        }
    }

    #[test]
    fn what_never_ends_is_an_error() {
        assert_eq!(split("a 'b"), Err(WordsError::OpenQuote('\'')));
        assert_eq!(split("a \"b"), Err(WordsError::OpenQuote('"')));
        assert_eq!(split("a \\"), Err(WordsError::OpenBackslash));
        assert_eq!(split("  "), Err(WordsError::Empty));
    }

    fn filled(line: &str, value: &str) -> Option<String> {
        let (head, tail) = line.split_once('@').unwrap();
        let mut shell = Shell::default();
        shell.read(head);
        Some(format!("{head}{}{tail}", shell.quote(value)?))
    }

    #[test]
    fn a_value_is_no_syntax_wherever_it_stands() {
        let filled = |line| filled(line, r#"a b'c"; $(x) \"#).unwrap();
        assert_eq!(filled("cd @ && x"), r#"cd 'a b'\''c"; $(x) \' && x"#);
        assert_eq!(filled("cd \"/@\" && x"), r#"cd "/a b'c\"; \$(x) \\" && x"#);
        assert_eq!(filled("sh -c 'y @' && x"), r#"sh -c 'y a b'\''c"; $(x) \' && x"#);
        assert_eq!(filled("cd \"$(y @)\" && x"), r#"cd "$(y 'a b'\''c"; $(x) \')" && x"#);
        assert_eq!(filled(r#"y \"'\'@ | x"#), r#"y \"'\''a b'\''c"; $(x) \' | x"#);
    }

    #[test]
    fn a_value_that_needs_no_quotes_gets_none() {
        assert_eq!(filled("cd @ && x", "fix/foo").unwrap(), "cd fix/foo && x");
    }

    #[test]
    fn there_are_places_for_no_value() {
        for line in ["x `y @`", "x \"`y @`\"", "cat <<END\n@\nEND"] {
            assert_eq!(filled(line, "v"), None, "{line}");
        }
    }
}
