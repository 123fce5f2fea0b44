//! `diff`: what would be done, and that nothing is; and answers about the folder as it is at that moment.

use agent_harness_model::api::DiffAnswer;

use super::{AGENT, Object, Site, fs, request};

const STACK: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                     spec: {processes: {other: {run: sleep 1000}}}\n";

impl Site {
    /// Applies the agent and waits until it is as wanted.
    async fn settled(&self) {
        self.apply(AGENT).await;
        self.until("the process", async || self.world.running().len() == 1).await;
        self.until("nothing to do", async || {
            let diff: DiffAnswer = self.ok("POST", "/v1/diff", br#"{"files":[]}"#).await;
            diff.steps == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_says_what_would_be_done_and_does_nothing() {
    let site = Site::start();
    site.settled().await;
    let other = AGENT.replace("agent-3", "agent-4");
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", &request(&other)).await;
    assert_eq!(diff.specs[0].before, "");
    assert!(diff.specs[0].after.contains("stack: s"), "{}", diff.specs[0].after);
    assert!(diff.plan.contains("agent/agent-4 process/main, start, does not run"), "{}", diff.plan);
    assert!(fs::metadata(site.spec("agent-4.yaml")).unwrap().is_none());
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_names_what_goes() {
    let site = Site::start();
    site.settled().await;
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", &request(STACK)).await;
    assert!(diff.plan.contains("agent/agent-3 process/main, stop"), "{}", diff.plan);
    assert!(diff.plan.contains("agent/agent-3 process/other, start"), "{}", diff.plan);
    assert_eq!(site.world.running().len(), 1, "nothing was done");
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_leaves_no_trace_in_what_reconciles_know() {
    let site = Site::start();
    site.settled().await;
    let _: DiffAnswer = site.ok("POST", "/v1/diff", &request(STACK)).await;
    let asked = site.world.asked();
    assert!(asked.iter().any(|id| id.contains("process/main")), "{asked:?}");
    assert!(!asked.iter().any(|id| id.contains("process/other")), "{asked:?}");
    site.engine.stop().await;
}

/// The agent's own spec, and with it its generation, stays as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_from_before_an_edit_of_the_stack_counts_as_outdated() {
    let site = Site::start();
    site.settled().await;
    site.world.close().await;
    fs::write_atomic(site.spec("s.yaml"), STACK, 0o644).unwrap();
    let path = "/v1/objects/agent/agent-3?fresh=true";
    let now: Object = site.ok("GET", path, b"").await;
    assert!(now.outdated && now.metadata.generation == 1 && now.status.is_some(), "{now:?}");
    let all: Vec<Object> = site.ok("GET", "/v1/objects", b"").await;
    assert!(all.iter().any(|object| object.metadata.name == "agent-3" && object.outdated));
    site.world.open();
    let told = async || !site.ok::<Object>("GET", path, b"").await.outdated;
    site.until("a status of the edited one", told).await;
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_counts_before_the_watch_has_told_of_it() {
    let site = Site::start();
    site.settled().await;
    for generation in 2..6 {
        let edited = AGENT.replace("{stack: s}", &format!("{{stack: s, id: {generation}}}"));
        fs::write_atomic(site.spec("agent-3.yaml"), edited, 0o644).unwrap();
        let path = ["/v1/objects/agent/agent-3?fresh=true", "/v1/objects?fresh=true"];
        let now: Object = if generation % 2 == 0 {
            site.ok("GET", path[0], b"").await
        } else {
            let all: Vec<Object> = site.ok("GET", path[1], b"").await;
            all.into_iter().find(|object| object.metadata.name == "agent-3").unwrap()
        };
        assert_eq!(now.metadata.generation, generation);
    }
    // Nobody acts in a world in which no look comes to an end.
    let world = site.world.closed();
    let site = site.restart(&world).await;
    site.until("the agent", async || site.is_there("/v1/objects/agent/agent-3").await).await;
    fs::write_atomic(site.spec("s.yaml"), STACK, 0o644).unwrap();
    let diff: DiffAnswer = site.ok("POST", "/v1/diff", br#"{"files":[]}"#).await;
    assert!(diff.plan.contains("agent/agent-3 process/other, start"), "{}", diff.plan);
    world.open();
    site.engine.stop().await;
}

/// What was seen a moment ago would do for a reconcile of the controller's own accord.
#[tokio::test(flavor = "multi_thread")]
async fn a_reconcile_that_is_asked_for_looks_anew() {
    let site = Site::start();
    site.settled().await;
    for _ in 0..3 {
        let before = site.world.asked().len();
        let (status, _) = site.call("POST", "/v1/objects/agent/agent-3/reconcile", b"").await;
        assert_eq!(status, 204);
        site.until("another look", async || site.world.asked().len() > before).await;
    }
    site.engine.stop().await;
}
