//! What becomes of an object that is to go: by the specs that were accepted last, of it and of its Stack.

use agent_harness_model::id::ObjectKey;
use agent_harness_model::spec::Deletion;
use agent_harness_model::spec::parse::{Body, Document};
use jiff::SignedDuration;

use crate::intake::sources::document;
use crate::ledger::{Ledger, ObjectRecord};

/// That of an object with this document; `of` gives others'.
pub fn policy<'a>(own: &Document, of: impl Fn(&ObjectKey) -> Option<&'a Document>) -> Deletion {
    let Body::Agent(agent) = &own.body else { return Deletion::default() };
    let stack = of(&ObjectKey::stack(agent.stack.as_str()));
    let stack = stack.and_then(|stack| match &stack.body {
        Body::Stack(spec) => Some(&**spec),
        Body::Infra(_) | Body::Agent(_) => None,
    });
    Deletion::of(agent, stack)
}

/// The same, from the ledger alone.
pub fn policy_of(ledger: &Ledger, record: &ObjectRecord) -> Deletion {
    let Some(own) = document(record) else { return Deletion::default() };
    let Body::Agent(agent) = &own.body else { return Deletion::default() };
    let stack = ledger.live(&ObjectKey::stack(agent.stack.as_str())).and_then(document);
    policy(&own, |_| stack.as_ref())
}

/// How long what it made is kept, where `usual` is how long that of others is.
pub fn retention(policy: &Deletion, usual: SignedDuration) -> SignedDuration {
    let own = policy.retain.and_then(|retain| SignedDuration::try_from(retain.0).ok());
    own.unwrap_or(usual)
}
