//! `${…}`: the one template syntax, in YAML values and in template files.
//!
//! `${name}` is replaced by the value of that name, `$$` is a literal `$`, and a `$` that opens no `${`
//! stays as it is. A name that nobody knows is an error that says which names exist. What contains a
//! secret is secret itself.

use std::collections::BTreeMap;

use crate::secret::{Secret, Text};
use crate::spec::diagnostic::{list, nearest};

/// The names that exist, with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope(BTreeMap<String, Text>);

impl Scope {
    /// Adds a name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Text>) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds a secret.
    pub fn set_secret(&mut self, name: impl Into<String>, value: &Secret) {
        self.0.insert(name.into(), Text::Secret(value.clone()));
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.get(name)
    }

    /// The value of a name that a template uses at `offset`.
    pub fn value(&self, name: &str, offset: usize) -> Result<&Text, TemplateError> {
        self.0.get(name).ok_or_else(|| unknown(name, self, offset))
    }

    /// The same without the names that begin like one of these.
    pub fn without(&self, prefixes: &[&str]) -> Self {
        let mut scope = self.clone();
        scope.0.retain(|name, _| !prefixes.iter().any(|prefix| name.starts_with(prefix)));
        scope
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// A template that cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that nobody knows.
    #[error("`${{{name}}}` is not known")]
    Unknown {
        /// The name.
        name: String,
        /// Which names exist, and which was probably meant.
        help: String,
        /// Where the `$` is, in bytes from the start.
        offset: usize,
    },
    /// `${` without `}`.
    #[error("`${{` is never closed by `}}`")]
    Open {
        /// Where the `$` is, in bytes from the start.
        offset: usize,
    },
}

impl TemplateError {
    /// What would be right.
    pub fn help(&self) -> String {
        match self {
            Self::Unknown { help, .. } => help.clone(),
            Self::Open { .. } => "close it with `}`, or write `$$` for a literal `$`".to_owned(),
        }
    }

    /// Where the `$` is, in bytes from the start of the template.
    pub fn offset(&self) -> usize {
        match self {
            Self::Unknown { offset, .. } | Self::Open { offset } => *offset,
        }
    }
}

/// Renders a template.
pub fn render(template: &str, scope: &Scope) -> Result<Text, TemplateError> {
    let mut out = String::with_capacity(template.len());
    let mut secret = false;
    for piece in pieces(template) {
        match piece? {
            Piece::Literal(text) => out.push_str(text),
            Piece::Name { name, offset } => {
                let value = scope.value(name, offset)?;
                secret |= value.is_secret();
                out.push_str(value.reveal());
            }
        }
    }
    Ok(if secret { Text::Secret(Secret::new(out)) } else { Text::Plain(out) })
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text that stays as it is; `$$` is a `$` by now.
    Literal(&'a str),
    /// What stands between `${` and `}`.
    Name {
        /// The name.
        name: &'a str,
        /// Where its `$` is, in bytes from the start of the template.
        offset: usize,
    },
}

/// The parts of a template, in order. After an error there is no more.
pub fn pieces(template: &str) -> impl Iterator<Item = Result<Piece<'_>, TemplateError>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let offset = template.len() - rest.len();
        if let Some(after) = rest.strip_prefix("$$") {
            let dollar = &rest[..1];
            rest = after;
            return Some(Ok(Piece::Literal(dollar)));
        }
        if let Some(after) = rest.strip_prefix("${") {
            let Some(end) = after.find('}') else {
                rest = "";
                return Some(Err(TemplateError::Open { offset }));
            };
            rest = &after[end + 1..];
            return Some(Ok(Piece::Name { name: after[..end].trim(), offset }));
        }
        // A `$` that opens nothing is text.
        let opens = |at: &usize| rest[*at..].starts_with("$$") || rest[*at..].starts_with("${");
        let end = rest.match_indices('$').map(|(at, _)| at).find(opens).unwrap_or(rest.len());
        let text = &rest[..end];
        rest = &rest[end..];
        Some(Ok(Piece::Literal(text)))
    })
}

/// Every name that a template uses, in order; what comes after an unfinished `${` is left out.
pub fn names_in(template: &str) -> Vec<&str> {
    pieces(template)
        .filter_map(|piece| match piece {
            Ok(Piece::Name { name, .. }) => Some(name),
            Ok(Piece::Literal(_)) | Err(_) => None,
        })
        .collect()
}

/// The text with an `x` in the place of each `${…}`: enough to see what is wrong with it whatever those come to.
/// `None` when one is never closed.
pub fn outline(template: &str) -> Option<String> {
    let parts = pieces(template).map(|piece| match piece {
        Ok(Piece::Literal(text)) => Some(text),
        Ok(Piece::Name { .. }) => Some("x"),
        Err(_) => None,
    });
    parts.collect()
}

fn unknown(name: &str, scope: &Scope, offset: usize) -> TemplateError {
    let exist = format!("these exist: {}", list(scope.names()));
    let help = match nearest(name, scope.names()) {
        Some(near) => format!("did you mean `${{{near}}}`? {exist}"),
        None => format!("{exist}; write `$$` for a literal `$`"),
    };
    TemplateError::Unknown { name: name.to_owned(), help, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        scope.set("agent.id", "3");
        scope.set("ports.api", "8030");
        scope.set_secret("database.password", &Secret::new("hunter2"));
        scope
    }

    fn plain(template: &str) -> String {
        match render(template, &scope()) {
            Ok(Text::Plain(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_replaced_and_dollars_stay() {
        assert_eq!(plain("a-${agent.id}:${ports.api}"), "a-3:8030");
        assert_eq!(plain("$HOME $ 5$ $${agent.id} $$"), "$HOME $ 5$ ${agent.id} $");
        assert_eq!(plain("${ agent.id }"), "3");
        assert_eq!(plain("größe ${agent.id}"), "größe 3");
    }

    #[test]
    fn the_names_that_a_template_uses() {
        assert_eq!(names_in("$a ${b} $${c} ${ d.e }${f"), ["b", "d.e"]);
    }

    #[test]
    fn what_holds_a_secret_is_secret() {
        let text = render("postgres://${database.password}@x", &scope()).unwrap();
        assert_eq!((text.to_string().as_str(), text.reveal()), ("***", "postgres://hunter2@x"));
    }

    #[test]
    fn an_unknown_name_says_which_exist() {
        let error = render("x ${agent.ID}", &scope()).unwrap_err();
        assert_eq!(error.to_string(), "`${agent.ID}` is not known");
        assert_eq!(
            error.help(),
            "did you mean `${agent.id}`? these exist: `agent.id`, `database.password` and `ports.api`"
        );
        assert_eq!(error.offset(), 2);
        assert_eq!(render("${a", &scope()).unwrap_err(), TemplateError::Open { offset: 0 });
    }
}
