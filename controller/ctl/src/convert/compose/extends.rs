//! `extends`: a service takes over what another one of the same file says.

use std::sync::Arc;

use agent_harness_model::spec::node::{Entry, Node, NodeKind};

use crate::convert::report::Report;

/// Carries out every `extends` whose service is in the file.
pub fn resolve(root: &mut Node, report: &mut Report) {
    let Some(all) = root.get("services").cloned() else { return };
    let NodeKind::Map(entries) = &mut root.kind else { return };
    let services = entries.iter_mut().filter(|entry| entry.key == "services");
    for services in services {
        let NodeKind::Map(services) = &mut services.value.kind else { continue };
        for service in services {
            let mut seen = vec![service.key.clone()];
            if let Some(whole) = extended(&service.key, &service.value, &all, &mut seen, report) {
                service.value = whole;
            }
        }
    }
}

/// A service with all that it takes over; none where it takes over nothing.
fn extended(
    name: &str,
    service: &Node,
    all: &Node,
    seen: &mut Vec<String>,
    report: &mut Report,
) -> Option<Node> {
    let entry = service.entry("extends")?;
    let (base, file) = match &entry.value.kind {
        NodeKind::String(base) => (base.as_str(), None),
        _ => (entry.value.get("service")?.as_str()?, entry.value.get("file")),
    };
    let place = entry.place();
    if file.is_some() {
        report.lost(
            &super::Field {
                path: format!("services.{name}.extends"),
                key: "extends",
                at: place,
                node: &entry.value,
            },
            "other files are not read; write `docker compose config` into a file and convert that",
        );
        return None;
    }
    if seen.iter().any(|other| other == base) {
        let circle = format!("{} → {base}", seen.join(" → "));
        report.wrong(
            place,
            format!("services extend each other: {circle}"),
            "remove one `extends`",
        );
        return None;
    }
    let Some(found) = all.get(base) else {
        let message = format!("there is no service `{base}` to extend");
        report.wrong(place, message, "name a service of this file");
        return None;
    };
    seen.push(base.to_owned());
    let mut whole = extended(base, found, all, seen, report).unwrap_or_else(|| found.clone());
    if let NodeKind::Map(entries) = &mut whole.kind {
        // These are not taken over.
        entries.retain(|entry| !["extends", "depends_on"].contains(&entry.key.as_str()));
    }
    overlay(&mut whole, service, "");
    Some(whole)
}

/// Puts a service over the one that it extends: maps are merged, lists added, anything else is replaced.
fn overlay(base: &mut Node, over: &Node, key: &str) {
    let replaced = ["command", "entrypoint", "test"].contains(&key);
    if ["environment", "labels", "extra_hosts"].contains(&key) {
        // Either may be a list of `NAME=VALUE`.
        as_map(base, key);
        let mut over = over.clone();
        as_map(&mut over, key);
        return merge(base, &over);
    }
    match (&mut base.kind, &over.kind) {
        (NodeKind::Map(_), NodeKind::Map(_)) if !replaced => merge(base, over),
        (NodeKind::Seq(items), NodeKind::Seq(more)) if !replaced => {
            items.extend(more.iter().cloned());
        }
        _ => *base = over.clone(),
    }
}

fn merge(base: &mut Node, over: &Node) {
    let NodeKind::Map(entries) = &mut base.kind else { return };
    for entry in over.entries() {
        match entries.iter_mut().find(|other| other.key == entry.key) {
            Some(other) => {
                overlay(&mut other.value, &entry.value, &entry.key);
                (other.at, other.source) = (entry.at, Arc::clone(&entry.source));
            }
            None => entries.push(entry.clone()),
        }
    }
}

/// A list of `NAME=VALUE` as a map.
fn as_map(node: &mut Node, key: &str) {
    let NodeKind::Seq(items) = &node.kind else { return };
    let separators: &[char] = if key == "extra_hosts" { &['=', ':'] } else { &['='] };
    let entries = items.iter().filter_map(|item| {
        let text = item.as_str()?;
        let (key, kind) = match text.split_once(separators) {
            Some((key, value)) => (key, NodeKind::String(value.to_owned())),
            None => (text, NodeKind::Null),
        };
        let value = Node { kind, ..item.clone() };
        Some(Entry { key: key.to_owned(), at: item.at, source: Arc::clone(&item.source), value })
    });
    node.kind = NodeKind::Map(entries.collect());
}
