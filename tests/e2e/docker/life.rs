//! The four services of the repository's own `specs/infra.yaml`: they come from nothing, and come again after everything
//! that can happen to them, with all that was in their volumes.

use std::fs;

use super::engine::Engine;
use crate::e2e::containers::Servers;
use crate::e2e::harness::Site;
use crate::e2e::host::free_ports;

const SERVICES: [&str; 4] = ["postgres", "objectStore", "browser", "mailpit"];

/// The repository's own Infra under another name, on ports that nobody else has.
fn infra(site: &Site) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/infra.yaml");
    #[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
    let mut text = fs::read_to_string(path).unwrap();
    let [console, browser, smtp, web] = free_ports();
    for (from, to) in [
        ("name: shared", format!("name: {}", site.infra)),
        ("host: 15432", format!("host: {}", site.postgres)),
        ("host: 19000", format!("host: {}", site.store)),
        ("host: 19001", format!("host: {console}")),
        ("host: 13001", format!("host: {browser}")),
        ("host: 11025", format!("host: {smtp}")),
        ("host: 18025", format!("host: {web}")),
        // No registry but that of the tests can be reached, and it stands in for Docker Hub alone.
        ("ghcr.io/browserless/chromium:v2.38.2", "browserless/chromium:latest".to_owned()),
    ] {
        assert!(text.contains(from), "specs/infra.yaml does not hold {from:?}");
        text = text.replace(from, &to);
    }
    text
}

struct World {
    site: Site,
    engine: Engine,
    infra: String,
}

impl World {
    fn container(&self, service: &str) -> String {
        format!("harness-{}-{service}-1", self.site.infra)
    }

    /// Waits until the Infra is ready again, and looks whether all data is there.
    fn is_whole(&self, after: &str) {
        self.site.ready(&self.infra);
        let rows = self.site.sql("postgres", "SELECT x FROM kept");
        assert_eq!(rows, "42", "after {after}");
        let objects = self.site.admin().objects("results");
        assert_eq!(objects.get("kept").map(String::as_str), Some("bytes"), "after {after}");
        assert_eq!(self.site.ctl(&["diff"]).status.code(), Some(0), "after {after}");
    }

    /// The id of each container.
    fn ids(&self) -> [String; 4] {
        SERVICES.map(|service| self.engine.inspect(&self.container(service), "{{.Id}}"))
    }

    /// Edits the Infra, waits until a container was made anew, and that alone.
    fn edit(&self, service: &str, from: &str, to: &str) {
        let before = self.ids();
        self.site.edit("infra.yaml", from, to);
        let index = SERVICES.iter().position(|other| *other == service).unwrap();
        let after = self.site.eventually("another container", || {
            let after = self.ids();
            let new = &after[index];
            let runs = self.engine.inspect(&self.container(service), "{{.State.Running}}");
            (!new.is_empty() && *new != before[index] && runs == "true").then_some(after)
        });
        self.is_whole(&format!("{from} became {to}"));
        for (other, service) in SERVICES.iter().enumerate() {
            assert!(
                other == index || before[other] == after[other],
                "{service} was made anew, too"
            );
        }
    }
}

#[test]
fn the_services_of_a_vps_come_again_after_everything_that_can_happen_to_them() {
    let Some(engine) = Engine::get("the services of a VPS") else { return };
    let mut site = Site::on(Servers::Containers);
    site.write_spec("infra.yaml", &infra(&site));
    site.edit("agent-2.yaml", "spec: {stack: hello}", "spec: {stack: hello, suspend: true}");
    site.start();
    let infra = format!("infra/{}", site.infra);
    let mut world = World { site, engine, infra };
    world.site.ready(&world.infra);
    world.site.sql("postgres", "CREATE TABLE kept (x int); INSERT INTO kept VALUES (42)");
    world.site.sql("postgres", "CREATE EXTENSION vector; CREATE EXTENSION pg_stat_statements");
    world.site.admin().put("results", "kept", "bytes");
    // What an agent on its way has before it would be in the diff.
    world.site.ready("agent-1");
    world.is_whole("nothing");
    let agent = world.site.processes(1);

    for service in SERVICES {
        let container = world.container(service);
        for words in [&["rm", "--force"][..], &["stop", "--time", "5"], &["kill"]] {
            let started = world.engine.inspect(&container, "{{.State.StartedAt}}");
            world.engine.run(&[words, &[container.as_str()]].concat());
            world.site.eventually("the container to run again", || {
                let now =
                    world.engine.inspect(&container, "{{.State.Running}} {{.State.StartedAt}}");
                (now.starts_with("true") && !now.ends_with(&started)).then_some(())
            });
            world.is_whole(&format!("{} of {service}", words[0]));
        }
    }

    // What the spec says is told setting by setting before it is done.
    let changed = world.site.folder().join("changed.yaml");
    #[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
    let text = fs::read_to_string(world.site.specs().join("infra.yaml")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]
    fs::write(&changed, text.replace("memory: 256Mi", "memory: 300Mi")).unwrap();
    let diff = world.site.ctl(&["diff", "-f", changed.to_str().unwrap()]);
    let told = crate::e2e::harness::text(&diff.stdout);
    assert!(told.contains("`memory` was 256Mi, is to be 300Mi"), "{told}");

    world.edit("objectStore", "memory: 256Mi", "memory: 300Mi");
    world.edit("postgres", "pgvector/pgvector:pg16", "pgvector/pgvector:pg16-next");
    world.edit("postgres", "pg_stat_statements.track=all", "pg_stat_statements.track=top");
    let track = world.site.sql("postgres", "SHOW pg_stat_statements.track");
    assert_eq!(track, "top");

    // The engine goes: nothing is done to agents, and all is as before when it is back.
    world.engine.crash(|| {
        world.site.eventually("the engine to be missed", || {
            let seen = world.site.ctl_ok(&["describe", &world.infra]);
            seen.contains("Docker engine").then_some(())
        });
        assert_eq!(world.site.processes(1), agent, "agents have no part in it");
    });
    world.is_whole("the engine's crash");
    world.engine.restart();
    world.is_whole("the engine's restart");
    assert_eq!(world.site.processes(1), agent, "agents had no part in any of it");

    // An upgrade of the controller, or a crash, makes nothing anew.
    let ids = world.ids();
    world.site.kill();
    world.site.start();
    world.is_whole("the controller's crash");
    assert_eq!(world.ids(), ids);

    // As `docker compose ps` finds them.
    let project = format!("label=com.docker.compose.project=harness-{}", world.site.infra);
    let format = "{{.Label \"com.docker.compose.service\"}}";
    let listed = world.engine.run(&["ps", "--filter", &project, "--format", format]);
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, ["browser", "mailpit", "objectStore", "postgres"]);

    // Down leaves the volumes, and a purge nothing.
    let volumes = |world: &World| {
        let filter = format!("name=harness-{}_", world.site.infra);
        world.engine.run(&["volume", "ls", "--quiet", "--filter", &filter]).lines().count()
    };
    world.site.terminate();
    let mut down = world.site.controller();
    crate::e2e::harness::succeed(down.args(["down", "--yes"]));
    assert_eq!(world.ids(), [const { String::new() }; 4]);
    assert_eq!(volumes(&world), 2);
    world.site.start();
    world.is_whole("going down");
    world.site.down();
    assert_eq!(world.ids(), [const { String::new() }; 4]);
    assert_eq!(volumes(&world), 0);
    let network = format!("harness-{}", world.site.infra);
    assert!(!world.engine.docker(&["network", "inspect", &network]).status.success());
}
