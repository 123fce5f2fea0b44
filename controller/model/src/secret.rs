//! Text that must not be seen, and text that may contain such text.

use std::fmt;

/// A secret. It prints as `***` and is never serialized; `reveal` is the one way out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Call it where the value leaves for its server, process or 0600 file.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A rendered value. It is secret as soon as anything secret was put into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Text {
    /// May be shown.
    Plain(String),
    /// Contains a secret.
    Secret(Secret),
}

impl Text {
    /// The value itself, secret or not.
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(value) => value,
            Self::Secret(secret) => secret.reveal(),
        }
    }

    /// Whether it contains a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        Self::Plain(value.to_owned())
    }
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        Self::Plain(value)
    }
}

/// As a person may see it: secrets masked.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(value) => f.write_str(value),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let text = Text::Secret(Secret::new("hunter2"));
        assert_eq!(format!("{text} {text:?}"), "*** Secret(***)");
        assert_eq!(text.reveal(), "hunter2");
    }
}
