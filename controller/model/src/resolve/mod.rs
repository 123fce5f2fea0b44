//! From what users wrote and a few facts about the host to [`Desired`], in which every choice is made:
//! ports, names, paths, environments, rendered files, hashes, and what waits for what.
//!
//! Pure. Facts that are needed and not given are named in `Resolution::needs`; the caller looks them up and
//! resolves again. Whether objects fit each other is checked by [`crate::validate`].

mod agent;
mod alias;
mod commands;
mod containers;
mod context;
mod facts;
mod infra;
mod merge;
pub(crate) mod names;
mod own;
mod postgres_url;
mod probes;
mod processes;
pub mod requests;
mod services;
mod stack;
mod store_key;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Desired, DesiredObject};
use crate::id::{ObjectKey, Uid};
use crate::spec::diagnostic::{Diagnostic, arrange};
use crate::spec::parse::{Body, Document};

pub use alias::{NOTHING, is_alias};
pub(crate) use commands::SECRET_IN_COMMAND;
pub use containers::project;
pub(crate) use context::SECRET_IN_NAME;
pub use context::{SPEC_SECRETS, agent_id};
pub use facts::{Facts, Need};
pub use infra::server_secrets;
pub use merge::{Effective, effective};
pub use own::{own_secrets, owner_of_secret, slug_and_short};
pub use postgres_url::connection_of_app;

/// What came of resolving a set of documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// The objects that could be resolved.
    pub desired: Desired,
    /// Why the others could not, each at its place.
    pub problems: Vec<Diagnostic>,
    /// Every fact that was asked for, whether it was given or not.
    pub needs: BTreeSet<Need>,
}

/// Resolves a validated set of documents. `uids` names the incarnation of each object.
pub fn resolve(
    documents: &BTreeMap<ObjectKey, Document>,
    uids: &BTreeMap<ObjectKey, Uid>,
    facts: &Facts,
) -> Resolution {
    let mut resolution = Resolution::default();
    for (key, document) in documents {
        let Some(uid) = uids.get(key) else { continue };
        let mut context = context::Context {
            key,
            uid,
            documents,
            uids,
            facts,
            needs: &mut resolution.needs,
            connections: &mut resolution.desired.connections,
            object: DesiredObject::default(),
        };
        let result = match &document.body {
            Body::Infra(spec) => infra::resolve(&mut context, document, spec),
            Body::Stack(spec) => stack::resolve(&mut context, document, spec),
            Body::Agent(_) => agent::resolve(&mut context, document),
        };
        let object = context.object;
        match result {
            Ok(()) => {
                resolution.desired.objects.insert((key.clone(), uid.clone()), object);
            }
            Err(stop) => resolution.problems.extend(stop.problem.map(|p| p.of(key.clone()))),
        }
    }
    arrange(&mut resolution.problems);
    resolution
}

/// Why an object cannot be resolved: something is wrong with it, or (without a problem) a fact is missing.
struct Stop {
    problem: Option<Diagnostic>,
}

impl From<Diagnostic> for Stop {
    fn from(problem: Diagnostic) -> Self {
        Self { problem: Some(problem) }
    }
}
