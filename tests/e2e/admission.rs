//! Which agents start when the host has not as much as all of them ask for.

use serde_json::Value;

use super::harness::{Site, text};

const INFRA: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Infra\nmetadata: {name: small}\n\
                     spec: {capacity: {memory: 1Gi}}\n";
const STACK: &str = "apiVersion: agent-harness.dev/v1alpha1\nkind: Stack\nmetadata: {name: small}\n\
                     spec:\n  infra: small\n  processes: {main: {run: sleep 1000, memory: 600Mi}}\n";

fn agent(number: u32) -> String {
    format!(
        "apiVersion: agent-harness.dev/v1alpha1\nkind: Agent\nmetadata: {{name: small-{number}}}\n\
         spec: {{stack: small}}\n"
    )
}

#[test]
fn an_agent_without_room_is_pending_until_there_is_some() {
    let mut site = Site::new();
    for file in ["agent-1.yaml", "agent-2.yaml", "stack.yaml", "infra.yaml"] {
        site.remove_spec(file);
    }
    site.write_spec("infra.yaml", INFRA);
    site.write_spec("stack.yaml", STACK);
    for number in [1, 2] {
        site.write_spec(&format!("small-{number}.yaml"), &agent(number));
    }
    let pid = |site: &Site, name: &str| -> Value {
        let all: Value =
            serde_json::from_str(&site.ctl_ok(&["stats", name, "-o", "json"])).unwrap();
        assert!(all[0]["pid"].is_number(), "{all}");
        all[0]["pid"].clone()
    };
    let refused = |site: &Site, name: &str, amount: &str| {
        site.eventually("it to be refused", || {
            // A new one is taken in after its file is written.
            let object = site.object_exists(name).then(|| site.object(name))?;
            let said = object["status"]["conditions"].to_string();
            said.contains(&format!("no room: asks for {amount} of memory")).then_some(())
        });
    };
    let phase = |site: &Site, name: &str| site.object(name)["status"]["phase"].clone();
    site.start();
    site.ready("small-1");
    refused(&site, "small-2", "600Mi");
    assert_eq!(phase(&site, "small-2"), "Pending");
    let before = pid(&site, "small-1");

    // What was given is kept by the one that has it, whoever is looked at first after a restart.
    site.kill();
    site.start();
    site.ready("small-1");
    refused(&site, "small-2", "600Mi");
    assert_eq!(pid(&site, "small-1"), before);
    let output = site.ctl(&["restart", "small-2"]);
    let told = text(&output.stderr);
    assert!(
        !output.status.success() && told.contains("there is no room: asks for 600Mi"),
        "{told}"
    );

    // An edit that asks for more than there is changes nothing that runs.
    site.edit(
        "small-1.yaml",
        "{stack: small}",
        "{stack: small, requests: {memory: 2Gi}, env: {A: b}}",
    );
    refused(&site, "small-1", "2.0Gi");
    assert_eq!(phase(&site, "small-1"), "Pending");
    assert_eq!(pid(&site, "small-1"), before);
    site.write_spec("small-1.yaml", &agent(1));
    site.ready("small-1");

    // Who leaves makes room, and asks anew when it comes back.
    site.ctl_ok(&["delete", "small-1", "--wait"]);
    site.ready("small-2");
    site.ctl_ok(&["undelete", "small-1"]);
    refused(&site, "small-1", "600Mi");
    let told = text(&site.ctl(&["diff"]).stdout);
    assert_eq!(told.matches("no room: asks for 600Mi of memory").count(), 1, "{told}");
    site.edit("infra.yaml", "memory: 1Gi", "memory: 1Gi, overcommit: true");
    site.ready("small-1");
}
