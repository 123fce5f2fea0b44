//! Hashes that are compared over time. Each carries the version of how it was made, so that a newer
//! controller can tell "made differently" from "is different".

use std::fmt::Write as _;

const VERSION: &str = "1";

/// Hash of some bytes: `1-` and 32 hex digits.
pub fn content(bytes: &[u8]) -> String {
    finish(blake3::Hasher::new().update(bytes))
}

/// `content` of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Content(blake3::Hasher);

impl Content {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all of them.
    pub fn finish(&self) -> String {
        finish(&self.0)
    }
}

/// Hash of several parts; where one ends and the next begins makes a difference.
pub fn parts<I, P>(parts: I) -> String
where
    I: IntoIterator<Item = P>,
    P: AsRef<[u8]>,
{
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        let part = part.as_ref();
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    finish(&hasher)
}

fn finish(hasher: &blake3::Hasher) -> String {
    let mut text = format!("{VERSION}-");
    for byte in hasher.finalize().as_bytes().iter().take(16) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(parts(["ab", "c"]), parts(["a", "bc"]));
        assert_ne!(parts(["a"]), content(b"a"));
        assert_eq!(content(b"a").len(), 34);
        let mut pieces = Content::default();
        pieces.update(b"a");
        pieces.update(b"b");
        assert_eq!(pieces.finish(), content(b"ab"));
    }
}
