//! Spans of time in as few characters as tell something, as kubectl shows them.

use jiff::Timestamp;

/// `12s`, `3m40s`, `42m`, `5h`, `2d`, `3y`.
pub fn age(since: Timestamp, now: Timestamp) -> String {
    let total = now.as_second().saturating_sub(since.as_second()).max(0);
    let (days, hours, minutes) = (total / 86_400, total / 3_600, total / 60);
    match total {
        0..120 => format!("{total}s"),
        120..600 if total % 60 != 0 => format!("{minutes}m{}s", total % 60),
        120..10_800 => format!("{minutes}m"),
        10_800..172_800 => format!("{hours}h"),
        172_800..63_072_000 => format!("{days}d"),
        _ => format!("{}y", days / 365),
    }
}

/// `0.4s`, `12.3s`, `3m05s`: how long something took.
pub fn seconds(span: std::time::Duration) -> String {
    let tenths = span.as_millis() / 100;
    if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else {
        format!("{}m{:02}s", tenths / 600, tenths / 10 % 60)
    }
}
