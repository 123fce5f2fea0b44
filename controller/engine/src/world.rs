//! What the engine knows of the outside: a world that can be looked at and acted upon.
//! `Host` is the real one; the test kit has one in memory.

use std::future::Future;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{ObjectKey, ResourceId};
use agent_harness_model::plan::Step;
use agent_harness_model::world::{ApplyError, Ask, Observed};
use agent_harness_providers::live::Live;
use agent_harness_providers::verify::Verifier;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

/// Something may have changed out there. Only a hint: the next look decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// About this resource.
    Resource(ResourceId),
    /// About anything.
    All,
    /// How far a step that takes long is.
    Progress {
        /// Of which resource.
        of: ResourceId,
        /// In words.
        text: String,
        /// More is new than that time passes.
        news: bool,
    },
}

/// The outside.
pub trait World: Send + Sync + 'static {
    /// Looks at every resource asked about. What cannot be looked at in time is unknown, never absent.
    fn observe(
        &self,
        connections: &Connections,
        asks: &[Ask<'_>],
    ) -> impl Future<Output = Observed> + Send;

    /// The same for what may never be wanted (a `diff`): nothing of it may be remembered, or the next plan would
    /// rest on answers to other questions.
    fn suppose(
        &self,
        connections: &Connections,
        asks: &[Ask<'_>],
    ) -> impl Future<Output = Observed> + Send {
        self.observe(connections, asks)
    }

    /// Carries out one step. Already so is `Ok`. A step that may take long ends early, with an error, when `stop`
    /// is cancelled.
    fn apply(
        &self,
        connections: &Connections,
        step: &Step,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;

    /// What is not as a user may expect although nothing failed, as of the last look: one sentence each.
    fn warnings(&self, owner: &ObjectKey) -> Vec<String> {
        let _ = owner;
        Vec::new()
    }

    /// What steps met that a person should know of, since the last time that this was asked: a word for it, and a sentence.
    fn notices(&self, owner: &ObjectKey) -> Vec<(&'static str, String)> {
        let _ = owner;
        Vec::new()
    }

    /// What runs, as it is at this moment: for a person who asks. `None`: this world has nothing to tell.
    fn live(&self) -> Option<Live> {
        None
    }

    /// Runs what agents' work is verified with. `None`: nothing can be run in this world.
    fn verifier(&self) -> Option<Verifier> {
        None
    }

    /// The hints of this world. The engine takes them once; a second taker gets a channel that is closed.
    fn hints(&self) -> UnboundedReceiver<Hint>;
}
