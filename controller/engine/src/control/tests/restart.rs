//! `restart`: what is ordered, and what nothing would come of.

use agent_harness_model::api::Object;
use agent_harness_model::status::Phase;

use super::{AGENT, Site};

const PATH: &str = "/v1/objects/agent/agent-3";

impl Site {
    /// An agent with more in its spec, as soon as it is in a phase.
    async fn agent(&self, more: &str, phase: Phase) {
        self.apply(&AGENT.replace("stack: s", &format!("stack: s, {more}"))).await;
        self.until("the phase", async || {
            let object: Object = self.ok("GET", PATH, b"").await;
            !object.outdated && object.status.is_some_and(|status| status.phase == phase)
        })
        .await;
    }

    async fn refusal(&self, query: &str) -> String {
        let (status, body) = self.refused("POST", &format!("{PATH}/restart{query}"), b"").await;
        format!("{status} {}", body.message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_are_named_are_there_or_none_is_restarted() {
    let site = Site::start();
    site.agent("processes: {two: {run: sleep 1}}", Phase::Ready).await;
    let unknown = site.refusal("?process=main,web").await;
    assert_eq!(unknown, "404 agent/agent-3 has no process `web`; it has main, two");
    let (status, _) = site.call("POST", &format!("{PATH}/restart?process=main,two"), b"").await;
    assert_eq!(status, 204);
    site.agent("processes: {main: null}", Phase::Ready).await;
    assert_eq!(site.refusal("").await, "409 agent/agent-3 has no process to restart");
    site.agent("suspend: true", Phase::Suspended).await;
    let suspended = site.refusal("").await;
    assert!(suspended.starts_with("409 agent/agent-3 is suspended"), "{suspended}");
    site.engine.stop().await;
}

/// In the world of these tests what is called `bad` cannot be started.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_begin_has_nothing_to_restart() {
    let site = Site::start();
    site.agent("processes: {bad: {run: x}}", Phase::Stalled).await;
    let stuck = "409 agent/agent-3 is Stalled before its processes start: process/bad: there is no such command";
    let refusal = site.refusal("?process=bad").await;
    assert!(refusal.starts_with(stuck), "{refusal}");
    for query in ["", "?process=main", "?process=bad,main"] {
        let (status, _) = site.call("POST", &format!("{PATH}/restart{query}"), b"").await;
        assert_eq!(status, 204, "{query}: one of them runs");
    }
    site.engine.stop().await;
}
