//! Services of an Infra: restarted by their names, and not deleted while they are used.

use agent_harness_model::status::Phase;

use super::{AGENT, Deleted, Object, Site, fs};

const INFRA: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {name: i}\n\
                     spec: {services: {mail: {process: {run: sleep 1000}}, web: {process: {run: sleep 1000}}}}\n";
const STACK: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: s}\n\
                     spec: {infra: i, processes: {main: {run: sleep 1000}}}\n";
const PATH: &str = "/v1/objects/infra/i";

impl Site {
    async fn infra(&self) {
        self.apply(INFRA).await;
        self.until("the services", async || {
            let object: Object = self.ok("GET", PATH, b"").await;
            object.status.is_some_and(|status| status.phase == Phase::Ready)
        })
        .await;
    }

    async fn said(&self, method: &str, path: &str) -> String {
        let (status, body) = self.refused(method, &format!("{PATH}{path}"), b"").await;
        format!("{status} {}", body.message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_restarted_by_its_name_and_the_answer_tells_when() {
    let site = Site::start();
    site.infra().await;
    for query in ["?process=mail&wait=true", "?process=web,mail&wait=true", "?wait=true"] {
        let (status, _) = site.call("POST", &format!("{PATH}/restart{query}"), b"").await;
        assert_eq!(status, 204, "{query}");
        let events = site.call("GET", "/v1/events?object=infra/i", b"").await.1;
        let events = String::from_utf8_lossy(&events).into_owned();
        assert!(events.contains("process/mail respawn: its restart was asked for"), "{events}");
    }
    assert_eq!(
        site.said("POST", "/restart?process=db").await,
        "404 infra/i has no service `db`; it has mail, web"
    );
    let no_container = site.said("GET", "/logs/mail").await;
    assert_eq!(no_container, "409 mail of infra/i is no container: its log is a file");
    let exec = site.said("POST", "/exec/mail").await;
    assert!(exec.starts_with("409 mail of infra/i is a process of this host"), "{exec}");
    // This world tells nothing of what runs.
    assert_eq!(site.said("GET", "/services").await, "409 nothing is known here of what runs");
    site.engine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_infra_in_use_stays_and_all_its_users_are_named() {
    let site = Site::start();
    site.infra().await;
    fs::write_atomic(site.spec("s.yaml"), STACK, 0o644).unwrap();
    site.apply(AGENT).await;
    let refusal = "409 infra/i is still used by stack/s, agent/agent-3; delete these first";
    for query in ["", "?purge=true", "?purge=true&dryRun=true"] {
        assert_eq!(site.said("DELETE", query).await, refusal, "{query}");
        assert_eq!(fs::read_to_string(site.spec("i.yaml")).unwrap(), INFRA);
    }
    let _: Deleted = site.ok("DELETE", "/v1/objects/agent/agent-3?purge=true", b"").await;
    let _: Deleted = site.ok("DELETE", "/v1/objects/stack/s?purge=true", b"").await;
    site.until("its users to go", async || {
        site.call("DELETE", &format!("{PATH}?purge=true&dryRun=true"), b"").await.0 == 200
    })
    .await;
    assert_eq!(fs::read_to_string(site.spec("i.yaml")).unwrap(), INFRA, "it was only asked");
    site.engine.stop().await;
}
