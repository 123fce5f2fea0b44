//! Keys of one bucket each, in a MinIO: users with a policy of their own, by its admin API. When they are due is left to
//! `apply`, and buckets to S3.
//!
//! The mark is the name of the policy, so it stands in the listing of users and in that of policies. The policy is made
//! first and removed last: a user that was cut off before it got its policy can do nothing, and is known by it. A user
//! of our name without either is a stranger's, and stays as it is. Why users and not service accounts is in
//! `docs/decisions/014-minio-keys.md`.

mod cache;
mod call;
mod policy;
mod seal;

use std::collections::BTreeMap;
use std::sync::Arc;

use agent_harness_model::id::Mark;
use agent_harness_model::kinds::bucket::Key;
use serde::Deserialize;
use serde_json::Value;

use super::error::S3Error;
use super::remote::Remote;
use call::Call;

pub use cache::KeyCache;
pub use seal::SealError;

/// All keys of a store, and what they may do.
#[derive(Debug, Default)]
pub struct Listed {
    users: BTreeMap<String, User>,
    policies: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    /// Names with commas between them.
    #[serde(default)]
    policy_name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    member_of: Option<Vec<String>>,
}

impl User {
    fn policies(&self) -> impl Iterator<Item = &str> {
        self.policy_name.split(',').filter(|name| !name.is_empty())
    }

    /// Groups have policies too, which add to its own.
    fn in_groups(&self) -> bool {
        self.member_of.as_ref().is_some_and(|groups| !groups.is_empty())
    }
}

/// Whose a key is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Ours,
    /// With what is seen of it.
    Foreign(String),
}

fn owner(user: Option<&User>, policy: Option<&Value>, mark: &str) -> Owner {
    match user {
        _ if policy.is_some() => Owner::Ours,
        Some(user) if user.policies().any(|name| name == mark) => Owner::Ours,
        Some(user) if user.policy_name.is_empty() => Owner::Foreign("it has no policy".to_owned()),
        Some(user) => Owner::Foreign(format!("its policy is {:.128}", user.policy_name)),
        None => Owner::Nobody,
    }
}

impl Listed {
    /// Whether there is something of ours by this name.
    pub fn is_ours(&self, access_key: &str, mark: &Mark) -> bool {
        let mark = mark.to_string();
        owner(self.users.get(access_key), self.policies.get(&mark), &mark) == Owner::Ours
    }

    /// Whether a key opens what it is to open, and nothing else.
    pub fn holds(&self, key: &Key, bucket: &str, mark: &Mark) -> bool {
        let mark = mark.to_string();
        let user = self.users.get(&key.access_key);
        let policy = self.policies.get(&mark);
        user.is_some_and(|user| {
            user.policy_name == mark && user.status == "enabled" && !user.in_groups()
        }) && policy.is_some_and(|have| policy::same(have, &policy::document(bucket, &key.shared)))
    }
}

/// Looks at all keys. The answer takes tens of milliseconds to decrypt.
pub async fn list(remote: &Remote) -> Result<Listed, S3Error> {
    let action = "list keys";
    let policies = Call { name: "list-canned-policies", query: &[], action }.get(remote).await?;
    let users = Call { name: "list-users", query: &[], action }.get(remote).await?;
    let users = open(remote, users).await?;
    Ok(Listed { users: parse(remote, &users)?, policies: parse(remote, &policies)? })
}

/// Makes a key be there and open what it is to open.
pub async fn give(remote: &Remote, key: &Key, bucket: &str, mark: &Mark) -> Result<(), S3Error> {
    let Key { access_key, secret_key, shared } = key;
    let mark = mark.to_string();
    let (user, have) = find(remote, access_key, &mark).await?;
    if let Owner::Foreign(whose) = owner(user.as_ref(), have.as_ref(), &mark) {
        return Err(S3Error::ForeignKey { access_key: access_key.clone(), whose });
    }
    let want = policy::document(bucket, shared);
    if !have.is_some_and(|have| policy::same(&have, &want)) {
        let action = format!("set the policy of key {access_key}");
        let call = Call { name: "add-canned-policy", query: &[("name", &mark)], action: &action };
        call.put(remote, want.to_string().into_bytes()).await?;
    }
    let mut attached = user.as_ref().is_some_and(|user| user.policy_name == mark);
    if user.is_some_and(|user| user.in_groups()) {
        remove_user(remote, access_key).await?;
        attached = false;
    }
    let action = format!("make key {access_key}");
    let body = serde_json::json!({"secretKey": secret_key.reveal(), "status": "enabled"});
    let body = seal(remote, body.to_string()).await?;
    let call = Call { name: "add-user", query: &[("accessKey", access_key)], action: &action };
    call.put(remote, body).await?;
    if attached {
        return Ok(());
    }
    let action = format!("give key {access_key} its policy");
    let query = [("policyName", mark.as_str()), ("userOrGroup", access_key), ("isGroup", "false")];
    let call = Call { name: "set-user-or-group-policy", query: &query, action: &action };
    call.put(remote, Vec::new()).await
}

