//! The tags and names by which our buckets are known. Pure.

use agent_harness_model::id::Uid;

/// The tag that holds the mark: `agent-harness:<installation>:<uid>`.
pub const MARK: &str = "agent-harness";
/// The tag with the fingerprint of the settings that were applied last, written after all of them.
pub const SETTINGS: &str = "agent-harness-settings";
/// The tag of a bucket in the trash, in a store that cannot rename.
pub const TRASH: &str = "agent-harness-trash";

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
