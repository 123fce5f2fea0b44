//! Quoting for statements that take no bind parameters, and what a name may be.
//!
//! Every identifier and literal that goes into dynamic SQL of this provider comes from here.

use super::error::PgError;

/// The longest identifier that PostgreSQL keeps, in bytes; it silently cuts longer ones.
pub const MAX_IDENTIFIER: usize = 63;

/// Begins a transaction whose commit does not wait for the disk. Only where a commit that a crash takes back is seen
/// by the next look, and done again; what comes after it in the log cannot outlive it.
pub const NO_SYNC: &str = "SET LOCAL synchronous_commit = off";

/// A quoted identifier: `agent"3` becomes `"agent""3"`.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted literal that means the same whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Refuses names that PostgreSQL would cut or cannot hold.
pub fn check_name(name: &str) -> Result<(), PgError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_IDENTIFIER {
        "it is longer than 63 bytes, and PostgreSQL would cut it"
    } else if name.contains('\0') {
        "it contains a zero byte"
    } else {
        return Ok(());
    };
    Err(PgError::Name { name: name.to_owned(), reason })
}

/// The name of something in the trash: `trash_1f3a9c0d_agent_3`; a name that would become too
/// long is cut and ends in a hash, so that it stays one to one.
pub fn trash_name(name: &str, uid_short: &str) -> String {
    shortened(format!("trash_{uid_short}_{name}"), name)
}

/// The name of something that is kept under a name without `_`: `kept_1f3a9c0d_before-fix_agent_3`; cut in the same way.
pub fn kept_name(name: &str, kept: &str, uid_short: &str) -> String {
    let own = format!("{kept}_{name}");
    shortened(format!("kept_{uid_short}_{own}"), &own)
}

fn shortened(whole: String, name: &str) -> String {
    if whole.len() <= MAX_IDENTIFIER {
        return whole;
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let ending = format!("_{}", &hash[..8]);
    let mut cut = MAX_IDENTIFIER - ending.len();
    while !whole.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}{ending}", &whole[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(ident(r#"a"; DROP DATABASE x; --"#), r#""a""; DROP DATABASE x; --""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r" E'a\\''b'");
    }

    #[test]
    fn names_that_would_be_cut_are_refused() {
        assert!(check_name(&"x".repeat(63)).is_ok());
        for name in ["", "a\0b", &"x".repeat(64)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn trash_names_stay_short_and_different() {
        assert_eq!(trash_name("agent_3", "1f3a9c0d"), "trash_1f3a9c0d_agent_3");
        let (one, two) = (format!("{}1", "ä".repeat(31)), format!("{}2", "ä".repeat(31)));
        let (one, two) = (trash_name(&one, "1f3a9c0d"), trash_name(&two, "1f3a9c0d"));
        assert_ne!(one, two);
        assert!(one.len() <= MAX_IDENTIFIER && two.len() <= MAX_IDENTIFIER);
    }
}
