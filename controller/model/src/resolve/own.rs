//! The names of what an incarnation has in the state folder: its secrets, and folders of its own.

use super::context::Context;
use super::store_key::OBJECT_STORE;
use crate::id::{ObjectKey, ObjectKind, Uid};

/// What an incarnation has a secret of its own for, beside its bucket: its database.
pub(super) const DATABASE: &str = "database";

/// Characters of [`Uid::short`].
const SHORT: usize = 8;

/// How the store of secrets calls a secret of this incarnation.
pub(super) fn own_secret(cx: &Context<'_>, what: &str) -> String {
    secret_of(cx.key, cx.uid, what)
}

fn secret_of(key: &ObjectKey, uid: &Uid, what: &str) -> String {
    format!("{}-{}-{what}", key.slug(), uid.short())
}

/// How the store of secrets calls all that are an incarnation's own.
pub fn own_secrets(key: &ObjectKey, uid: &Uid) -> [String; 2] {
    [DATABASE, OBJECT_STORE].map(|what| secret_of(key, uid, what))
}

/// Whose a secret is by its name, if it is an incarnation's own: the object's slug, and the end of the uid.
pub fn owner_of_secret(name: &str) -> Option<(&str, &str)> {
    let of = [DATABASE, OBJECT_STORE].into_iter().find_map(|what| name.strip_suffix(what))?;
    of.strip_suffix('-').and_then(slug_and_short)
}

/// The two parts of a name such as `agent-agent-3-0a1b2c3d`.
pub fn slug_and_short(name: &str) -> Option<(&str, &str)> {
    let (slug, short) = name.split_at_checked(name.len().checked_sub(SHORT)?)?;
    let slug = slug.strip_suffix('-')?;
    let is_slug = ObjectKind::ALL
        .iter()
        .any(|kind| slug.strip_prefix(kind.as_str()).is_some_and(|name| name.starts_with('-')));
    (is_slug && short.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some((slug, short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_it_is() {
        let (key, uid) = (ObjectKey::agent("agent-3"), Uid::new("0190-aaaa-12345678"));
        for name in own_secrets(&key, &uid) {
            assert_eq!(owner_of_secret(&name), Some(("agent-agent-3", "12345678")), "{name}");
        }
        assert_eq!(slug_and_short("infra-shared-0a1b2c3d"), Some(("infra-shared", "0a1b2c3d")));
        for name in ["", "x", "spec-12345678-database", "infra-shared-postgres", "agent-12345678"] {
            assert_eq!(owner_of_secret(name).or_else(|| slug_and_short(name)), None, "{name}");
        }
    }
}
