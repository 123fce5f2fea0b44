//! What the engine says of our containers while it happens. Only hints: the next listing decides.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agent_harness_model::id::ResourceId;
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt as _;
use jiff::Timestamp;

use super::engine::Engine;
use super::error::chain;
use super::labels;

/// Between two tries to reach an engine that is away.
const AGAIN: Duration = Duration::from_secs(1);
/// What makes a difference. Health checks alone make thousands of others a day.
const ACTIONS: [&str; 11] = [
    "start",
    "die",
    "stop",
    "kill",
    "oom",
    "pause",
    "unpause",
    "destroy",
    "rename",
    "create",
    "health_status",
];

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something happened to the container of this resource; its id in the engine.
    Container(ResourceId, String),
    /// The container of this resource was removed.
    Gone(ResourceId, String),
    /// The engine is there, or there again: anything may have happened.
    Connected,
    /// The engine went away.
    Lost,
}

/// Listens until the end of the program, through every restart of the engine.
pub async fn listen(engine: Arc<Engine>, installation: String, heard: impl Fn(Heard) + Send) {
    loop {
        // A client of an engine that went away is a client still: whether it is there says its answer.
        if let Ok(client) = engine.client().await
            && client.ping().await.is_ok()
        {
            let label = format!("{}={installation}", labels::INSTALLATION);
            let filters = HashMap::from([
                ("type", vec!["container"]),
                ("label", vec![label.as_str()]),
                ("event", ACTIONS.to_vec()),
            ]);
            // What happens while this is being set up is told, too.
            let since = Timestamp::now().as_second().to_string();
            let options = EventsOptionsBuilder::new().filters(&filters).since(&since).build();
            let mut events = Box::pin(client.events(Some(options)));
            heard(Heard::Connected);
            loop {
                match events.next().await {
                    Some(Ok(event)) => {
                        let actor = event.actor.unwrap_or_default();
                        let of = actor.attributes.as_ref().and_then(labels::resource);
                        let Some(of) = of else { continue };
                        let id = actor.id.unwrap_or_default();
                        heard(match event.action.as_deref() {
                            Some("destroy") => Heard::Gone(of, id),
                            _ => Heard::Container(of, id),
                        });
                    }
                    Some(Err(error)) => {
                        tracing::debug!(error = %chain(&error), "the engine's events broke off");
                        break;
                    }
                    None => break,
                }
            }
            heard(Heard::Lost);
        }
        tokio::time::sleep(AGAIN).await;
    }
}
