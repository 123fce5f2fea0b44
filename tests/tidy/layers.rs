//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{files, metadata, read, report};

/// What a package depends on outside of tests, by name: directly, and through others.
fn dependencies(name: &str) -> BTreeSet<String> {
    let by_id: BTreeMap<&str, &Value> = metadata()["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let name_of = |id: &str| {
        let packages = metadata()["packages"].as_array().unwrap();
        let package = packages.iter().find(|package| package["id"] == id).unwrap();
        package["name"].as_str().unwrap().to_owned()
    };
    let start = by_id.keys().find(|id| name_of(id) == name).unwrap();
    let (mut open, mut found) = (vec![*start], BTreeSet::new());
    while let Some(id) = open.pop() {
        for dependency in by_id[id]["deps"].as_array().unwrap() {
            let normal =
                dependency["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap();
            if normal && found.insert(name_of(id)) {
                open.push(id);
            }
        }
    }
    found
}

#[test]
fn model_depends_on_no_async_io_or_client_crate() {
    let banned = [
        "tokio",
        "futures-core",
        "futures-util",
        "async-trait",
        "mio",
        "socket2",
        "hyper",
        "axum",
        "tower",
        "sqlx",
        "aws-sdk-s3",
        "git2",
        "bollard",
        "notify",
        "reqwest",
        "rustls",
        "rustix",
        "procfs",
        "tempfile",
        "tracing-subscriber",
    ];
    let found = dependencies("agent-harness-model");
    let problems: Vec<_> =
        banned.iter().filter(|name| found.contains(**name)).map(ToString::to_string).collect();
    report("controller/model is pure, yet depends on", &problems);
}

#[test]
fn model_does_no_io_and_looks_at_no_clock() {
    let banned = [
        "std::fs",
        "std::net",
        "std::process::Command",
        "std::env::var",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "Timestamp::now",
        "Zoned::now",
        "async fn",
        "Uuid::now_v7",
        "Uuid::new_v4",
    ];
    let problems: Vec<_> = files("controller/model/src", "rs")
        .iter()
        .flat_map(|file| {
            let text = read(file);
            banned
                .iter()
                .filter(|word| text.contains(**word))
                .map(|word| format!("{}: {word}", file.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    report("controller/model is pure, yet calls", &problems);
}

#[test]
fn shim_has_no_async_runtime() {
    let found = dependencies("agent-harness-shim");
    let problems: Vec<_> =
        ["tokio", "mio", "sqlx", "agent-harness-providers", "agent-harness-engine"]
            .iter()
            .filter(|name| found.contains(**name))
            .map(ToString::to_string)
            .collect();
    report("controller/shim stays small, yet depends on", &problems);
}

#[test]
fn layers_point_downwards() {
    let below: [(&str, &[&str]); 5] = [
        ("agent-harness-model", &["-providers", "-engine", "-shim", "-ctl", "-testkit"]),
        ("agent-harness-shim", &["-model", "-providers", "-engine", "-ctl", "-testkit"]),
        ("agent-harness-providers", &["-engine", "-ctl", "-testkit"]),
        ("agent-harness-engine", &["-ctl", "-testkit"]),
        ("agent-harness-ctl", &["-providers", "-engine", "-testkit"]),
    ];
    let mut problems = Vec::new();
    for (package, forbidden) in below {
        let found = dependencies(package);
        for name in forbidden.iter().map(|suffix| format!("agent-harness{suffix}")) {
            if found.contains(&name) {
                problems.push(format!("{package} depends on {name}"));
            }
        }
    }
    report("a layer knows only what lies below it", &problems);
}
