//! What changes while agents work: their specs, and what they write.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;

use serde_json::Value;

use super::super::harness::{Site, text};
use super::super::host::{http, is_free, running};
use super::super::stand_in::StandIn;
use super::first::{MIGRATIONS, migration};

/// The environments of all that an agent runs, whoever started it.
pub fn environments(site: &Site, agent: u16) -> Vec<(u32, Vec<String>)> {
    let marks = [format!("HARNESS_AGENT=agent-{agent}"), format!("PGPORT={}", site.postgres)];
    let of_agent = |environment: &[String]| marks.iter().all(|mark| environment.contains(mark));
    let found = running().into_iter().filter(|it| of_agent(&it.environment));
    found.map(|it| (it.pid, it.environment)).collect()
}

/// The repository's own instructions are its own, whatever a spec says.
pub fn a_tracked_file_is_never_written_over(place: &StandIn) {
    let file = place.worktree(1).join("AGENTS.md");
    let before = fs::read_to_string(&file).unwrap();
    place.write_agent(1, "  files: {AGENTS.md: {content: mine}}\n");
    place.told("agent-1", &["AGENTS.md is tracked by git and is not written over"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    place.write_agent(1, "");
    place.ready("agent-1");
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}

/// Upstream: it had the API's.
pub fn the_scheduler_has_a_port_of_its_own(place: &StandIn) {
    let (api, scheduler) = (place.site.api + 10, place.site.api + 11);
    assert!(is_free(scheduler), "it is off unless it is asked for");
    place.write_agent(1, "  processes: {scheduler: {enabled: true}}\n");
    place.ready("agent-1");
    assert_eq!(http(scheduler, "GET", "/api/v1/health", "").unwrap(), (200, "scheduler\n".into()));
    let (status, body) = http(api, "GET", "/api/v1/health", "").unwrap();
    assert!(status == 200 && body.contains("siteUrl"), "{body}");
    assert_ne!(Site::pid_on(api), Site::pid_on(scheduler));
}

/// From a controller's source to a route that answers: the watcher writes the routes, and their change starts the API anew.
pub fn an_edit_is_seen(place: &StandIn) {
    let source = place.worktree(1).join("packages/backend/src");
    let before = Site::pid_on(place.site.api + 10);
    let controller = "import type { Route } from '../routes';

export const routes: Route[] = [
    {
        method: 'get',
        path: '/api/v1/new',
        handle: async () => 'it is new',
    },
];
";
    fs::write(source.join("controllers/newController.ts"), controller).unwrap();
    place.site.eventually("the new route to answer", || {
        let (status, body) = http(place.site.api + 10, "GET", "/api/v1/new", "").ok()?;
        (status == 200 && body.contains("it is new")).then_some(())
    });
    assert_ne!(Site::pid_on(place.site.api + 10), before);
    let swagger = fs::read_to_string(source.join("generated/swagger.json")).unwrap();
    assert!(swagger.contains("/api/v1/new"));
    place.ready("agent-1");
}

/// An agent commits a migration: it is run by itself, and the API is well again.
pub fn a_migration_that_is_not_run_is_run(place: &StandIn) {
    let file = place.worktree(1).join(MIGRATIONS).join("20250601000000_draft.ts");
    fs::write(file, migration("draft")).unwrap();
    let tree = place.worktree(1);
    place.git_in(&tree, &["add", MIGRATIONS]);
    place.git_in(&tree, &["commit", "--quiet", "--no-verify", "--message", "A draft"]);
    let run = "SELECT count(*) FROM knex_migrations WHERE name LIKE '20250601000000_draft%'";
    place.site.eventually("the migration to be run", || {
        let told = text(&place.site.ctl(&["psql", "1", run]).stdout);
        told.lines().any(|line| line.trim() == "1").then_some(())
    });
    place.ready("agent-1");
    let told = place.site.ctl_ok(&["health", "1", "-o", "json"]);
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    assert!(told.iter().any(|it| it["process"] == "api" && it["passed"] == true), "{told:?}");
}

/// Upstream: PM2 kept the environment of the first start, and a file with old ports survived; the migration passed and the
/// API ended again and again.
pub fn other_ports_reach_every_process(place: &StandIn) {
    let (old, new) = (place.site.api + 10, place.site.api + 15);
    let more =
        format!("  ports: {{api: {}}}\n  processes: {{scheduler: {{enabled: true}}}}\n", new - 10);
    place.write_agent(1, &more);
    place.ready("agent-1");
    assert!(is_free(old), "somebody still listens on the old port");
    // The page asks the API where it is now.
    let page = place.site.frontend + 10;
    for port in [new, page] {
        assert_eq!(http(port, "GET", "/api/v1/health", "").unwrap().0, 200, "{port}");
    }
    let env = fs::read_to_string(place.worktree(1).join(".env.agent.1")).unwrap();
    assert!(env.contains(&format!("\nPORT={new}\n")) && !env.contains(&old.to_string()), "{env}");
    let stale: Vec<u32> = environments(&place.site, 1)
        .into_iter()
        .filter(|(_, environment)| environment.contains(&format!("PORT={old}")))
        .map(|(pid, _)| pid)
        .collect();
    assert!(stale.is_empty(), "these have the old port: {stale:?}");
}
