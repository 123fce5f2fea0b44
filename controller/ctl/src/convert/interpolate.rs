//! `${VAR}` of compose files: replaced by the variables of the caller, as compose does it.

use agent_harness_model::spec::node::{Node, NodeKind};

use super::report::Report;
use super::variables::Variables;

/// Why a text cannot be filled in.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfilled {
    /// `$` with something after it that is no variable.
    Invalid,
    /// `${NAME:?WHY}` without a value.
    Required {
        /// The name.
        name: String,
        /// What the file says about it.
        why: String,
    },
}

/// A text that was filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// Variables that have neither a value nor a default.
    pub unset: Vec<String>,
}

/// Fills in every text below a node that is at `path`.
pub fn tree(node: &mut Node, path: &str, variables: &Variables, report: &mut Report) {
    let place = node.place();
    match &mut node.kind {
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Number(..) => {}
        NodeKind::String(text) => match fill(text, &|name| variables.get(name)) {
            Ok(filled) => {
                for name in filled.unset {
                    let says = format!(
                        "`{name}` is not set and has no default: it counts as empty; set it, or \
                         name its file with --env-file"
                    );
                    report.note_at(place.clone(), path, says);
                }
                *text = filled.text;
            }
            Err(Unfilled::Invalid) => report.wrong(
                place,
                format!("`{path}` holds a `$` that begins no variable"),
                "write `${NAME}`, or `$$` for a literal `$`",
            ),
            Err(Unfilled::Required { name, why }) => {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                report.wrong(
                    place,
                    format!("`{path}` needs the variable `{name}`{why}"),
                    "set it, or name its file with --env-file",
                );
            }
        },
        NodeKind::Seq(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                tree(item, &format!("{path}[{index}]"), variables, report);
            }
        }
        NodeKind::Map(entries) => {
            for entry in entries {
                tree(&mut entry.value, &format!("{path}.{}", entry.key), variables, report);
            }
        }
    }
}

/// Fills in one text.
pub fn fill<'v>(text: &str, get: &dyn Fn(&str) -> Option<&'v str>) -> Result<Filled, Unfilled> {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            filled.text.push('$');
            rest = tail;
        } else if let Some(body) = after.strip_prefix('{') {
            let end = closing(body).ok_or(Unfilled::Invalid)?;
            braced(&body[..end], get, &mut filled)?;
            rest = &body[end + 1..];
        } else {
            let end = name_end(after);
            if end == 0 {
                return Err(Unfilled::Invalid);
            }
            value(&after[..end], get, &mut filled);
            rest = &after[end..];
        }
    }
    filled.text.push_str(rest);
    Ok(filled)
}

/// What stands between `${` and `}`.
fn braced<'v>(
    body: &str,
    get: &dyn Fn(&str) -> Option<&'v str>,
    filled: &mut Filled,
) -> Result<(), Unfilled> {
    let (name, operator) = body.split_at(name_end(body));
    if name.is_empty() {
        return Err(Unfilled::Invalid);
    }
    let (or_empty, operator) = match operator.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let set = get(name).filter(|value| !(or_empty && value.is_empty()));
    let mut argument = |text: &str| {
        let inner = fill(text, get)?;
        filled.unset.extend(inner.unset);
        Ok(inner.text)
    };
    let mut kinds = operator.chars();
    match (kinds.next(), set) {
        (None, _) if !or_empty => value(name, get, filled),
        (Some('-' | '?'), Some(value)) => filled.text.push_str(value),
        (Some('-'), None) => {
            let default = argument(kinds.as_str())?;
            filled.text.push_str(&default);
        }
        (Some('?'), None) => {
            let why = argument(kinds.as_str())?;
            return Err(Unfilled::Required { name: name.to_owned(), why });
        }
        (Some('+'), Some(_)) => {
            let replacement = argument(kinds.as_str())?;
            filled.text.push_str(&replacement);
        }
        (Some('+'), None) => {}
        (None | Some(_), _) => return Err(Unfilled::Invalid),
    }
    Ok(())
}

fn value<'v>(name: &str, get: &dyn Fn(&str) -> Option<&'v str>, filled: &mut Filled) {
    match get(name) {
        Some(value) => filled.text.push_str(value),
        None => filled.unset.push(name.to_owned()),
    }
}

/// Where the name at the start of a text ends.
fn name_end(text: &str) -> usize {
    let is_name = |(index, c): &(usize, char)| {
        *c == '_' || c.is_ascii_alphabetic() || *index > 0 && c.is_ascii_digit()
    };
    text.char_indices().take_while(is_name).count()
}

/// The `}` that closes what was opened before the text, past those of `${…}` in it.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<Filled, Unfilled> {
        fill(text, &|name| match name {
            "SET" => Some("value"),
            "EMPTY" => Some(""),
            _ => None,
        })
    }

    #[test]
    fn texts_are_filled_in_as_compose_does_it() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$SET/${SET}/x", "value/value/x"),
            ("$SET_", ""),
            ("${SET:-d} ${EMPTY:-d} ${NONE:-d}", "value d d"),
            ("${SET-d} ${EMPTY-d} ${NONE-d}", "value  d"),
            ("${SET:?no} ${SET?no} ${EMPTY?no}", "value value "),
            ("${SET:+r} ${EMPTY:+r} ${EMPTY+r} ${NONE+r}", "r  r "),
            ("${NONE:-${SET}:${NONE-x}}!", "value:x!"),
            ("${NONE:-a}b}", "ab}"),
            ("$$SET $${SET} 5$$", "$SET ${SET} 5$"),
            ("${NONE:-größe}", "größe"),
        ] {
            assert_eq!(filled(text).map(|filled| filled.text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(filled("$A ${B} ${SET:-$C} ${D:-$E}").unwrap().unset, ["A", "B", "E"]);
    }

    #[test]
    fn what_cannot_be_filled_in_says_why() {
        for text in ["$", "a $ b", "$1", "${", "${A", "${}", "${A:}", "${A!b}", "${1:-x}"] {
            assert_eq!(filled(text), Err(Unfilled::Invalid), "{text}");
        }
        let needs =
            |why: &str| Err(Unfilled::Required { name: "NONE".to_owned(), why: why.to_owned() });
        assert_eq!(filled("${NONE:?set $SET}"), needs("set value"));
        assert_eq!(filled("${NONE?}"), needs(""));
    }
}
