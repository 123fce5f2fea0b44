//! When a process that ended may be started again: at once, and when it ends again after 1 s, doubled for each further
//! end in a row, 60 s at most.
//!
//! One end is an accident, and whoever waits for it gains nothing. A run of a minute starts the count anew. Pure; the
//! counts are kept in the run folder.

use std::time::Duration;

/// After the second end in a row.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
/// A run this long was healthy: the next end counts as the first.
pub const HEALTHY: Duration = Duration::from_mins(1);

/// Ends in a row after a run that began with `before` of them and lasted `ran_ms`.
pub fn failures(before: u32, ran_ms: u64) -> u32 {
    if u128::from(ran_ms) >= HEALTHY.as_millis() { 1 } else { before.saturating_add(1) }
}

/// The wait after this many ends in a row.
pub fn delay(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        // Past 2^6 s the ceiling holds anyway.
        many => (FIRST * 2_u32.pow((many - 2).min(6))).min(LONGEST),
    }
}

/// Whether the wait that began at `ended_ms` is over at `now_ms`.
///
/// A clock that was set back does not make it longer than [`delay`].
pub fn is_due(failures: u32, ended_ms: u64, now_ms: u64) -> bool {
    u128::from(now_ms.saturating_sub(ended_ms)) >= delay(failures).as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_end_waits_for_nothing_and_then_the_wait_doubles_up_to_a_minute() {
        let seconds: Vec<u64> = (0..10).map(|failures| delay(failures).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(delay(u32::MAX), LONGEST);
    }

    #[test]
    fn a_healthy_minute_starts_anew() {
        assert_eq!(failures(5, 59_999), 6);
        assert_eq!(failures(5, 60_000), 1);
    }

    #[test]
    fn due_counts_from_the_end_and_survives_a_clock_set_back() {
        assert!(!is_due(3, 10_000, 11_999));
        assert!(is_due(3, 10_000, 12_000));
        assert!(!is_due(3, 10_000, 5_000));
        assert!(is_due(1, 10_000, 5_000));
    }
}
