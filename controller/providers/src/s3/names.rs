//! The tags and names by which our buckets are known. Pure.

use agent_harness_model::id::Uid;

/// The tag that holds the mark: `agent-harness:<installation>:<uid>`.
pub const MARK: &str = "agent-harness";
/// The tag with the fingerprint of the settings that were applied last, written after all of them.
pub const SETTINGS: &str = "agent-harness-settings";
/// The tag of a bucket in the trash, in a store that cannot rename.
pub const TRASH: &str = "agent-harness-trash";

/// The tag with the name of the key that opens the bucket, where the store keeps keys elsewhere than with its buckets.
pub const KEY: &str = "agent-harness-key";

/// The tag that holds what a store said when it refused a setting, of which `word` is the name.
pub fn refused(word: &str) -> String {
    format!("agent-harness-refused-{word}")
}

/// A text as the value of a tag holds it: S3 allows few characters, and 256 of them.
pub fn tag_value(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-=._:/@".contains(c);
    let text: String = text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(200).collect()
}

/// The tag of a bucket of the Infra's, which the keys of all agents open.
pub use crate::object_store::SHARED_TAG as SHARED;

/// The most that S3 allows for the name of a bucket.
const NAME_MAX: usize = 63;

/// The name of a bucket in the trash: one per incarnation and bucket.
pub fn trash(bucket: &str, uid: &Uid) -> String {
    let word: String =
        uid.short().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let name = format!("trash-{word}-{bucket}");
    if name.len() <= NAME_MAX {
        return name;
    }
    let hash = blake3::hash(bucket.as_bytes()).to_hex();
    let suffix = format!("-{}", &hash[..8]);
    let head: String = name.chars().take(NAME_MAX - suffix.len()).collect();
    format!("{}{suffix}", head.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_value_that_a_tag_may_have() {
        let said = "InvalidRequest: the rule's \"ID\"\n is too ü long";
        assert_eq!(tag_value(said), "InvalidRequest: the rule s ID is too long");
        assert_eq!(tag_value(&"x".repeat(300)).len(), 200);
    }

    #[test]
    fn trash_names_are_bucket_names_and_tell_incarnations_apart() {
        let uid = Uid::new("0190-aaaa-12345678");
        assert_eq!(trash("agent-3", &uid), "trash-12345678-agent-3");
        assert_ne!(trash("agent-3", &uid), trash("agent-3", &Uid::new("0190-aaaa-12345679")));
        let long = "b".repeat(62);
        let (a, b) = (trash(&format!("{long}1"), &uid), trash(&format!("{long}2"), &uid));
        assert_ne!(a, b);
        for name in [&a, &b] {
            assert!(s3s::path::check_bucket_name(name), "{name}");
        }
    }
}
