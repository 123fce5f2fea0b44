//! What an agent's key may do: the policy document, and whether one says the same. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The same as the keys of our own store: objects are the agent's, the bucket and its settings the controller's.
const OF_BUCKET: [&str; 5] = [
    "s3:GetBucketLocation",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:ListBucketMultipartUploads",
    "s3:GetBucketVersioning",
];
const OF_OBJECTS: [&str; 10] = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:PutObject",
    "s3:PutObjectTagging",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
];

/// What opens a bucket and those that the Infra shares, and nothing else.
pub fn document(bucket: &str, shared: &[String]) -> Value {
    let names = || std::iter::once(bucket).chain(shared.iter().map(String::as_str));
    let buckets: Vec<_> = names().map(|name| format!("arn:aws:s3:::{name}")).collect();
    let objects: Vec<_> = names().map(|name| format!("arn:aws:s3:::{name}/*")).collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            // A user may change its own secret and make further keys of its own, unless it is told not to.
            {"Effect": "Deny", "Action": ["admin:*"]},
            // An app that makes its bucket at its start is told that it has it, in place of that it must not.
            {"Effect": "Allow", "Action": ["s3:CreateBucket"], "Resource": [buckets[0]]},
            {"Effect": "Allow", "Action": OF_BUCKET, "Resource": buckets},
            {"Effect": "Allow", "Action": OF_OBJECTS, "Resource": objects},
        ],
    })
}

/// Whether two documents say the same: MinIO keeps no order, and adds fields that say nothing.
pub fn same(one: &Value, other: &Value) -> bool {
    statements(one).is_some_and(|one| Some(one) == statements(other))
}

fn statements(document: &Value) -> Option<BTreeSet<String>> {
    let of_one = |statement: &Value| -> Option<String> {
        let fields: Map<String, Value> = statement
            .as_object()?
            .iter()
            .filter(|(_, value)| !is_nothing(value))
            .map(|(name, value)| (name.clone(), sorted(value)))
            .collect();
        let mut fields: Vec<_> = fields.into_iter().collect();
        fields.sort_by(|one, other| one.0.cmp(&other.0));
        Some(format!("{fields:?}"))
    };
    document.get("Statement")?.as_array()?.iter().map(of_one).collect()
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A list as a set; a single word is a list of one.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let words: BTreeSet<_> = list.iter().map(Value::to_string).collect();
            json!(words)
        }
        Value::String(_) => json!([value.to_string()]),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_empty_fields_make_no_difference_and_rights_do() {
        let want = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Deny", "Action": ["admin:*"]},
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::a/*"]},
        ]});
        let have = json!({"ID": "", "Version": "2012-10-17", "Statement": [
            {"Sid": "", "Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"],
             "Resource": "arn:aws:s3:::a/*", "Condition": {}},
            {"Effect": "Deny", "Action": ["admin:*"], "Resource": null},
        ]});
        assert!(same(&want, &have));
        for (path, value) in [
            ("/Statement/0/Action", json!(["s3:GetObject"])),
            ("/Statement/0/Resource", json!(["arn:aws:s3:::*"])),
            ("/Statement/0/Condition", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
            ("/Statement", json!([])),
            ("/Statement", json!(null)),
        ] {
            let mut other = have.clone();
            *other.pointer_mut(path).unwrap() = value;
            assert!(!same(&want, &other), "{path}");
        }
        assert!(!same(&Value::Null, &Value::Null));
    }

    #[test]
    fn a_key_opens_its_own_bucket_and_the_shared_ones() {
        let text = document("agent-1", &["results".to_owned()]).to_string();
        for part in ["arn:aws:s3:::agent-1/*", "arn:aws:s3:::results/*"] {
            assert!(text.contains(part), "{text}");
        }
        assert_ne!(document("agent-1", &[]), document("agent-2", &[]));
    }
}
