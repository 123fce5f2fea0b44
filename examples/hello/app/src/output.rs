//! The only place that writes to stdout and stderr. A closed pipe is no reason to panic.

use std::error::Error;
use std::io::{Write as _, stderr, stdout};

/// One line of the log, on stdout.
pub fn line(text: impl std::fmt::Display) {
    let _ = writeln!(stdout(), "{text}");
}

/// An error with its causes, on stderr.
pub fn error(error: &dyn Error) {
    let _ = writeln!(stderr(), "error: {}", chain(error));
}

/// An error with its causes, as one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
