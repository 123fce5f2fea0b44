//! How server and controller know each other, without a secret on the wire.
//!
//! The controller sends a nonce and the server answers with a keyed hash that only the holder of the root key can make,
//! so a foreign server on the port is noticed before anything is sent to it. Admin requests carry a keyed hash over
//! method, path and time.

use super::secret::SecretText;

/// How far an admin request's time may be off, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// The path that answers [`identity`].
pub const IDENTITY_PATH: &str = "/.harness/identity";
/// The path prefix of admin requests.
pub const ADMIN_PREFIX: &str = "/.harness/admin/";
/// The header of an admin request: `MILLISECONDS:HASH`.
pub const ADMIN_HEADER: &str = "x-harness-admin";

/// The answer to an identity challenge.
pub fn identity(root_secret: &SecretText, installation: &str, nonce: &str) -> String {
    keyed("agent-harness object store: identity", root_secret, &format!("{installation}\n{nonce}"))
}

/// The value of [`ADMIN_HEADER`] for a request at that time.
pub fn admin(root_secret: &SecretText, method: &str, path_and_query: &str, now_ms: i64) -> String {
    let text = format!("{method}\n{path_and_query}\n{now_ms}");
    format!("{now_ms}:{}", keyed("agent-harness object store: admin", root_secret, &text))
}

/// Whether a header value proves the root key for this request.
pub fn admin_holds(
    root_secret: &SecretText,
    method: &str,
    path_and_query: &str,
    header: &str,
    now_ms: i64,
) -> bool {
    let Some(sent_ms) = header.split(':').next().and_then(|text| text.parse::<i64>().ok()) else {
        return false;
    };
    now_ms.abs_diff(sent_ms) <= WINDOW_MS
        && same(header, &admin(root_secret, method, path_and_query, sent_ms))
}

/// Compares in a time that does not depend on where the texts differ.
pub fn same(left: &str, right: &str) -> bool {
    blake3::hash(left.as_bytes()) == blake3::hash(right.as_bytes())
}

fn keyed(context: &str, secret: &SecretText, text: &str) -> String {
    let key = blake3::derive_key(context, secret.expose().as_bytes());
    blake3::keyed_hash(&key, text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_request_holds_for_its_own_path_key_and_time() {
        let secret = SecretText::new("root");
        let header = admin(&secret, "POST", "/.harness/admin/rename?from=a&to=b", 1_000);
        let holds =
            |secret: &SecretText, path: &str, now| admin_holds(secret, "POST", path, &header, now);
        assert!(holds(&secret, "/.harness/admin/rename?from=a&to=b", 61_000));
        assert!(!holds(&secret, "/.harness/admin/rename?from=a&to=b", 61_001));
        assert!(!holds(&secret, "/.harness/admin/rename?from=a&to=c", 1_000));
        assert!(!holds(&SecretText::new("other"), "/.harness/admin/rename?from=a&to=b", 1_000));
        assert!(!admin_holds(&secret, "POST", "/", "nonsense", 0));
        for far in [i64::MIN, i64::MAX] {
            let header = admin(&secret, "POST", "/", far);
            assert!(!admin_holds(&secret, "POST", "/", &header, 1_000));
        }
    }
}
