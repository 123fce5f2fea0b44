//! What a test does to the controller at a boundary of the N-th step that it carries out (from 1), by
//! `HARNESS_FAULT=KIND:SIDE:N`: `kill` is a `kill -9`, `error` a step that fails (`before`) or whose answer is lost (`after`),
//! `hang` one that never answers. `HARNESS_PLANT=NAME` plants a bug, see `agent_harness_model::plant`. Only with the feature `faults`.

use agent_harness_model::world::ApplyError;

/// The side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before it is carried out, after it was written down.
    Before,
    /// After it was carried out, before that is written down.
    After,
}

/// What happens there.
#[cfg(any(feature = "faults", test))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    Error,
    Hang,
}

/// Plants the bug that a test asks for, before anything begins.
pub fn plant() {
    #[cfg(feature = "faults")]
    if let Ok(name) = std::env::var("HARNESS_PLANT") {
        agent_harness_model::plant::plant_everywhere(&name);
    }
}

/// Passes a boundary, unless it is the one that was asked for.
#[cfg(feature = "faults")]
pub async fn boundary(side: Side) -> Result<(), ApplyError> {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use agent_harness_model::world::Class;

    static WANTED: LazyLock<Option<(Kind, Side, usize)>> =
        LazyLock::new(|| std::env::var("HARNESS_FAULT").ok().and_then(|text| parse(&text)));
    static PASSED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

    let number = PASSED[side as usize].fetch_add(1, Ordering::SeqCst) + 1;
    let Some((kind, ..)) = WANTED.filter(|(_, at, of)| (*at, *of) == (side, number)) else {
        return Ok(());
    };
    // Tests look for it.
    tracing::warn!("a fault of a test: {kind:?} {side:?} {number}");
    match kind {
        Kind::Kill => {
            // Nothing may run on the way out, no handler of SIGABRT either.
            let us = rustix::process::getpid();
            let _ = rustix::process::kill_process(us, rustix::process::Signal::KILL);
            std::future::pending().await
        }
        Kind::Hang => std::future::pending().await,
        Kind::Error => {
            let class = if side == Side::Before { Class::Transient } else { Class::Indeterminate };
            Err(ApplyError { class, message: "a fault of a test".to_owned(), part: None })
        }
    }
}

/// Passes a boundary.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn boundary(_side: Side) -> std::future::Ready<Result<(), ApplyError>> {
    std::future::ready(Ok(()))
}

#[cfg(any(feature = "faults", test))]
fn parse(text: &str) -> Option<(Kind, Side, usize)> {
    let mut words = text.split(':');
    let kind = match words.next()? {
        "kill" => Kind::Kill,
        "error" => Kind::Error,
        "hang" => Kind::Hang,
        _ => return None,
    };
    let side = match words.next()? {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    let number = words.next()?.parse().ok()?;
    words.next().is_none().then_some((kind, side, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read() {
        assert_eq!(parse("kill:before:3"), Some((Kind::Kill, Side::Before, 3)));
        assert_eq!(parse("error:after:1"), Some((Kind::Error, Side::After, 1)));
        assert_eq!(parse("hang:after:12"), Some((Kind::Hang, Side::After, 12)));
        for text in [
            "",
            "kill",
            "kill:before",
            "slow:before:3",
            "kill:now:3",
            "kill:after:x",
            "kill:after:1:2",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
