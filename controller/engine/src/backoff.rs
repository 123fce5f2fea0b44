//! Exponential backoff with full jitter. Pure: the random number is an argument.

use std::time::Duration;

/// How delays grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest delay, and the upper end of the first one.
    pub base: Duration,
    /// No delay is longer.
    pub cap: Duration,
}

impl Backoff {
    /// For what will probably pass: 1 s to 5 min.
    pub const TRANSIENT: Self =
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300) };

    /// For what needs somebody to change something: 30 s to 5 min.
    pub const TERMINAL: Self =
        Self { base: Duration::from_secs(30), cap: Duration::from_secs(300) };

    /// The delay after so many failures in a row (1 is the first): anything from `base` to
    /// `base × 2^failures`, as `jitter` in 0..1 says, and never more than `cap`.
    pub fn delay(self, failures: u32, jitter: f64) -> Duration {
        let ceiling =
            self.base.saturating_mul(2_u32.saturating_pow(failures.min(20))).min(self.cap);
        self.base + ceiling.saturating_sub(self.base).mul_f64(jitter.clamp(0.0, 1.0))
    }
}

/// A random number in 0..1, good enough to spread retries.
pub fn jitter() -> f64 {
    // The last bytes of a version 7 UUID are random.
    let [.., a, b] = uuid::Uuid::now_v7().into_bytes();
    f64::from(u16::from_be_bytes([a, b])) / 65536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_from_the_base_to_the_cap() {
        let seconds = |failures, jitter| Backoff::TRANSIENT.delay(failures, jitter).as_secs();
        assert_eq!((seconds(1, 0.0), seconds(1, 1.0)), (1, 2));
        assert_eq!((seconds(5, 0.0), seconds(5, 1.0)), (1, 32));
        assert_eq!((seconds(60, 0.0), seconds(60, 1.0)), (1, 300));
        assert_eq!(Backoff::TERMINAL.delay(1, 0.0).as_secs(), 30);
        assert!((0..100).all(|_| (0.0..1.0).contains(&jitter())));
    }
}
