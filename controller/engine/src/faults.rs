//! Where a test ends the controller the hard way: `HARNESS_FAULT=kill:before:N` or `kill:after:N` is a
//! `kill -9` at the boundary of the N-th step that this process carries out (from 1). Only with the feature `faults`.

/// The side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before it is carried out, after it was written down.
    Before,
    /// After it was carried out, before that is written down.
    After,
}

/// Passes a boundary; does not come back when it is the one that was asked for.
#[cfg(feature = "faults")]
pub fn boundary(side: Side) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static WANTED: LazyLock<Option<(Side, usize)>> =
        LazyLock::new(|| std::env::var("HARNESS_FAULT").ok().and_then(|text| parse(&text)));
    static PASSED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

    let number = PASSED[side as usize].fetch_add(1, Ordering::SeqCst) + 1;
    if *WANTED == Some((side, number)) {
        // Nothing may run on the way out, no handler of SIGABRT either.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Passes a boundary.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn boundary(_side: Side) {}

#[cfg(any(feature = "faults", test))]
fn parse(text: &str) -> Option<(Side, usize)> {
    let mut words = text.split(':');
    let (what, side, number) = (words.next()?, words.next()?, words.next()?);
    let side = match side {
        "before" => Side::Before,
        "after" => Side::After,
        _ => return None,
    };
    (what == "kill" && words.next().is_none()).then_some((side, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read() {
        assert_eq!(parse("kill:before:3"), Some((Side::Before, 3)));
        assert_eq!(parse("kill:after:1"), Some((Side::After, 1)));
        for text in ["", "kill", "kill:before", "kill:now:3", "kill:after:x", "kill:after:1:2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
