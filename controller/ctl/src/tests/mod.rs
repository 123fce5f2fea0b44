//! Whole command lines against a stand-in for the controller: what is printed, and how it ends.

mod agents;
mod change;
mod db;
mod get;
mod inside;
mod look;
mod services;
mod trash;
mod wait;
mod whose;
mod write;

use agent_harness_model::api::Object;
use agent_harness_model::status::Phase;

use crate::testing::{Ctl, agent, infra, not_found};

/// A small world in every phase.
fn world() -> Vec<Object> {
    vec![
        agent("agent-10", Phase::Stalled, "port 3100 is taken by pid 4711 (node server.js)"),
        agent("agent-2", Phase::Progressing, "process/api is starting: connection refused"),
        agent("agent-1", Phase::Ready, ""),
        infra(),
    ]
}

/// Answers as a controller with this world would, as far as it is only looked at.
fn looking(world: Vec<Object>) -> impl Fn(&str, &str) -> (u16, String) + 'static {
    move |line, _| {
        let path = line.trim_start_matches("GET /v1/");
        if path.split('?').next() == Some("objects") {
            return (200, serde_json::to_string(&world).unwrap());
        }
        let found = world.iter().find(|object| {
            format!("objects/{}/{}", object.kind.to_lowercase(), object.metadata.name) == path
        });
        found.map_or_else(not_found, |object| (200, serde_json::to_string(object).unwrap()))
    }
}

/// Runs words against that world.
fn look(words: &[&str]) -> String {
    Ctl::new().with(words, looking(world()))
}

/// Diagnostics without what would be right: those words are the model's, and held by its tests.
fn without_help(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("= help: "));
    lines.collect::<Vec<_>>().join("\n")
}
