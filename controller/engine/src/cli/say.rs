//! The one way out for words and data of this program, and its log.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::args::Verb;
use crate::facts::chain;

/// Sets the log up: stderr, `RUST_LOG`; by default only warnings.
pub fn log(verb: &Verb) {
    let usual = match verb {
        Verb::Run(_) => "warn,agent_harness_engine=info",
        Verb::Once(_) | Verb::Down(_) | Verb::ObjectStore { .. } => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    // On a terminal the table has the screen; it shows what matters.
    let quiet =
        matches!(verb, Verb::Run(_)) && on_terminal() && std::env::var_os("RUST_LOG").is_none();
    let filter = if quiet { EnvFilter::new("error") } else { filter };
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}

/// Whether a person watches, on a terminal that can move its cursor.
pub fn on_terminal() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    !dumb && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

/// Words.
pub fn word(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Data. A closed pipe is the reader's wish to end.
pub fn data(text: &str) {
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// What went wrong.
pub fn problem(text: &str) {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    let _ = writeln!(anstream::stderr(), "{red}error{red:#}: {text}");
}

/// What went wrong, with its causes, and the exit code for it.
pub fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    problem(&chain(error));
    ExitCode::FAILURE
}
