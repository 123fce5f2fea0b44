//! Ports: no two of anything on one port, and none that does not exist.

use std::collections::BTreeMap;

use super::agents::View;
use super::{LastGood, of_kind, seniority};
use crate::id::{ObjectKey, ObjectKind};
use crate::spec::diagnostic::Diagnostic;
use crate::spec::parse::{Body, Document};
use crate::spec::source::Place;
use crate::spec::{Container, InfraSpec};

/// Who has a port.
struct Owner {
    /// As a message names it: `the port `api` of agent/agent-1`.
    who: String,
    place: Place,
}

/// Every port that two claim, and every one past 65535. What did not change comes first; among equals the
/// shared services do, then the agents in the order given.
pub(super) fn check(
    documents: &BTreeMap<ObjectKey, Document>,
    views: &[View<'_>],
    last_good: &LastGood,
    problems: &mut Vec<Diagnostic>,
) {
    enum Claimant<'a> {
        Infra(&'a Document, &'a InfraSpec),
        Agent(&'a View<'a>),
    }
    let mut claimants: Vec<((u8, u8), Claimant<'_>)> = Vec::new();
    for document in of_kind(documents, ObjectKind::Infra) {
        if let Body::Infra(spec) = &document.body {
            let seniority = seniority(document, last_good);
            claimants.push(((seniority, seniority), Claimant::Infra(document, spec)));
        }
    }
    claimants.extend(views.iter().map(|view| (view.seniority(last_good), Claimant::Agent(view))));
    claimants.sort_by_key(|(seniority, _)| *seniority);
    let mut taken: BTreeMap<u16, Owner> = BTreeMap::new();
    for (_, claimant) in claimants {
        let mine = match claimant {
            Claimant::Infra(document, spec) => shared_ports(document, spec, &taken, problems),
            Claimant::Agent(view) => agent_ports(view, &taken, problems),
        };
        taken.extend(mine);
    }
}

fn shared_ports(
    document: &Document,
    spec: &InfraSpec,
    taken: &BTreeMap<u16, Owner>,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<u16, Owner> {
    let mut mine: BTreeMap<u16, Owner> = BTreeMap::new();
    for (port, name, path) in infra_ports(spec) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = document.node.value_place(&path);
        let who = format!("`{name}` of {}", document.key);
        match taken.get(&port).or_else(|| mine.get(&port)) {
            Some(owner) => problems.push(
                clash(&place, &who, port, owner)
                    .help("give one of them another port")
                    .of(document.key.clone()),
            ),
            None => {
                mine.insert(port, Owner { who, place });
            }
        }
    }
    mine
}

fn clash(place: &Place, who: &str, port: u16, owner: &Owner) -> Diagnostic {
    Diagnostic::at(
        place.clone(),
        format!("the port {port} is wanted by {who}, but {} has it", owner.who),
    )
    .related(format!("{} is here", owner.who), owner.place.clone())
}

fn agent_ports(
    view: &View<'_>,
    taken: &BTreeMap<u16, Owner>,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<u16, Owner> {
    let key = &view.document.key;
    let (id, stride) = (u64::from(view.id), u64::from(view.spec.port_stride));
    let mut mine: BTreeMap<u16, Owner> = BTreeMap::new();
    for (name, base) in &view.spec.ports {
        let who = format!("`{name}` of {key}");
        let place = own_place(view, name);
        let base_place = view.node.value_place(&["ports", name]);
        let base = u64::from(*base);
        let Ok(port) = u16::try_from(base + id * stride) else {
            let most = (65535 - base) / stride.max(1);
            problems.push(
                Diagnostic::at(
                    place.clone(),
                    format!(
                        "the port of {who} would be {} ({base} + {id} × {stride}), past 65535",
                        base + id * stride
                    ),
                )
                .related(format!("the base of `{name}` is here"), base_place)
                .help(format!(
                    "the highest `id` for this base is {most}: use a lower one, or lower the base or `portStride`"
                ))
                .of(key.clone()),
            );
            continue;
        };
        let other_base =
            view.spec.ports.iter().find(|(other, base)| *other != name && **base == port);
        if let Some((other, _)) = other_base {
            let problem = if view.document.node.find(&["spec", "ports", other]).is_some() {
                // Its own edit, and no choice of the Stack's.
                Diagnostic::at(
                    own_place(view, other),
                    format!("the base {port} of `{other}` is the port of {who}"),
                )
                .related(format!("`{name}` has the base {base}, plus {id} × {stride}"), base_place)
                .help(format!("choose another base for `{other}`"))
            } else {
                Diagnostic::at(
                    place.clone(),
                    format!("the port {port} of {who} is the base of `{other}` in the same Stack"),
                )
                .related(format!("`{other}` is here"), view.node.value_place(&["ports", other]))
                .help("choose another `id`, or move the bases further apart")
            };
            problems.push(problem.of(key.clone()));
        } else if let Some(owner) = taken.get(&port).or_else(|| mine.get(&port)) {
            problems.push(
                clash(&place, &who, port, owner)
                    .help(format!("{port} is {base} + {id} × {stride}: choose another `id`, base or `portStride`"))
                    .of(key.clone()),
            );
        } else {
            mine.insert(port, Owner { who, place });
        }
    }
    mine
}

/// Where an agent decides upon a port: at the base, where that is its own, or else at its id.
fn own_place(view: &View<'_>, name: &str) -> Place {
    let node = &view.document.node;
    let base = ["spec", "ports", name];
    if node.find(&base).is_some() { node.value_place(&base) } else { view.id_place() }
}

/// The ports of an Infra on this host: number, name, and where in the document it is written.
fn infra_ports(spec: &InfraSpec) -> Vec<(u16, String, Vec<String>)> {
    let mut ports = Vec::new();
    let path = |parts: &[&str]| -> Vec<String> {
        std::iter::once("spec").chain(parts.iter().copied()).map(str::to_owned).collect()
    };
    let mut container = |name: &str, base: &[&str], container: &Container| {
        for (port_name, port) in &container.ports {
            let mut parts = base.to_vec();
            parts.extend(["container", "ports", port_name, "host"]);
            ports.push((port.host, format!("{name}.{port_name}"), path(&parts)));
        }
    };
    if let Some(postgres) = &spec.postgres
        && let Some(it) = &postgres.container
    {
        container("postgres", &["postgres"], it);
    }
    if let Some(store) = &spec.object_store
        && let Some(it) = &store.container
    {
        container("objectStore", &["objectStore"], it);
    }
    for (name, service) in &spec.services {
        if let Some(it) = &service.container {
            container(name, &["services", name], it);
        }
    }
    if let Some(embedded) = spec.postgres.as_ref().and_then(|p| p.embedded.as_ref()) {
        ports.push((embedded.port, "postgres".to_owned(), path(&["postgres", "embedded", "port"])));
    }
    if let Some(embedded) = spec.object_store.as_ref().and_then(|s| s.embedded.as_ref()) {
        let place = path(&["objectStore", "embedded", "port"]);
        ports.push((embedded.port, "objectStore".to_owned(), place));
    }
    for (name, service) in &spec.services {
        for (port_name, port) in &service.ports {
            let place = path(&["services", name, "ports", port_name]);
            ports.push((*port, format!("{name}.{port_name}"), place));
        }
    }
    ports
}