/// Makes a key of ours be gone, with all that was derived from it; whether there was one. One that is not ours stays.
pub async fn take(remote: &Remote, access_key: &str, mark: &Mark) -> Result<bool, S3Error> {
    let mark = mark.to_string();
    let (user, policy) = match find(remote, access_key, &mark).await {
        // There never was a key.
        Err(S3Error::NoAdminApi { .. }) => return Ok(false),
        result => result?,
    };
    if owner(user.as_ref(), policy.as_ref(), &mark) != Owner::Ours {
        return Ok(false);
    }
    if user.is_some() {
        remove_user(remote, access_key).await?;
    }
    if policy.is_some() {
        let action = format!("remove the policy of key {access_key}");
        let query = [("name", mark.as_str())];
        let call = Call { name: "remove-canned-policy", query: &query, action: &action };
        gone(call.delete(remote).await)?;
    }
    Ok(true)
}

async fn remove_user(remote: &Remote, access_key: &str) -> Result<(), S3Error> {
    let action = format!("remove key {access_key}");
    let call = Call { name: "remove-user", query: &[("accessKey", access_key)], action: &action };
    gone(call.delete(remote).await)
}

/// A user and the policy that is to be its own, whichever is there.
async fn find(
    remote: &Remote,
    access_key: &str,
    mark: &str,
) -> Result<(Option<User>, Option<Value>), S3Error> {
    let action = format!("look at key {access_key}");
    let query = [("accessKey", access_key)];
    let user = match (Call { name: "user-info", query: &query, action: &action }).get(remote).await
    {
        Ok(body) => Some(parse(remote, &body)?),
        Err(error) if error.code() == Some("XMinioAdminNoSuchUser") => None,
        // A service account, or a temporary key.
        Err(error) if error.code() == Some("XMinioIAMActionNotAllowed") => {
            let whose = "it is no user, but was made by one".to_owned();
            return Err(S3Error::ForeignKey { access_key: access_key.to_owned(), whose });
        }
        Err(error) => return Err(error),
    };
    let query = [("name", mark)];
    let call = Call { name: "info-canned-policy", query: &query, action: &action };
    let policy = match call.get(remote).await {
        Ok(body) => Some(parse(remote, &body)?),
        Err(error) if error.code() == Some("XMinioAdminNoSuchPolicy") => None,
        Err(error) => return Err(error),
    };
    Ok((user, policy))
}

fn gone(result: Result<(), S3Error>) -> Result<(), S3Error> {
    match result {
        Err(error)
            if matches!(
                error.code(),
                Some("XMinioAdminNoSuchUser" | "XMinioAdminNoSuchPolicy")
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn parse<T: serde::de::DeserializeOwned>(remote: &Remote, body: &[u8]) -> Result<T, S3Error> {
    serde_json::from_slice(body).map_err(|error| bad_answer(remote, error.into()))
}

fn bad_answer(remote: &Remote, source: aws_sdk_s3::error::BoxError) -> S3Error {
    S3Error::BadAnswer { endpoint: remote.connection.endpoint.clone(), source }
}

async fn open(remote: &Remote, body: Vec<u8>) -> Result<Vec<u8>, S3Error> {
    let secret = remote.connection.secret_key.clone();
    let opened = aside(move || seal::open(secret.reveal(), &body)).await;
    opened.map_err(|error| bad_answer(remote, error))
}

async fn seal(remote: &Remote, text: String) -> Result<Vec<u8>, S3Error> {
    let secret = remote.connection.secret_key.clone();
    aside(move || seal::seal(secret.reveal(), text.as_bytes()))
        .await
        .map_err(|source| S3Error::Unsendable { action: "make a key".to_owned(), source })
}

/// Runs what takes long beside the tasks of others.
async fn aside(
    work: impl FnOnce() -> Result<Vec<u8>, SealError> + Send + 'static,
) -> Result<Vec<u8>, aws_sdk_s3::error::BoxError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}

/// The keys of a store, as the last look found them or as they are now.
pub async fn look(remote: &Remote, cache: &KeyCache) -> Result<Arc<Listed>, S3Error> {
    if let Some(known) = cache.get() {
        return Ok(known);
    }
    let since = cache.begin();
    let listed = Arc::new(list(remote).await?);
    cache.put(since, Arc::clone(&listed));
    Ok(listed)
}
