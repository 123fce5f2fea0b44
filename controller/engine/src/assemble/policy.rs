//! What becomes of an object that is to go: by the specs that were accepted last, of it and of its Stack.

use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::Deletion;
use agent_harness_model::spec::parse::{Body, Document};
use jiff::SignedDuration;

use crate::intake::sources::document;
use crate::ledger::{Ledger, ObjectRecord};

/// Nobody knows what becomes of an object: the spec that says it is in force, and cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "whether it is protected is not known: the spec of {0} that is in force cannot be read by this version; apply it \
     anew first"
)]
pub struct Unreadable(pub ObjectKey);

/// That of an object with this document; `of` gives others' that are in force.
pub fn policy<'a>(
    own: &Document,
    ledger: &Ledger,
    of: impl Fn(&ObjectKey) -> Option<&'a Document>,
) -> Result<Deletion, Unreadable> {
    let Body::Agent(agent) = &own.body else { return Ok(Deletion::default()) };
    let key = ObjectKey::stack(agent.stack.as_str());
    let stack = of(&key);
    if stack.is_none() && ledger.live(&key).is_some() {
        return Err(Unreadable(key));
    }
    let stack = stack.and_then(|stack| match &stack.body {
        Body::Stack(spec) => Some(&**spec),
        Body::Infra(_) | Body::Agent(_) => None,
    });
    Ok(Deletion::of(agent, stack))
}

/// The same, from the ledger alone.
pub fn policy_of(ledger: &Ledger, record: &ObjectRecord) -> Result<Deletion, Unreadable> {
    let own = document(record).ok_or_else(|| Unreadable(record.key.clone()))?;
    let Body::Agent(agent) = &own.body else { return Ok(Deletion::default()) };
    let stack = ledger.live(&ObjectKey::stack(agent.stack.as_str())).and_then(document);
    policy(&own, ledger, |_| stack.as_ref())
}

/// How long what it made is kept, where `usual` is how long that of others is.
pub fn retention(policy: &Deletion, usual: SignedDuration) -> SignedDuration {
    let own = policy.retain.and_then(|retain| SignedDuration::try_from(retain.0).ok());
    own.unwrap_or(usual)
}
