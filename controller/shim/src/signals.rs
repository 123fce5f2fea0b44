//! Signals by name, as users write them: `SIGTERM`, `TERM`, `sigterm`.

use rustix::process::Signal;

/// The signals that a stop or `ctl` may name.
const NAMES: &[(&str, Signal)] = &[
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ABRT", Signal::ABORT),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("TERM", Signal::TERM),
    ("CONT", Signal::CONT),
    ("STOP", Signal::STOP),
    ("WINCH", Signal::WINCH),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
    ("SEGV", Signal::SEGV),
    ("BUS", Signal::BUS),
    ("ILL", Signal::ILL),
    ("FPE", Signal::FPE),
    ("TRAP", Signal::TRAP),
    ("SYS", Signal::SYS),
    ("XCPU", Signal::XCPU),
    ("XFSZ", Signal::XFSZ),
];

/// Reads a name, with or without `SIG`, in any case; unknown is `None`.
pub fn parse(name: &str) -> Option<Signal> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    NAMES.iter().find(|(name, _)| *name == short).map(|(_, signal)| *signal)
}

/// `SIGTERM` for 15; an unlisted number is `signal 34`.
pub fn name(number: i32) -> String {
    NAMES
        .iter()
        .find(|(_, signal)| signal.as_raw() == number)
        .map_or_else(|| format!("signal {number}"), |(name, _)| format!("SIG{name}"))
}

/// The signal with this number, when it is one that [`parse`] knows.
pub fn from_number(number: i32) -> Option<Signal> {
    NAMES.iter().find(|(_, signal)| signal.as_raw() == number).map(|(_, signal)| *signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_with_and_without_the_prefix() {
        for text in ["SIGTERM", "TERM", "sigterm", "term"] {
            assert_eq!(parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(parse("SIGFOO"), None);
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(40), "signal 40");
    }
}
