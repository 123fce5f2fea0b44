//! The first minutes: servers, the template, and an agent whose branch is ahead of it.

#![expect(clippy::disallowed_methods, reason = "the wrapper belongs to the product")]

use std::fs;
use std::net::TcpListener;

use super::super::harness::text;
use super::super::host::http;
use super::super::stand_in::StandIn;

pub const MIGRATIONS: &str = "packages/backend/src/database/migrations";

/// What is in a migration that adds a table.
pub fn migration(table: &str) -> String {
    format!(
        "import type {{ Knex }} from 'knex';

export const up = (knex: Knex): Promise<void> =>
    knex.schema.createTable('{table}', (table) => {{
        table.increments('id');
    }});

export const down = (knex: Knex): Promise<void> => knex.schema.dropTable('{table}');
"
    )
}

/// Agent 2 works on a branch with a migration that its base does not have, and nothing runs it.
pub fn with_a_branch_that_is_ahead(place: &StandIn) {
    place.git(&["checkout", "--quiet", "-b", "feature/ahead"]);
    let file = place.repo().join(MIGRATIONS).join("20250101000000_ahead.ts");
    fs::write(file, migration("ahead")).unwrap();
    place.git(&["add", "--all"]);
    place.git(&["commit", "--quiet", "--message", "A table more"]);
    place.git(&["checkout", "--quiet", "main"]);
    place.write_agent(
        2,
        "  worktree: {branch: feature/ahead}\n  database: {afterClone: {migrate: null}}\n",
    );
}

/// Upstream: health was green while S3 went to whoever listened on port 9000.
pub fn a_stranger_on_the_store_s_port_gets_nothing(place: &mut StandIn) {
    // The template is not to succeed yet.
    place.site.edit("stack.yaml", SEED, &format!("\"{SEED} && echo no good seeds >&2 && exit 7\""));
    let stranger = TcpListener::bind(("127.0.0.1", place.site.store)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    place.start();
    let pid = format!("taken by pid {}", std::process::id());
    place.told("infra/shared", &["service/objectStore", &pid]);
    assert!(!place.site.is_ready("infra/shared") && !place.site.is_ready("agent-1"));
    drop(stranger);
    place.ready("infra/shared");
}

const SEED: &str = "pnpm -F backend seed";

/// Upstream: what a failed seed had left was taken for a template.
pub fn a_half_built_template_is_never_cloned(place: &StandIn) {
    place.told("stack/lightdash", &["exit code 7", "no good seeds", "template/seed.log"]);
    place.told("agent-1", &["waits for stack/lightdash template/lightdash_template_"]);
    let clones = "SELECT count(*) FROM pg_database WHERE datname LIKE 'agent%' OR datistemplate AND datname LIKE 'light%'";
    assert_eq!(place.site.sql("postgres", clones), "0");
    let log = place.site.ctl_ok(&["logs", "stack/lightdash", "template/migrate"]);
    assert!(log.contains("Batch 1 run: 2 migrations"), "{log}");
    let bad = format!("\"{SEED} && echo no good seeds >&2 && exit 7\"");
    place.site.edit("stack.yaml", &bad, SEED);
    place.ready("stack/lightdash");
}

/// Upstream: once the health check had timed out, a warning came, and then "ready".
pub fn an_agent_that_is_not_migrated_is_not_ready(place: &StandIn) {
    let api = place.site.api + 20;
    place.told("agent-2", &["process/api is not ready", "500"]);
    let (status, body) = http(api, "GET", "/api/v1/health", "").unwrap();
    assert!(status == 500 && body.contains("Database has not been migrated yet"), "{body}");
    let wait = place.site.ctl(&["wait", "2", "--for", "ready", "--timeout", "1s"]);
    assert_eq!(wait.status.code(), Some(3), "{}", text(&wait.stderr));
    // The other one has been ready for long.
    assert!(place.site.is_ready("agent-1"));

    // What runs after each clone brings it up to its branch.
    place.write_agent(2, "  worktree: {branch: feature/ahead}\n");
    place.ready("agent-2");
    assert_eq!(http(api, "GET", "/api/v1/health", "").unwrap().0, 200);
}
