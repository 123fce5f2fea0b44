//! Numbers of bytes in as few characters as tell something, in the units of specs.

/// `512B`, `1.5Ki`, `38Mi`, `1.0Gi`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["Ki", "Mi", "Gi", "Ti"];
    if count < 1024 {
        return format!("{count}B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_number_of_bytes_is_short() {
        let cases = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0Ki"),
            (39 << 20, "39Mi"),
            (256 << 20, "256Mi"),
            (1023 << 20, "1.0Gi"),
            (1 << 30, "1.0Gi"),
            (5 << 50, "5120Ti"),
        ];
        for (count, shown) in cases {
            assert_eq!(super::bytes(count), shown);
        }
    }
}
