//! The one shape of all providers: look at many resources at once, act on one.
//!
//! What should be done is decided by the planner, when by the engine; a provider decides neither.

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

use agent_harness_model::desired::Connections;
use agent_harness_model::id::{Mark, ResourceId};
use agent_harness_model::kinds::Action;
use agent_harness_model::world::{ApplyError, Ask, Class, Observed, Seen};
use tokio_util::sync::CancellationToken;

/// How long the look at one server may take: less than all looks of a provider together, so that one which hangs is
/// unknown and the others are not.
pub const LOOK: Duration = Duration::from_secs(8);

/// What a provider is told besides the resources themselves.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// How the shared servers are reached.
    pub connections: &'a Connections,
    /// The state folder's own id: part of every mark.
    pub installation: &'a str,
    /// Cancelled when nobody wants any more what an action is about: one that takes long ends early then, with an
    /// error.
    pub stop: &'a CancellationToken,
}

impl<'a> Context<'a> {
    /// A context of looks, and of actions that nobody stops.
    pub fn new(connections: &'a Connections, installation: &'a str) -> Self {
        static NEVER: LazyLock<CancellationToken> = LazyLock::new(CancellationToken::new);
        Self { connections, installation, stop: &NEVER }
    }

    /// What a resource carries so that it is known as ours.
    pub fn mark(&self, resource: &ResourceId) -> Mark {
        Mark { installation: self.installation.to_owned(), uid: resource.uid.clone() }
    }
}

/// The I/O of one or more kinds of resources.
pub trait Provider: Send + Sync {
    /// Looks at everything asked about: exactly one answer per ask. A backend is listed once,
    /// however many asks there are. What could not be looked at is `Seen::Unknown`, never absent.
    fn observe(&self, cx: &Context<'_>, asks: &[Ask<'_>]) -> impl Future<Output = Observed> + Send;

    /// Carries out one action. Idempotent: what is so already is `Ok`. Resumable: an action that was
    /// cut at any instruction comes to its end when it is planned again. Touches nothing without our mark.
    fn apply(
        &self,
        cx: &Context<'_>,
        resource: &ResourceId,
        action: &Action,
    ) -> impl Future<Output = Result<(), ApplyError>> + Send;
}

/// The same reason for every ask: the backend could not be looked at.
pub fn unknown(asks: &[Ask<'_>], why: &str) -> Observed {
    asks.iter().map(|ask| (ask.id.clone(), Seen::Unknown(why.to_owned()))).collect()
}

/// The error of a provider that was handed an action of another kind.
pub fn wrong_kind(resource: &ResourceId, action: &Action) -> ApplyError {
    ApplyError {
        class: Class::Terminal,
        message: format!(
            "{resource} was to {action}, which its provider cannot do; please report this"
        ),
        part: None,
    }
}

/// The outcome of a look at `what`, or why there is none after `limit`.
pub async fn within<T>(
    limit: Duration,
    what: &str,
    look: impl Future<Output = T>,
) -> Result<T, String> {
    let late = || format!("{what} did not answer within {} s", limit.as_secs());
    tokio::time::timeout(limit, look).await.map_err(|_| late())
}
