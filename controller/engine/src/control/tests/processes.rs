//! What is asked of an agent as it is at this moment, and what its processes wait for.

use super::{AGENT, Object, Site, fs};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_of_an_object_is_said() {
    let site = Site::start();
    site.apply(AGENT).await;
    site.until("the agent", async || {
        let object: Object = site.ok("GET", "/v1/objects/agent/agent-3", b"").await;
        object.status.is_some()
    })
    .await;
    let said = async |path: &str| {
        let (status, body) = site.refused("GET", &format!("/v1/objects/{path}"), b"").await;
        format!("{status} {}", body.message)
    };
    for part in ["processes", "health", "queries"] {
        assert_eq!(said(&format!("agent/agent-4/{part}")).await, "404 there is no agent/agent-4");
        assert_eq!(
            said(&format!("stack/s/{part}")).await,
            "404 stack/s has no processes: those are of an Agent"
        );
    }
    // This world tells nothing of what runs.
    for part in ["processes", "health"] {
        let nothing = said(&format!("agent/agent-3/{part}")).await;
        assert_eq!(nothing, "409 nothing is known here of what runs");
    }
    let queries = said("agent/agent-3/queries").await;
    assert_eq!(queries, "500 agent/agent-3 has no database of its own");
    site.engine.stop().await;
}

/// The step was carried out and its answer was lost: the next look finds nothing to mend, and what waited for it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_about_without_an_answer_holds_nobody_up_until_the_resync() {
    let site = Site::start();
    let stack = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                 spec: {processes: {mute: {run: sleep 1}, main: {run: sleep 1000, after: {mute: started}}}}\n";
    fs::write_atomic(site.spec("s.yaml"), stack, 0o644).unwrap();
    site.apply(AGENT).await;
    site.until("both processes", async || site.world.running().len() == 2).await;
    site.engine.stop().await;
}
