//! Sizes and times as compose writes them.

use agent_harness_model::spec::{Duration, Size};

/// A number of bytes: `512`, `256m`, `1.5gb`, `1GiB`. Units are powers of 1024, as Docker has them.
pub fn size(text: &str) -> Option<Size> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let shift = match unit {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        "t" | "tb" | "ti" | "tib" => 40,
        _ => return None,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).map(Size);
    }
    let number: f64 = number.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "a unit is a power of two")]
    let bytes = number * (1_u64 << shift) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no sign was read, and what is too large stays large"
    )]
    Some(Size(bytes as u64))
}

/// A time: `30s`, `1m30s`, `1.5h`, `100ms`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::from_secs(0));
    }
    let mut seconds = 0.0;
    let mut any = false;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        rest = &rest[letters..];
        seconds += number * unit;
        any = true;
    }
    if !any {
        return None;
    }
    let millis = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_micros().div_ceil(1000);
    Some(Duration(std::time::Duration::from_millis(u64::try_from(millis).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_docker_s() {
        for (text, expected) in [
            ("512", "512"),
            ("0", "0"),
            ("64b", "64"),
            ("256m", "256Mi"),
            ("256M", "256Mi"),
            ("1gb", "1Gi"),
            ("1GiB", "1Gi"),
            ("1.5g", "1536Mi"),
            ("2 kb", "2Ki"),
            ("2147483648", "2Gi"),
        ] {
            assert_eq!(
                size(text).map(|size| size.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in ["", "m", "1x", "-1", "1..5m", "lots"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_go_s() {
        for (text, expected) in [
            ("30s", "30s"),
            ("1m30s", "1m30s"),
            ("1.5h", "1h30m"),
            ("100ms", "100ms"),
            ("0", "0s"),
            ("0s", "0s"),
            ("90s", "1m30s"),
            ("1d", "1d"),
            ("500us", "1ms"),
        ] {
            let read = duration(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for text in ["", "30", "s", "1x", "-1s", "soon"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
